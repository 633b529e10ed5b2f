/**
 * One NestJS application on Fastify. Nest wires the providers and their life; routes are plain Fastify routes, so nothing
 * of Nest lies in a request's path. Every route needs a token unless it says `config: { open: true }`.
 */
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type {
  DynamicModule,
  InjectionToken,
  INestApplication,
  LoggerService,
  Provider,
} from '@nestjs/common';
import type { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import type { Caller } from '@carelog/access';
import type { Problem } from '@carelog/fhir';
import { shareWith, standingHeaders } from './answer-headers.ts';
import { createAuthenticator } from './authenticate.ts';
import type { Authenticator, TrustedIssuer } from './authenticate.ts';
import type { Config } from './config.ts';
import { resourceMetadataPath } from './identity/smart-configuration.ts';
import type { Log } from './log.ts';
import type { Sample } from './metrics.ts';
import { admitStrangerOf, answeredWith, leave, receive, receiveTraced, requireCallerOf } from './request-hooks.ts'; // prettier-ignore
import { defaultAllowances, RequestLimits } from './request-limits.ts';
import { createRequestMetrics } from './request-metrics.ts';
import { isTracing } from './tracing.ts';

export interface ServiceOptions {
  readonly config: Pick<Config, 'port' | 'host' | 'bodyLimit' | 'publicUrl'> &
    Partial<Pick<Config, 'allowances' | 'corsOrigins' | 'trustedProxies' | 'drainSeconds'>>;
  readonly log: Log;
  readonly providers?: readonly Provider[];
  /** Whose tokens are accepted; asked once, when the service's own address is known. */
  readonly issuers: (url: string) => readonly TrustedIssuer[];
  readonly routes: (fastify: FastifyInstance, wiring: RouteWiring) => void | Promise<void>;
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

export interface RouteWiring extends Wiring {
  /** What was asked and how long it took since the service started. */
  readonly requestMetrics: () => Iterable<Sample>;
  /** Whether a caller who was let in may still be: as the same `Authorization` would be let in now. Undefined where not. */
  readonly recheck: (authorization: string | undefined) => Caller | undefined | Promise<Caller | undefined>;
}

export interface Service extends Wiring {
  /** Every route that is served, so that a test can tell which of them are open. */
  readonly routes: readonly ServedRoute[];
  /** Drains for as long as the settings say, stops accepting, answers what was accepted, releases. May be called again; the same ending is awaited. */
  close(): Promise<void>;
}

export interface ServedRoute {
  readonly method: string;
  /** The pattern, e.g. `/fhir/R4/*`. */
  readonly path: string;
  /** Needs no token. */
  readonly open: boolean;
}

const endMillisecondsMax = 15_000;
const idleMilliseconds = 50;

/**
 * Resolves when the service accepts requests. Rejects when it cannot be wired or bound (port taken, address not ours);
 * then nothing was released: the caller still holds what it opened.
 */
export async function startService(options: ServiceOptions): Promise<Service> {
  const { config, log } = options;
  // Loaded here, not above: commands and worker threads that use the rest of this library need no HTTP server.
  const { createAdapter } = await import('./http-adapter.ts');
  const adapter = createAdapter(config, log);
  const app = await wire(adapter, options.providers ?? [], log);
  const server = adapter.getInstance<FastifyInstance>();
  const get: Wiring['get'] = (token) => app.get(token, { strict: false });
  let address = config.publicUrl;
  // Remembered, because a server that is closing has no address while it still answers.
  const url = (): string => (address ??= boundUrl(server));

  let authenticator: Authenticator | undefined;
  const metadataOf = (own: string): string => `${own}${resourceMetadataPath}`;
  const limits = new RequestLimits(config.allowances ?? defaultAllowances);
  const authentication = (): Authenticator =>
    (authenticator ??= createAuthenticator(options.issuers(url()), { resourceMetadata: metadataOf(url()) }));
  const requireCaller = requireCallerOf(authentication, limits);
  const recheck: RouteWiring['recheck'] = (authorization) =>
    authentication().recall(authorization) ??
    authentication()
      .verify(authorization)
      .then((outcome) => (outcome.kind === 'caller' ? outcome.caller : undefined));
  const admitStranger = admitStrangerOf(limits);
  const routes: ServedRoute[] = [];
  server.decorateRequest('caller');
  server.decorateRequest('receivedAt', 0);
  server.decorateRequest('confidential', false);
  server.decorateRequest('interaction', 'other');
  server.decorateRequest('usage', null);
  server.decorateRequest('span', null);
  server.decorateRequest('crossOrigin', null);
  server.decorate('standingHeaders', standingHeaders(config.publicUrl));
  const metrics = createRequestMetrics();
  server.decorate('answered', answeredWith(log, metrics));
  server.addHook('onRequest', isTracing() ? receiveTraced : receive);
  server.addHook('onSend', leave);
  server.addHook('onRoute', (route) => {
    const open = route.config?.open === true;
    for (const method of [route.method].flat()) routes.push({ method, path: route.path, open });
    if (isHealth(route.path)) return;
    route.onRequest = [open ? admitStranger : requireCaller, ...[route.onRequest ?? []].flat()];
  });
  shareWith(server, config.corsOrigins ?? []);
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> =>
    (closing ??= drain(server, config.drainSeconds ?? 0)
      .then(() => end(app, server))
      .then(() => options.release?.(get)));
  healthRoutes(server, () => (closing === undefined ? (options.readiness?.(get) ?? []) : [ENDING]));
  try {
    await options.routes(server, { get, url, requestMetrics: () => metrics.samples(), recheck });
    await app.listen(config.port, config.host);
    url();
  } catch (fault) {
    await end(app, server);
    throw fault;
  }
  return { get, url, routes, close };
}

/** Ends the process on SIGTERM or SIGINT after the service closed; a signal a second later or more ends it at once. */
export function closeOnSignal(service: Pick<Service, 'close'>, log: Log): void {
  let closingSince: number | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (closingSince !== undefined) {
      // A shell signals the whole group, and npm passes it on: one Ctrl-C can arrive twice.
      if (performance.now() - closingSince > 1_000) process.exit(130);
      return;
    }
    closingSince = performance.now();
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

async function wire(
  adapter: FastifyAdapter,
  providers: readonly Provider[],
  log: Log,
): Promise<INestApplication> {
  const { NestFactory } = await import('@nestjs/core');
  const root: DynamicModule = { module: class Service {}, providers: [...providers] };
  return NestFactory.create(root, adapter, { bodyParser: false, abortOnError: false, logger: nestLog(log) });
}

/** Nest's log in ours; of what it reports the message stays out where it may quote somebody. */
export function nestLog(log: Log): LoggerService {
  const text = (message: unknown): string => (message instanceof Error ? message.name : String(message));
  return {
    log: (message: unknown) => log.debug(text(message)),
    warn: (message: unknown) => log.warn(text(message)),
    error: (message: unknown) => log.error(text(message)),
    fatal: (message: unknown) => log.fatal(text(message)),
  };
}

/** Whoever watches the service must not be told to come again later. */
const isHealth = (path: string): boolean => path.startsWith('/health/');

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

function boundUrl(server: FastifyInstance): string {
  const { address, family, port } = server.server.address() as AddressInfo;
  const anyAddress = address === '0.0.0.0' || address === '::';
  const host = anyAddress ? '127.0.0.1' : family === 'IPv6' ? `[${address}]` : address;
  return `http://${host}:${port}`;
}

const ENDING: Problem = {
  category: 'unavailable',
  code: 'transient',
  message: 'It is about to end, and takes no more soon. Ask another one.',
};

/** Whoever shares requests out learns by itself that they are to go elsewhere, and clients connect anew. */
async function drain({ server: http }: FastifyInstance, seconds: number): Promise<void> {
  if (seconds === 0) return;
  http.prependListener('request', (_request, response) => (response.shouldKeepAlive = false));
  await delay(seconds * 1_000);
}

async function end(app: INestApplication, server: FastifyInstance): Promise<void> {
  const { server: http } = server;
  // A connection whose last answer was on its way when closing began is kept alive, and would keep us waiting.
  const idle = setInterval(() => http.closeIdleConnections(), idleMilliseconds);
  const overdue = setTimeout(() => http.closeAllConnections(), endMillisecondsMax);
  try {
    await app.close();
  } finally {
    clearInterval(idle);
    clearTimeout(overdue);
  }
}
