/**
 * What nothing can be faster than on this machine: `node:http` without a framework, a process of its own. GET answers bytes
 * it was given; POST parses the body as JSON first.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';

export interface HttpFloor {
  readonly url: string;
  readonly pid: number;
  /** From spawning the process to its accepting connections, milliseconds. */
  readonly startedInMs: number;
  /** From now on `path` answers these bytes. */
  serve(path: string, body: Uint8Array): void;
  end(): Promise<void>;
}

interface Answer {
  readonly path: string;
  readonly body: Uint8Array;
}

/** Starts this file as the floor's process. */
export async function startHttpFloor(): Promise<HttpFloor> {
  const begun = performance.now();
  const child = fork(fileURLToPath(import.meta.url), { serialization: 'advanced' });
  const [port] = (await once(child, 'message')) as [number];
  const startedInMs = performance.now() - begun;
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid!,
    startedInMs,
    serve: (path, body) => void child.send({ path, body } satisfies Answer),
    async end() {
      child.kill();
      await once(child, 'exit');
    },
  };
}

function answerRequests(): void {
  const answers = new Map<string, Buffer>();
  process.on('message', ({ path, body }: Answer) => answers.set(path, Buffer.from(body)));
  const server = createServer((request, response) => {
    const body = answers.get(request.url!)!;
    const headers = { 'content-type': 'application/fhir+json', 'content-length': body.length };
    if (request.method === 'GET') {
      response.writeHead(200, headers).end(body);
      return;
    }
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      JSON.parse(Buffer.concat(chunks).toString());
      response.writeHead(201, headers).end(body);
    });
  });
  server.listen(0, '127.0.0.1', () => process.send!((server.address() as AddressInfo).port));
}

if (import.meta.main) answerRequests();
