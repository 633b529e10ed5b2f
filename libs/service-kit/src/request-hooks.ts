/** What every request passes before its handler, and its answer before it leaves. On the hot path: each line here is paid for by every read. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Caller } from '@carelog/access';
import type { Authenticator } from './authenticate.ts';
import type { Log } from './log.ts';
import { sendProblems } from './problem-response.ts';

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
  }
}

const slowMilliseconds = 1000;

/** For all requests. A client that names its request finds the name in the answer. */
export function receive(request: FastifyRequest, reply: FastifyReply, done: () => void): void {
  request.receivedAt = performance.now();
  reply.header('x-content-type-options', 'nosniff');
  if (request.headers['x-request-id'] === request.id) reply.header('x-request-id', request.id);
  done();
}

/** For routes that are not open: sets `caller`, or answers 401. */
export function requireCallerOf(authenticator: () => Authenticator) {
  return (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
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

/**
 * Logs every answer at level `debug`, and otherwise those that failed or were slow. Route patterns, never addresses: a
 * query can hold a name or an NHS number. `onSend`, because Fastify pays three times as much for an `onResponse` hook.
 */
export function logAnswer(log: Log) {
  return (request: FastifyRequest, reply: FastifyReply, _body: unknown, done: () => void): void => {
    const milliseconds = performance.now() - request.receivedAt;
    const level = reply.statusCode >= 500 ? 'error' : milliseconds > slowMilliseconds ? 'warn' : 'debug';
    if (log.isLevelEnabled(level)) {
      const { method, id } = request;
      const facts = {
        method,
        route: request.routeOptions.url,
        status: reply.statusCode,
        ms: Math.round(milliseconds),
        request: id,
      };
      log[level](facts, 'answered');
    }
    done();
  };
}
