/** A way to a server, over TCP, that a test can break. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export interface TcpProxy {
  readonly port: number;
  /**
   * Breaks the connection over which the next request comes that `is` tells by its first bytes: before the server has heard
   * it, or once the server has begun to answer, of which nothing is passed on. Resolves when that has happened.
   */
  breakAt(is: (request: Buffer) => boolean, when: 'unheard' | 'unanswered'): Promise<void>;
  /** Breaks every connection, and takes no more until it is mended. */
  cut(): void;
  /** Lets bytes of both directions lie, on all connections, as a network does that loses everything; until it is mended. */
  stall(): void;
  mend(): void;
  close(): Promise<void>;
}

/** A proxy on a free port to a port of the loopback address; nothing has to listen there yet. */
export async function startTcpProxy(target: number): Promise<TcpProxy> {
  const open = new Set<Socket>();
  let state: 'passing' | 'cut' | 'stalled' = 'passing';
  let breaking: { is: (request: Buffer) => boolean; when: string; done: () => void } | undefined;

  const server = createServer((client) => {
    if (state === 'cut') {
      client.destroy();
      return;
    }
    const upstream = connect(target, '127.0.0.1');
    join(client, upstream);
    join(upstream, client);
    let answersUntil: (() => void) | undefined;
    client.on('data', (bytes: Buffer) => {
      const found = breaking?.is(bytes) === true ? breaking : undefined;
      if (!found) {
        upstream.write(bytes);
        return;
      }
      breaking = undefined;
      answersUntil = () => {
        client.destroy();
        found.done();
      };
      if (found.when === 'unheard') answersUntil();
      else upstream.write(bytes);
    });
    upstream.on('data', (bytes) => (answersUntil ? answersUntil() : client.write(bytes)));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');

  function join(socket: Socket, other: Socket): void {
    open.add(socket);
    if (state === 'stalled') socket.pause();
    socket.on('error', () => {});
    socket.on('close', () => {
      open.delete(socket);
      other.destroy();
    });
  }

  return {
    port: (server.address() as AddressInfo).port,
    breakAt: (is, when) => new Promise((done) => (breaking = { is, when, done })),
    cut() {
      state = 'cut';
      for (const socket of open) socket.destroy();
    },
    stall() {
      state = 'stalled';
      for (const socket of open) socket.pause();
    },
    mend() {
      state = 'passing';
      for (const socket of open) socket.resume();
    },
    async close() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
