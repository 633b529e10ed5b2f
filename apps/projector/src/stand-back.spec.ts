import { once } from 'node:events';
import { getPriority } from 'node:os';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';

// Other systems have no priorities of threads.
it.runIf(process.platform === 'linux')('lets the thread that calls it stand back, and no other', async () => {
  const before = getPriority();
  const program = `
    const { getPriority } = await import('node:os');
    const { parentPort } = await import('node:worker_threads');
    const { readlinkSync } = await import('node:fs');
    const { standBack } = await import(${JSON.stringify(new URL('./stand-back.ts', import.meta.url).href)});
    standBack(7);
    parentPort.postMessage(getPriority(Number(readlinkSync('/proc/thread-self').split('/').at(-1))));`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`));
  const [told] = (await once(worker, 'message')) as [number];
  expect(told).toBe(Math.min(19, before + 7));
  expect(getPriority()).toBe(before);
  await worker.terminate();
});
