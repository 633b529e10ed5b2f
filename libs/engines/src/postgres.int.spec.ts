import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { engineOrReason } from './engine-missing.ts';
import { startPostgres } from './postgres.ts';
import type { Postgres } from './postgres.ts';

const folder = join(mkdtempSync(join(tmpdir(), 'carelog-engine-')), 'postgres');
const first = await engineOrReason(() => startPostgres({ folder }));
const running: Postgres[] = typeof first === 'string' ? [] : [first];

afterEach(async () => {
  await Promise.all(running.splice(0).map((postgres) => postgres.stop()));
});
afterAll(() => {
  rmSync(join(folder, '..'), { recursive: true, force: true });
});

describe.skipIf(typeof first === 'string')(
  `PostgreSQL as a child process${typeof first === 'string' ? `: ${first}` : ''}`,
  () => {
    it('accepts connections, and comes up on the same folder with the same password after a stop and after a kill', async () => {
      const server = first as Postgres;
      const url = new URL(server.url('other'));
      expect(url).toMatchObject({
        protocol: 'postgres:',
        hostname: '127.0.0.1',
        port: String(server.port),
        pathname: '/other',
      });
      expect(await accepts(server.port)).toBe(true);

      await server.stop();
      expect(await accepts(server.port)).toBe(false);
      const second = await startPostgres({ folder, port: server.port });
      running.push(second);
      expect(second.url()).toBe(server.url());
      expect(await accepts(second.port)).toBe(true);

      const { pid } = second;
      await second.kill();
      expect(await accepts(second.port)).toBe(false);
      await second.start();
      expect(await accepts(second.port)).toBe(true);
      expect(second.pid).not.toBe(pid);

      await second.stop();
      const third = await startPostgres({ folder });
      running.push(third);
      expect(await accepts(third.port)).toBe(true);
      expect(third.pid).not.toBe(second.pid);
    });

    it('ends in good order when whoever started it is killed', async () => {
      const start = `
        import { startPostgres } from ${JSON.stringify(new URL('./postgres.ts', import.meta.url).href)};
        const { port } = await startPostgres({ folder: ${JSON.stringify(folder)} });
        process.stdout.write(String(port));`;
      const starter = spawn(process.execPath, ['--input-type=module', '--eval', start], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const port = await new Promise<number>((resolve) =>
        starter.stdout.once('data', (text) => resolve(Number(text))),
      );
      expect(await accepts(port)).toBe(true);

      starter.kill('SIGKILL');
      const log = () => readFileSync(join(folder, 'postgres.log'), 'utf8').trimEnd();
      await expect.poll(log, { timeout: 20_000 }).toMatch(/database system is shut down$/);
      expect(await accepts(port)).toBe(false);
    });
  },
);

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
