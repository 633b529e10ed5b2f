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
  /** Breaks every connection, and takes no more until it is mended; or only those of the clients that `of` tells by the first bytes they sent. */
  cut(of?: IsTold): void;
  /** Lets bytes of both directions lie, on the same connections, as a network does that loses everything; until it is mended. */
  stall(of?: IsTold): void;
  mend(): void;
  close(): Promise<void>;
}

export type IsTold = (first: Buffer) => boolean;

interface Connection {
  readonly client: Socket;
  readonly upstream: Socket;
  /** Undefined until the client has said something. */
  first?: Buffer;
}

/** A proxy on a free port to a port of the loopback address; nothing has to listen there yet. */
export async function startTcpProxy(target: number): Promise<TcpProxy> {
  const open = new Set<Connection>();
  let state: 'passing' | 'cut' | 'stalled' = 'passing';
  let meant: IsTold | undefined;
  let breaking: { is: (request: Buffer) => boolean; when: string; done: () => void } | undefined;

  const server = createServer((client) => {
    const connection: Connection = { client, upstream: connect(target, '127.0.0.1') };
    const { upstream } = connection;
    open.add(connection);
    join(client, upstream);
    join(upstream, client);
    breakOff(connection);
    let answersUntil: (() => void) | undefined;
    client.on('data', (bytes: Buffer) => {
      if (connection.first === undefined) {
        connection.first = bytes;
        breakOff(connection);
        if (client.destroyed) return;
        // Nothing passes before it is mended.
        if (client.isPaused()) return void client.unshift(bytes);
      }
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

    function join(socket: Socket, other: Socket): void {
      socket.on('error', () => {});
      socket.on('close', () => {
        open.delete(connection);
        other.destroy();
      });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');

  /** As the state says, where it is meant for this connection. */
  function breakOff({ client, upstream, first }: Connection): void {
    if (state === 'passing') return;
    if (meant !== undefined && (first === undefined || !meant(first))) return;
    for (const socket of [client, upstream]) {
      if (state === 'cut') socket.resetAndDestroy();
      else socket.pause();
    }
  }

  function turn(next: typeof state, of?: IsTold): void {
    state = next;
    meant = of;
    open.forEach(breakOff);
  }

  return {
    port: (server.address() as AddressInfo).port,
    breakAt: (is, when) => new Promise((done) => (breaking = { is, when, done })),
    cut: (of) => turn('cut', of),
    stall: (of) => turn('stalled', of),
    mend() {
      turn('passing');
      for (const { client, upstream } of open) for (const socket of [client, upstream]) socket.resume();
    },
    async close() {
      for (const { client } of open) client.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
