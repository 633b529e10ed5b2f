/** What every request passes before its handler, and its answer before it leaves. On the hot path: each line here is paid for by every read. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Caller } from '@carelog/access';
import type { Authenticator } from './authenticate.ts';
import type { Log } from './log.ts';
import { sendProblems } from './problem-response.ts';
import type { RequestMetrics } from './request-metrics.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Served without a token. */
    open?: true;
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

/** For routes that are not open: sets `caller`, or answers 401. */
export function requireCallerOf(authenticator: () => Authenticator) {
  return (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    request.confidential = true;
    const { authorization } = request.headers;
    const caller = authenticator().recall(authorization);
    if (caller !== undefined) {
      request.caller = caller;
      return done();
    }
    authenticator()
      .verify(authorization)
      .then((outcome) => {
        if (outcome.kind === 'refused') {
          if (outcome.challenge !== undefined) reply.header('www-authenticate', outcome.challenge);
          return void sendProblems(reply, [outcome.problem]);
        }
        request.caller = outcome.caller;
        done();
      })
      .catch((fault: unknown) => reply.send(fault));
  };
}

/**
 * Counts every answer, and logs those that failed or were slow; at level `debug`, all. Route patterns, never addresses: a
 * query can hold a name or an NHS number.
 */
export function answeredWith(log: Log, metrics: RequestMetrics) {
  return (request: FastifyRequest, status: number): void => {
    const milliseconds = performance.now() - request.receivedAt;
    metrics.count(request.interaction, status, milliseconds / 1000);
    const level = status >= 500 ? 'error' : milliseconds > slowMilliseconds ? 'warn' : 'debug';
    if (!log.isLevelEnabled(level)) return;
    const { method, id } = request;
    const route = request.routeOptions.url;
    log[level]({ method, route, status, ms: Math.round(milliseconds), request: id }, 'answered');
  };
}

/** For answers by Fastify. `onSend`, because Fastify pays three times as much for an `onResponse` hook. */
export function leave(request: FastifyRequest, reply: FastifyReply, _body: unknown, done: () => void): void {
  const headers = commonHeaders(request);
  for (let i = 0; i < headers.length; i += 2) {
    if (!reply.hasHeader(headers[i]!)) reply.header(headers[i]!, headers[i + 1]!);
  }
  request.server.answered(request, reply.statusCode);
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
  if (parts.length === 1) {
    raw.end(parts[0]);
    return;
  }
  raw.cork();
  for (const part of parts) raw.write(part);
  raw.end(isKept ? undefined : () => parts.forEach(release));
  raw.uncork();
}

/** Left to the garbage collector, large answers would make it look through the whole heap several times a second. */
function release(part: string | Uint8Array): void {
  if (typeof part === 'string' || part.byteLength < largeBytes) return;
  const { buffer } = part;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === part.byteLength) buffer.transfer(0);
}
const largeBytes = 16_384;

/** A client that names its request finds the name in the answer. */
function commonHeaders(request: FastifyRequest): readonly string[] {
  const own = request.headers['x-request-id'] === request.id ? ['x-request-id', request.id] : [];
  return [...(request.confidential ? confidential : common), ...own];
}

const common = ['x-content-type-options', 'nosniff'];
const confidential = [...common, 'cache-control', 'no-store'];
