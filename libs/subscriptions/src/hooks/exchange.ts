/** One request to an endpoint that nobody trusts, with a bound on everything that it may do. Gives an outcome, whatever it does. */
import http, { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { LookupFunction } from 'node:net';

/** To connect, TLS included; for the whole of it; for what comes after the status. */
export const CONNECT_MS = 3_000;
const DRAIN_MS = 1_000;
/** More of a body is not read: the connection ends. */
export const BODY_BYTES = 64 * 1024;
const HEADER_BYTES = 16 * 1024;
/** A connection that nobody uses is closed. */
const IDLE_MS = 15_000;

export interface Exchange {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly lookup: LookupFunction;
  readonly ca: Buffer | undefined;
  /** When it has to be over, as `performance.now()` counts. */
  readonly deadline: number;
}

export type ExchangeOutcome =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly headers: IncomingHttpHeaders;
      /** As far as it came. */
      readonly body: Buffer;
    }
  | { readonly kind: 'failed'; readonly code: string };

export interface Connections {
  exchange(exchange: Exchange): Promise<ExchangeOutcome>;
  close(): void;
}

/** Keeps connections to endpoints open for the next request. */
export function openConnections(): Connections {
  const kept = { keepAlive: true, maxFreeSockets: 4, timeout: IDLE_MS };
  const agents = { 'http:': new http.Agent(kept), 'https:': new https.Agent(kept) };
  const agentOf = ({ protocol }: URL) => agents[protocol === 'http:' ? 'http:' : 'https:'];
  return {
    async exchange(exchange) {
      const first = await exchangeOnce(exchange, agentOf(exchange.url));
      // A connection that was kept is often closed by the other side just then. What is sent has an id: twice does no harm.
      if (first.kind === 'failed' && first.code === STALE)
        return exchangeOnce(exchange, agentOf(exchange.url));
      return first;
    },
    close() {
      for (const agent of Object.values(agents)) agent.destroy();
    },
  };
}

const STALE = 'STALE';

function exchangeOnce(exchange: Exchange, agent: http.Agent): Promise<ExchangeOutcome> {
  const { url, headers, body, lookup, ca, deadline } = exchange;
  return new Promise((resolve) => {
    let request: ClientRequest;
    try {
      const { request: begin } = url.protocol === 'https:' ? https : http;
      request = begin(url, {
        method: 'POST',
        headers: { ...headers, 'content-length': body.length },
        agent,
        lookup,
        maxHeaderSize: HEADER_BYTES,
        rejectUnauthorized: true,
        ...(ca && { ca }),
      });
    } catch (fault) {
      // A header that HTTP cannot carry.
      resolve({ kind: 'failed', code: codeOf(fault) });
      return;
    }
    let code: string | undefined;
    const give = (why: string) => () => {
      code ??= why;
      request.destroy();
    };
    const total = setTimeout(give('TOOK_TOO_LONG'), Math.max(0, deadline - performance.now()));
    const connecting = setTimeout(give('CONNECT_TOO_LONG'), CONNECT_MS);
    const settle = (outcome: ExchangeOutcome): void => {
      clearTimeout(total);
      clearTimeout(connecting);
      resolve(outcome);
    };
    request.on('socket', (socket) => {
      if (request.reusedSocket) clearTimeout(connecting);
      else
        socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', () => clearTimeout(connecting));
    });
    let isAnswered = false;
    const fail = (why: string): void => {
      if (!isAnswered) settle({ kind: 'failed', code: code ?? why });
    };
    request.on('response', (response) => {
      isAnswered = true;
      const { statusCode: status = 0, headers: answered } = response;
      void drained(response).then((read) => settle({ kind: 'answered', status, headers: answered, body: read })); // prettier-ignore
    });
    request.on('upgrade', (_response, socket) => {
      socket.destroy();
      fail('HPE_UPGRADE');
    });
    request.on('error', (fault) => fail(isStale(request, fault) ? STALE : codeOf(fault)));
    request.on('close', () => fail('ECONNRESET'));
    request.end(body);
  });
}

/** The status counts, whatever follows it: a body that is too long, too slow or cut off is left. */
function drained(response: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const timer = setTimeout(() => response.destroy(), DRAIN_MS);
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > BODY_BYTES) response.destroy();
      else chunks.push(chunk);
    });
    response.on('error', () => {});
    response.on('close', () => {
      clearTimeout(timer);
      resolve(Buffer.concat(chunks));
    });
  });
}

function isStale(request: ClientRequest, fault: unknown): boolean {
  return request.reusedSocket && /^(ECONNRESET|EPIPE)$/.test(codeOf(fault));
}

function codeOf(fault: unknown): string {
  const { code } = fault as { code?: unknown };
  if (typeof code === 'string') return code;
  // Every address of a name failed; each of them may have its own reason.
  return fault instanceof AggregateError && fault.errors.length > 0 ? codeOf(fault.errors[0]) : 'UNKNOWN';
}
