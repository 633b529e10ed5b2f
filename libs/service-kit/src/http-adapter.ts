/** The HTTP server: limits, body types, and answers in FHIR's shape to what never becomes a request. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { fastify } from 'fastify';
import type { FastifyInstance } from 'fastify';
import { takeBodies } from './body-types.ts';
import type { Config } from './config.ts';
import type { Log } from './log.ts';
import { answerNotFound, faultHandler, outcomeText } from './problem-response.ts';

/** Of every route that does not take others. */
const bodyTypes = [
  'application/fhir+json',
  'application/json',
  'application/json-patch+json',
  'application/x-www-form-urlencoded',
];

/** Takes a connection over whose client asks for another protocol. https://www.rfc-editor.org/rfc/rfc9110#section-7.8 */
export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

declare module 'fastify' {
  interface FastifyInstance {
    /** By path. */
    upgrades: Map<string, Upgrade>;
  }
}

const pathOf = (url: string): string => url.split('?', 1)[0]!;

/** A Nest adapter around a Fastify server that hands bodies to handlers as bytes. */
export function createAdapter(
  config: Pick<Config, 'bodyLimit'> & Partial<Pick<Config, 'trustedProxies'>>,
  log: Log,
): FastifyAdapter {
  const proxies = config.trustedProxies ?? [];
  const upgrades = new Map<string, Upgrade>();
  const server = fastify({
    logger: false,
    bodyLimit: config.bodyLimit,
    requestTimeout: 60_000,
    keepAliveTimeout: 65_000,
    // A look every five seconds, so that a head that trickles in is cut off soon after its time.
    http: {
      headersTimeout: 15_000,
      connectionsCheckingInterval: 5_000,
      maxHeaderSize: 16 * 1024,
      // Any other request that would become something else is answered as if it had not asked.
      shouldUpgradeCallback: ({ url = '' }) => upgrades.has(pathOf(url)),
    },
    ...(proxies.length > 0 && { trustProxy: [...proxies] }),
    routerOptions: { maxParamLength: 256 },
    // Requests on connections that are already open are answered, then told to close; refusing them would lose writes.
    return503OnClosing: false,
    genReqId: requestId,
    clientErrorHandler: answerUnparsable,
    frameworkErrors: faultHandler(log),
  });
  takeBodies(server, bodyTypes);
  // An expectation that nobody here knows is left alone, as HTTP allows; Node would answer 417 without a word.
  server.server.on('checkExpectation', (request, response) =>
    server.server.emit('request', request, response),
  );
  server.decorate('upgrades', upgrades);
  server.server.on('upgrade', (request, socket, head) =>
    upgrades.get(pathOf(request.url ?? ''))?.(request, socket, head),
  );
  server.setErrorHandler(faultHandler(log));
  server.setNotFoundHandler(answerNotFound);
  return adaptWithoutHooks(server);
}

/**
 * The adapter hooks seven functions into each request, for Nest's CORS, CSRF protection, middleware and versioning. None
 * of them is used here, and together they cost as much as a third of Fastify itself.
 */
function adaptWithoutHooks(server: FastifyInstance): FastifyAdapter {
  const { addHook } = server;
  server.addHook = () => server;
  try {
    return new PlainAdapter(server as never);
  } finally {
    server.addHook = addHook;
  }
}

/** Nest would put its own handlers in place of ours, in a shape that is not FHIR. */
class PlainAdapter extends FastifyAdapter {
  /** Would register a host for Express middleware. */
  override async init(): Promise<void> {}
  override setErrorHandler(): never {
    return undefined as never;
  }
  override setNotFoundHandler(): never {
    return undefined as never;
  }
}

/** The client's own id where it is a UUID; any other text could hold what must not be logged. */
function requestId(request: { headers: Record<string, unknown> }): string {
  const sent = request.headers['x-request-id'];
  if (typeof sent === 'string' && /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(sent)) return sent;
  return `${processName}-${(++requestCount).toString(36)}`;
}

const processName = randomUUID().slice(0, 8);
let requestCount = 0;

/** What Node's HTTP parser refused; there is no request yet, so the answer is written to the socket. */
function answerUnparsable(this: FastifyInstance, error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const [status, message] = unparsable[error.code ?? ''] ?? [
    '400 Bad Request',
    'The request is not valid HTTP.',
  ];
  const body = outcomeText([{ category: 'incorrect', code: 'structure', message }]);
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/fhir+json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

const unparsable: Readonly<Record<string, readonly [string, string]>> = {
  HPE_HEADER_OVERFLOW: [
    '431 Request Header Fields Too Large',
    'The headers are larger than 16 kB. Send a search by POST.',
  ],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'The request did not arrive in time. Send it again.'],
};
