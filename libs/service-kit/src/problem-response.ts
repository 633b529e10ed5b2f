/** Turns problems and faults into OperationOutcomes: https://hl7.org/fhir/R4/operationoutcome.html */
import { randomUUID } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { operationOutcome, type Problem, type ProblemCategory } from '@carelog/fhir';
import type { Log } from './log.ts';

const statuses: Readonly<Record<ProblemCategory, number>> = {
  incorrect: 400,
  unauthenticated: 401,
  forbidden: 403,
  'not-found': 404,
  method: 405,
  'not-acceptable': 406,
  conflict: 409,
  gone: 410,
  mismatch: 412,
  'too-large': 413,
  'media-type': 415,
  rejected: 422,
  busy: 429,
  fault: 500,
  unavailable: 503,
  'storage-full': 507,
};

export const FHIR_JSON = 'application/fhir+json; charset=utf-8';

/** The HTTP status of a category; the only place that knows. */
export function statusOf(category: ProblemCategory): number {
  return statuses[category];
}

/** JSON text of an OperationOutcome with one issue for each problem, in order. */
export function outcomeText(problems: readonly Problem[]): string {
  return JSON.stringify(operationOutcome(problems));
}

/** Answers with every problem, under the status of the first. */
export function sendProblems(reply: FastifyReply, problems: readonly Problem[]): FastifyReply {
  const category = problems[0]?.category ?? 'fault';
  const isPassing = category === 'busy' || category === 'unavailable';
  if (isPassing && !reply.hasHeader('retry-after')) reply.header('retry-after', '1');
  return reply.code(statusOf(category)).header('content-type', FHIR_JSON).send(outcomeText(problems));
}

/** As `sendProblems`, once the route has taken account of it where somebody is known to be told. */
export function sendAccounted(
  request: FastifyRequest,
  reply: FastifyReply,
  problems: readonly Problem[],
): void {
  // Where no route was found there are no options of one.
  const account = request.routeOptions.config?.account;
  if (account === undefined || request.caller === undefined) sendProblems(reply, problems);
  else account(request, problems, (told) => void sendProblems(reply, told));
}

/**
 * What a thrown thing is to the client: the problem itself where it has the shape of one (alone or as `problems`), what
 * Fastify refused in words that help, and otherwise a 500 that names only an id, under which the stack is logged.
 */
export function faultHandler(log: Log) {
  return (fault: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const known = problemsOf(fault);
    if (known !== undefined) {
      // Fastify would hang up on who still sends a body, and what they are told would be lost with the connection.
      reply.removeHeader('connection');
      sendAccounted(request, reply, known);
      return;
    }
    const id = randomUUID();
    log.error(
      {
        id,
        route: request.routeOptions.url,
        method: request.method,
        request: request.id,
        ...describeFault(fault),
      },
      'fault',
    );
    sendAccounted(request, reply, [
      {
        category: 'fault',
        code: 'exception',
        message: `Something failed here that should not. Try again; if it stays, report fault ${id}.`,
      },
    ]);
  };
}

/** Class, code and stack frames. Messages stay out: a parser's or a database's may quote what a patient's record says. */
export function describeFault(fault: unknown): Readonly<Record<string, unknown>> {
  if (!(fault instanceof Error)) return { fault: typeof fault };
  const { name, stack, cause } = fault;
  const { code, errcode } = fault as { code?: unknown; errcode?: unknown };
  const frames = stack?.split('\n').filter((line) => line.startsWith('    at '));
  return {
    fault: name,
    code,
    errcode,
    frames,
    ...(cause === undefined ? {} : { cause: describeFault(cause) }),
  };
}

/** For a path that nothing is served at. */
export function answerNotFound(_request: FastifyRequest, reply: FastifyReply): void {
  sendProblems(reply, [
    {
      category: 'not-found',
      code: 'not-found',
      message: 'Nothing is served at this address. The FHIR base is /fhir/R4; the start page is /.',
    },
  ]);
}

/** Refusals by Fastify before a handler runs: https://fastify.dev/docs/latest/Reference/Errors/ */
const refusedByFastify: Readonly<Record<string, Problem>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: {
    category: 'too-large',
    code: 'too-long',
    message: 'The body is larger than this server accepts. Send it in smaller parts.',
  },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    category: 'media-type',
    code: 'not-supported',
    message: 'The body has no media type that is understood here. Send application/fhir+json in UTF-8.',
  },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    category: 'incorrect',
    code: 'structure',
    message:
      'The body is not as long as Content-Length says. Send the whole body, or leave the header to your client.',
  },
  FST_ERR_BAD_URL: {
    category: 'incorrect',
    code: 'structure',
    message: 'The address is not correctly percent-encoded. Encode % itself as %25.',
  },
  FST_ERR_MAX_PARAM_LENGTH: {
    category: 'incorrect',
    code: 'value',
    message: 'A part of the address is too long. A resource id has at most 64 characters.',
  },
};

function problemsOf(fault: unknown): readonly Problem[] | undefined {
  if (typeof fault !== 'object' || fault === null) return undefined;
  const { problems, category, code, message, expression, statusCode } = fault as Record<string, unknown>;
  if (Array.isArray(problems) && problems.length > 0 && problems.every(isProblem)) return problems;
  if (isProblem(fault)) {
    return [
      {
        category: category as ProblemCategory,
        code: code as string,
        message: message as string,
        ...(typeof expression === 'string' ? { expression } : {}),
      },
    ];
  }
  if (typeof code !== 'string' || !code.startsWith('FST_')) return undefined;
  const refusal = refusedByFastify[code];
  if (refusal !== undefined) return [refusal];
  if (typeof statusCode !== 'number' || statusCode >= 500) return undefined;
  return [{ category: 'incorrect', code: 'structure', message: `The request is not understood (${code}).` }];
}

function isProblem(thing: unknown): thing is Problem {
  if (typeof thing !== 'object' || thing === null) return false;
  const { category, code, message } = thing as Record<string, unknown>;
  return (
    typeof category === 'string' &&
    Object.hasOwn(statuses, category) &&
    typeof code === 'string' &&
    typeof message === 'string'
  );
}
