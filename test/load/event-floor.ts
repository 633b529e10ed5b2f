/** What telling listeners of events cannot be faster than here: `node:http` that writes the same bytes to as many streams, as often. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';

export interface EventFloor {
  readonly url: string;
  /** So many events a second for so long, each to so many streams in turn. Resolves when the last one was written. */
  tell(perSecond: number, seconds: number, streamsOfEach: number): Promise<void>;
  end(): Promise<void>;
}

/** Of one event in a stream. */
const EVENT_BYTES = 620;
const TICK_MS = 5;

export async function startEventFloor(): Promise<EventFloor> {
  const child = fork(fileURLToPath(import.meta.url));
  const [port] = (await once(child, 'message')) as [number];
  return {
    url: `http://127.0.0.1:${port}/`,
    async tell(perSecond, seconds, streamsOfEach) {
      child.send({ perSecond, seconds, streamsOfEach });
      await once(child, 'message');
    },
    async end() {
      child.kill();
      await once(child, 'exit');
    },
  };
}

function serve(): void {
  const streams: ServerResponse[] = [];
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    streams.push(response);
  });
  server.listen(0, '127.0.0.1', () => process.send!((server.address() as AddressInfo).port));
  process.on('message', ({ perSecond, seconds, streamsOfEach }: Record<string, number>) => {
    const begun = performance.now();
    const padding = 'x'.repeat(EVENT_BYTES - 60);
    let told = 0;
    const ticking = setInterval(() => {
      const elapsed = Math.min((performance.now() - begun) / 1_000, seconds!);
      const line = `data: {"recordedtime":"${new Date().toISOString()}","x":"${padding}"}\n\n`;
      for (; told < elapsed * perSecond!; told += 1)
        for (let at = 0; at < streamsOfEach!; at += 1)
          streams[(told * streamsOfEach! + at) % streams.length]!.write(line);
      if (elapsed < seconds!) return;
      clearInterval(ticking);
      process.send!('told');
    }, TICK_MS);
  });
}

if (import.meta.main) serve();
