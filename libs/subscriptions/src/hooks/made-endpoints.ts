/** For specs: servers at which notifications arrive, and what they may do about it. */
import { once } from 'node:events';
import http, { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import https from 'node:https';
import net, { type AddressInfo, type Server, type Socket } from 'node:net';
import type { MadeCertificate } from './made-certificates.ts';

export interface MadeEndpoint {
  readonly port: number;
  close(): Promise<void>;
}

export interface Arrived {
  readonly request: IncomingMessage;
  readonly body: string;
}

/** Answers as `answer` does, once the whole request is there. `certificate`: over TLS. */
export function startEndpoint(
  answer: (response: ServerResponse, arrived: Arrived) => void,
  certificate?: MadeCertificate,
): Promise<MadeEndpoint> {
  const listener: RequestListener = (request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => answer(response, { request, body }));
  };
  return listening(
    certificate ? https.createServer({ ...certificate }, listener) : http.createServer(listener),
  );
}

/** Does as it likes with the bytes of each connection. */
export function startBareEndpoint(met: (socket: Socket) => void): Promise<MadeEndpoint> {
  return listening(net.createServer(met));
}

async function listening(server: Server): Promise<MadeEndpoint> {
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => open.delete(socket));
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.close();
      for (const socket of open) socket.destroy();
      await once(server, 'close');
    },
  };
}

/** Writes the same again and again until nobody listens any more; gives how many bytes that were. */
export function pour(response: NodeJS.WritableStream & { destroyed?: boolean }, chunk: Buffer, everyMs = 0) {
  const poured = { bytes: 0 };
  const next = (): void => {
    if (response.destroyed === true) return;
    poured.bytes += chunk.length;
    const goesOn = response.write(chunk);
    if (everyMs > 0) setTimeout(next, everyMs);
    else if (goesOn) setImmediate(next);
    else response.once('drain', next);
  };
  next();
  return poured;
}
