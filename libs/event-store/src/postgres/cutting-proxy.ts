/** A way to PostgreSQL that a spec can cut at the moment of COMMIT, before or after the server has heard it. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';

export interface CuttingProxy {
  readonly port: number;
  /** Cuts the connection over which the next COMMIT comes; resolves when that has happened. */
  cutAtCommit(when: 'unheard' | 'unanswered'): Promise<void>;
  close(): Promise<void>;
}

const commit = Buffer.from('Q\0\0\0\x0bCOMMIT\0');

export async function startCuttingProxy(target: number): Promise<CuttingProxy> {
  const open = new Set<Socket>();
  let cut: { when: 'unheard' | 'unanswered'; done: () => void } | undefined;
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        open.delete(socket);
        other.destroy();
      });
    }
    let silent = false;
    upstream.on('data', (bytes: Buffer) => {
      if (!silent) client.write(bytes);
      else if (bytes.includes('COMMIT\0')) finish();
    });
    client.on('data', (bytes: Buffer) => {
      const at = cut ? bytes.indexOf(commit) : -1;
      if (at < 0) {
        upstream.write(bytes);
        return;
      }
      silent = true;
      if (cut!.when === 'unheard') finish();
      else upstream.write(bytes);
    });
    function finish(): void {
      const { done } = cut!;
      cut = undefined;
      client.destroy();
      done();
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as { port: number }).port,
    cutAtCommit: (when) => new Promise((done) => (cut = { when, done })),
    async close() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
