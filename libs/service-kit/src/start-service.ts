/**
 * One NestJS application on Fastify. Nest wires the providers and their life; routes are plain Fastify routes, so nothing
 * of Nest lies in a request's path. Every route needs a token unless it says `config: { open: true }`.
 */
import { randomUUID } from 'node:crypto';
import type { AddressInfo, Socket } from 'node:net';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type {
  DynamicModule,
  InjectionToken,
  INestApplication,
  LoggerService,
  Provider,
} from '@nestjs/common';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Caller } from '@carelog/access';
import type { Problem } from '@carelog/fhir';
import { createAuthenticator } from './authenticate.ts';
import type { Authenticator, TrustedIssuer } from './authenticate.ts';
import type { Config } from './config.ts';
import type { Log } from './log.ts';
import { answerNotFound, faultHandler, operationOutcome, sendProblems } from './problem-response.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Served without a token. */
    open?: true;
  }
  interface FastifyRequest {
    /** Set before any handler runs, but for open routes. */
    caller: Caller;
  }
}

export interface ServiceOptions {
  readonly config: Pick<Config, 'port' | 'host' | 'bodyLimit' | 'publicUrl'>;
  readonly log: Log;
  readonly providers?: readonly Provider[];
  /** Whose tokens are accepted; asked once, when the service's own address is known. */
  readonly issuers: (url: string) => readonly TrustedIssuer[];
  readonly routes: (fastify: FastifyInstance, wiring: Wiring) => void | Promise<void>;
  /** What keeps the service from answering well just now; nothing when it is ready. */
  readonly readiness?: (get: Wiring['get']) => readonly Problem[] | Promise<readonly Problem[]>;
  /** Releases what the providers hold, after the last request was answered. */
  readonly release?: (get: Wiring['get']) => Promise<void>;
}

export interface Wiring {
  /** A provider by its token. */
  readonly get: <T>(token: InjectionToken<T>) => T;
  /** How clients reach the service, e.g. `http://127.0.0.1:8080`. Known from the moment the first request can arrive. */
  readonly url: () => string;
}

export interface Service extends Wiring {
  /** Stops accepting, answers what was accepted, releases. May be called again; the same ending is awaited. */
  close(): Promise<void>;
}

/** Bodies of these types reach handlers as the Buffer that was sent; every other type is refused with 415. */
const bodyTypes = [
  'application/fhir+json',
  'application/json',
  'application/json-patch+json',
  'application/x-www-form-urlencoded',
];
const slowMilliseconds = 1000;
const drainMillisecondsMax = 15_000;

/** Resolves when the service accepts requests. Rejects when it cannot be wired or bound (port taken, address not ours). */
export async function startService(options: ServiceOptions): Promise<Service> {
  const { config, log } = options;
  const adapter = createAdapter(config, log);
  const app = await wire(adapter, options.providers ?? [], log);
  const server = adapter.getInstance<FastifyInstance>();
  const get: Wiring['get'] = (token) => app.get(token, { strict: false });
  const url = (): string => config.publicUrl ?? boundUrl(server);

  let authenticator: Authenticator | undefined;
  const requireCaller = callerHook(() => (authenticator ??= createAuthenticator(options.issuers(url()))));
  server.decorateRequest('caller');
  server.addHook('onRequest', requireCaller);
  server.addHook('onResponse', responseLog(log));
  healthRoutes(server, () => options.readiness?.(get) ?? []);
  await options.routes(server, { get, url });
  await app.listen(config.port, config.host);

  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= drain(app, server).then(() => options.release?.(get)));
  return { get, url, close };
}

