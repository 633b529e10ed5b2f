/** What every request passes before its handler, and its answer before it leaves. On the hot path: each line here is paid for by every read. */
import type { ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Caller } from '@carelog/access';
import type { Problem } from '@carelog/fhir';
import type { Authenticator } from './authenticate.ts';
import type { Log } from './log.ts';
import { sendAccounted, sendProblems } from './problem-response.ts';
import type { RequestLimits, Usage } from './request-limits.ts';
import { stepOf, type RequestMetrics } from './request-metrics.ts';
import { spanOfRequest, type Span } from './tracing.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Served without a token. */
    open?: true;
    /** The `Authorization` of a request that has no such header, where a browser cannot send one. */
    authorization?: (request: FastifyRequest) => string | undefined;
    /**
     * Keeps account of what a caller is told before a handler is asked, or when one fails. `send` sends; what is given to it
     * may be other problems, where no account can be kept.
     */
    account?: (
      request: FastifyRequest,
      problems: readonly Problem[],
      send: (problems: readonly Problem[]) => void,
    ) => void;
  }
  interface FastifyRequest {
    /** Set before any handler runs, but for open routes. */
    caller: Caller;
    /** Milliseconds, as `performance.now()`. */
    receivedAt: number;
    /** Not to be kept by anybody on the way: everything that needs a token. */
    confidential: boolean;
    /** What the request is counted under; a handler may say it more precisely than `other`. */
    interaction: string;
    /** What the request counts under while it is being answered. */
    usage: Usage | null;
    /** Null where requests are not traced. */
    span: Span | null;
  }
  interface FastifyInstance {
    /** Logs and counts an answer that is about to leave. */
    answered: (request: FastifyRequest, status: number) => void;
  }
}

const slowMilliseconds = 1000;

/** For all requests. */
export function receive(request: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  request.receivedAt = performance.now();
  done();
}

/** For all requests, where they are traced. */
export function receiveTraced(request: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  request.receivedAt = performance.now();
  if (!request.url.startsWith('/health/')) request.span = spanOfRequest(request.headers['traceparent']);
  done();
}

/** For routes that are not open: sets `caller`, or answers 401; 429 where the caller, or a stranger's address, is over its limits. */
export function requireCallerOf(authenticator: () => Authenticator, limits: RequestLimits) {
  return (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    request.confidential = true;
    const authorization = authorizationOf(request);
    const caller = authenticator().recall(authorization);
    if (caller !== undefined) {
      request.caller = caller;
      if (isWithin(limits.of(caller), request, reply)) done();
      return;
    }
    const stranger = limits.ofAddress(request.ip);
    if (!isWithin(stranger, request, reply)) return;
    authenticator()
      .verify(authorization)
      .then((outcome) => {
        if (outcome.kind === 'refused') {
          request.interaction = 'unauthenticated';
          if (outcome.challenge !== undefined) reply.header('www-authenticate', outcome.challenge);
          return void sendProblems(reply, [outcome.problem]);
        }
        request.caller = outcome.caller;
        // No stranger after all: with many callers behind one address, each begins with a token that is new here.
        stranger.forgive();
        endUsage(request);
        if (isWithin(limits.of(outcome.caller), request, reply)) done();
      })
      .catch((fault: unknown) => reply.send(fault));
  };
}

/** As the request said it, or as its route finds it elsewhere. */
export function authorizationOf(request: FastifyRequest): string | undefined {
  return request.headers.authorization ?? request.routeOptions.config.authorization?.(request);
}

/** For open routes: 429 where the address is over its limits. */
export function admitStrangerOf(limits: RequestLimits) {
  return (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    if (!isWithin(limits.ofAddress(request.ip), request, reply)) return;
    // Whoever takes the answer into its own hands tells nobody when it is done.
    reply.raw.once('close', () => endUsage(request));
    done();
  };
}

function isWithin(usage: Usage, request: FastifyRequest, reply: FastifyReply): boolean {
  const wait = usage.begin(request.receivedAt);
  if (wait === 0) {
    request.usage = usage;
    return true;
  }
  request.interaction = 'limited';
  sendAccounted(request, reply.header('retry-after', String(wait)), [overLimit]);
  return false;
}

const overLimit = {
  category: 'busy',
  code: 'throttled',
  message:
    'More is being asked than one caller may ask: too many requests a second, or too many at a time. Wait as long as Retry-After says, and send fewer at a time.',
} as const;

