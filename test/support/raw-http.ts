/** One HTTP/1.1 exchange written byte by byte, for requests that no client library would send. */
import { connect } from 'node:net';

export interface RawRequest {
  /** Everything before the blank line, without the headers that say how long the body is and that the connection ends. */
  readonly head: readonly string[];
  readonly body?: Buffer;
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** Resolves with the whole answer. Rejects when it takes longer than `limitMs`, or ends before it is whole. */
export async function exchange(url: string, { head, body }: RawRequest, limitMs: number): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  const length = body === undefined ? [] : [`content-length: ${body.length}`];
  const lines = [...head, `host: ${hostname}:${port}`, 'connection: close', ...length, '', ''];
  const chunks: Buffer[] = [];
  await new Promise<void>((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => {
      socket.write(Buffer.from(lines.join('\r\n'), 'utf8'));
      if (body !== undefined) socket.write(body);
    });
    socket.setTimeout(limitMs, () => socket.destroy(new Error(`No whole answer within ${limitMs} ms`)));
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('end', resolve);
    // A server that refuses early may reset the connection while the body is still on its way; what it said counts.
    socket.on('error', (fault) => (chunks.length > 0 ? resolve() : reject(fault)));
    socket.on('close', () => resolve());
  });
  return wholeAnswer(Buffer.concat(chunks));
}

function wholeAnswer(bytes: Buffer): RawAnswer {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) throw new Error(`The answer has no end of its headers: ${bytes.length} bytes`);
  const [statusLine = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
  const status = Number(statusLine.split(' ')[1]);
  if (status === 100) return wholeAnswer(bytes.subarray(end + 4));
  const headers = new Map(
    lines.map((line) => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.slice(line.indexOf(':') + 1).trim(),
    ]),
  );
  // What was taken for a body may have been understood as a second request, with an answer of its own.
  const second = bytes.indexOf('HTTP/1.1 ', end);
  const rest = bytes.subarray(end + 4, second < 0 ? undefined : second);
  const declared = headers.get('content-length');
  const body = headers.get('transfer-encoding') === 'chunked' ? unchunked(rest) : rest;
  if (declared !== undefined && body.length > 0 && body.length !== Number(declared))
    throw new Error(`The answer has ${body.length} bytes of ${declared}`);
  return { status, headers, body: body.toString('utf8') };
}

function unchunked(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; ;) {
    const line = bytes.indexOf('\r\n', at);
    const length = Number.parseInt(bytes.toString('latin1', at, line), 16);
    if (line < 0 || Number.isNaN(length)) throw new Error('The answer ends within its chunks');
    if (length === 0) return Buffer.concat(parts);
    parts.push(bytes.subarray(line + 2, line + 2 + length));
    at = line + 2 + length + 2;
  }
}