/** Ends the process on SIGTERM or SIGINT after the service closed; a second signal ends it at once. */
export function closeOnSignal(service: Pick<Service, 'close'>, log: Log): void {
  let closing = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (closing) process.exit(130);
    closing = true;
    log.info({ signal }, 'closing');
    service.close().then(
      () => process.exit(0),
      (fault: unknown) => {
        log.error({ fault: fault instanceof Error ? fault.name : typeof fault }, 'closing failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}

/** Nest would put its own handlers in place of ours, in a shape that is not FHIR. */
class PlainAdapter extends FastifyAdapter {
  override setErrorHandler(): never {
    return undefined as never;
  }
  override setNotFoundHandler(): never {
    return undefined as never;
  }
}

function createAdapter(config: ServiceOptions['config'], log: Log): PlainAdapter {
  const adapter = new PlainAdapter({
    // Express middleware is not used; without its host each request has one hook less.
    skipMiddie: true,
    logger: false,
    bodyLimit: config.bodyLimit,
    requestTimeout: 60_000,
    keepAliveTimeout: 65_000,
    http: { headersTimeout: 15_000, maxHeaderSize: 16 * 1024 },
    routerOptions: { maxParamLength: 256 },
    // Requests on connections that are already open are answered, then told to close; refusing them would lose writes.
    return503OnClosing: false,
    genReqId: requestId,
    clientErrorHandler: answerUnparsable,
    frameworkErrors: faultHandler(log),
  });
  const server = adapter.getInstance<FastifyInstance>();
  server.removeAllContentTypeParsers();
  server.addContentTypeParser(bodyTypes, { parseAs: 'buffer' }, (request, body, done) => {
    const charset = /;\s*charset="?([^";\s]+)/i.exec(request.headers['content-type'] ?? '')?.[1];
    if (charset === undefined || /^(utf-8|utf8|us-ascii)$/i.test(charset)) done(null, body);
    else done(foreignCharset as never);
  });
  server.setErrorHandler(faultHandler(log));
  server.setNotFoundHandler(answerNotFound);
  return adapter;
}

const foreignCharset: Problem = {
  category: 'media-type',
  code: 'not-supported',
  message: 'The body is in a character set that is not understood here. Send application/fhir+json in UTF-8.',
};

function wire(adapter: PlainAdapter, providers: readonly Provider[], log: Log): Promise<INestApplication> {
  const root: DynamicModule = { module: class Service {}, providers: [...providers] };
  return NestFactory.create(root, adapter, { bodyParser: false, abortOnError: false, logger: nestLog(log) });
}

function nestLog(log: Log): LoggerService {
  const text = (message: unknown): string => (message instanceof Error ? message.name : String(message));
  return {
    log: (message: unknown) => log.debug(text(message)),
    warn: (message: unknown) => log.warn(text(message)),
    error: (message: unknown) => log.error(text(message)),
    fatal: (message: unknown) => log.fatal(text(message)),
  };
}

function callerHook(authenticator: () => Authenticator) {
  return (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    reply.header('x-request-id', request.id).header('x-content-type-options', 'nosniff');
    if (request.routeOptions.config.open === true || request.is404) return done();
    reply.header('cache-control', 'no-store');
    const { authorization } = request.headers;
    const caller = authenticator().recall(authorization);
    if (caller !== undefined) {
      request.caller = caller;
      return done();
    }
    authenticator()
      .verify(authorization)
      .then((outcome) => {
        if (outcome.kind === 'refused') return void sendProblems(reply, [outcome.problem]);
        request.caller = outcome.caller;
        done();
      })
      .catch((fault: unknown) => reply.send(fault));
  };
}

/** Route patterns, never addresses: a query can hold a name or an NHS number. */
function responseLog(log: Log) {
  return (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    const { statusCode, elapsedTime } = reply;
    const level = statusCode >= 500 ? 'error' : elapsedTime > slowMilliseconds ? 'warn' : 'debug';
    if (log.isLevelEnabled(level)) {
      const { method, id } = request;
      const facts = {
        method,
        route: request.routeOptions.url,
        status: statusCode,
        ms: Math.round(elapsedTime),
        request: id,
      };
      log[level](facts, 'served');
    }
    done();
  };
}

function healthRoutes(
  server: FastifyInstance,
  readiness: () => readonly Problem[] | Promise<readonly Problem[]>,
): void {
  server.get('/health/live', { config: { open: true } }, () => ({ status: 'live' }));
  server.get('/health/ready', { config: { open: true } }, async (_request, reply) => {
    const problems = await readiness();
    if (problems.length === 0) return { status: 'ready' };
    return reply.code(503).send({ status: 'not ready', problems: problems.map(({ message }) => message) });
  });
}

/** The client's own id where it is a UUID; any other text could hold what must not be logged. */
function requestId(request: { headers: Record<string, unknown> }): string {
  const sent = request.headers['x-request-id'];
  return typeof sent === 'string' && /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(sent)
    ? sent
    : randomUUID();
}

function boundUrl(server: FastifyInstance): string {
  const { address, family, port } = server.server.address() as AddressInfo;
  const anyAddress = address === '0.0.0.0' || address === '::';
  const host = anyAddress ? '127.0.0.1' : family === 'IPv6' ? `[${address}]` : address;
  return `http://${host}:${port}`;
}

/** What Node's HTTP parser refused; there is no request yet, so the answer is written to the socket. */
function answerUnparsable(this: FastifyInstance, error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const [status, message] = unparsable[error.code ?? ''] ?? [
    '400 Bad Request',
    'The request is not valid HTTP.',
  ];
  const body = operationOutcome([{ category: 'incorrect', code: 'structure', message }]);
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

async function drain(app: INestApplication, server: FastifyInstance): Promise<void> {
  const overdue = setTimeout(() => server.server.closeAllConnections(), drainMillisecondsMax);
  try {
    await app.close();
  } finally {
    clearTimeout(overdue);
  }
}