function endUsage(request: FastifyRequest): void {
  request.usage?.end();
  request.usage = null;
}

/**
 * Counts every answer, and logs those that failed or were slow; at level `debug`, all. Route patterns, never addresses: a
 * query can hold a name or an NHS number.
 */
export function answeredWith(log: Log, metrics: RequestMetrics) {
  return (request: FastifyRequest, status: number): void => {
    const milliseconds = performance.now() - request.receivedAt;
    metrics.count(request.interaction, status, milliseconds / 1000);
    if (request.span !== null)
      request.span.end({ interaction: request.interaction, status }, stepOf(request.interaction));
    const level =
      status >= 500 ? levelOfFailure(request) : milliseconds > slowMilliseconds ? 'warn' : 'debug';
    if (!log.isLevelEnabled(level)) return;
    const { method, id } = request;
    const route = request.routeOptions.url;
    log[level]({ method, route, status, ms: Math.round(milliseconds), request: id }, 'answered');
  };
}

/** That a service is not ready yet is what it was asked, and is asked often. */
function levelOfFailure(request: FastifyRequest): 'error' | 'debug' {
  return request.routeOptions.url?.startsWith('/health/') === true ? 'debug' : 'error';
}

/** For answers by Fastify. `onSend`, because Fastify pays three times as much for an `onResponse` hook. */
export function leave(request: FastifyRequest, reply: FastifyReply, _body: unknown, done: () => void): void {
  const headers = commonHeaders(request);
  for (let i = 0; i < headers.length; i += 2) {
    if (!reply.hasHeader(headers[i]!)) reply.header(headers[i]!, headers[i + 1]!);
  }
  request.server.answered(request, reply.statusCode);
  endUsage(request);
  done();
}

/**
 * Sends bytes past Fastify's reply, which would look at them several times. `headers`: names and values by turns; those of
 * every answer are added. Large parts are given away, their memory freed as soon as they are sent, unless the body `isKept`.
 */
export function sendBytes(
  reply: FastifyReply,
  status: number,
  headers: readonly string[],
  body: string | Uint8Array | readonly Uint8Array[] = '',
  isKept = false,
): void {
  const { request, raw } = reply;
  reply.hijack();
  request.server.answered(request, status);
  const sent = [...commonHeaders(request), ...headers];
  const parts = typeof body === 'string' || body instanceof Uint8Array ? [body] : body;
  if (status !== 204 && status !== 304) {
    const length = parts.reduce((sum, part) => sum + Buffer.byteLength(part), 0);
    sent.push('content-length', String(length));
  }
  raw.writeHead(status, sent);
  if (parts.length === 1) raw.end(parts[0]);
  else {
    raw.cork();
    for (const part of parts) raw.write(part);
    raw.end(isKept ? undefined : () => parts.forEach(release));
    raw.uncork();
  }
  endWhenTaken(request, raw);
}

/**
 * Begins an answer that is written as it comes, for as long as both sides like. Counts as answered from now on: whoever writes
 * it limits how many there are, and how much of each waits to be taken.
 */
export function openStream(reply: FastifyReply, headers: readonly string[]): ServerResponse {
  const { request, raw } = reply;
  reply.hijack();
  request.server.answered(request, 200);
  raw.writeHead(200, [...commonHeaders(request), ...headers]);
  raw.flushHeaders();
  endUsage(request);
  return raw;
}

/** What the client has not taken yet is memory of ours, and counts until it has, or has not moved for too long. */
function endWhenTaken(request: FastifyRequest, raw: ServerResponse): void {
  if (raw.writableLength === 0) return endUsage(request);
  raw.setTimeout(stalledMilliseconds);
  raw.once('close', () => endUsage(request));
}
const stalledMilliseconds = 60_000;

/** Left to the garbage collector, large answers would make it look through the whole heap several times a second. */
function release(part: string | Uint8Array): void {
  if (typeof part === 'string' || part.byteLength < largeBytes) return;
  const { buffer } = part;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === part.byteLength) buffer.transfer(0);
}
const largeBytes = 16_384;

/** A client that names its request finds the name in the answer. */
function commonHeaders(request: FastifyRequest): readonly string[] {
  const { open, confidential } = request.server.standingHeaders;
  const standing = request.confidential ? confidential : open;
  const named = request.headers['x-request-id'] === request.id;
  if (!named && request.crossOrigin === null) return standing;
  return [...standing, ...(named ? ['x-request-id', request.id] : []), ...(request.crossOrigin ?? [])];
}
