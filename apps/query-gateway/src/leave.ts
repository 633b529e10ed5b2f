/** How every answer leaves: once its access record is kept, and as HTTP. */
import { FHIR_JSON, outcomeText, sendBytes } from '@carelog/service-kit';
import type { FastifyContextConfig, FastifyReply, FastifyRequest } from 'fastify';
import { answeredOf, UNACCOUNTED } from './account.ts';
import { Refusal, type FhirAnswer, type FhirRequest, type Gateway } from './gateway.ts';
import { statusOfProblems } from './status.ts';

/** The answer leaves when its record is kept; without one it does not, and 503 does. Nobody keeps account of what is open to all. */
export function leave(
  gateway: Gateway,
  asked: FhirRequest,
  reply: FastifyReply,
  result: FhirAnswer | Refusal,
  done?: (fault?: unknown) => void,
): void {
  const { request } = reply;
  if (!request.confidential || (!(result instanceof Refusal) && result.isAccounted === true)) {
    send(gateway, reply, result);
    return done?.();
  }
  const { interaction } = request;
  const status = result instanceof Refusal ? statusOfProblems(result.problems) : result.status;
  const answered = answeredOf(gateway, asked, result, { interaction, status });
  // What may not be known of is answered like what there is not, and is a refusal all the same.
  const isFlushed = answered.decision === 'refused' || status === 403 || status === 404;
  gateway.accessLog.record(asked.caller, answered, isFlushed, (isKept) => {
    try {
      send(gateway, reply, isKept ? result : unaccounted(result));
      done?.();
    } catch (fault) {
      if (done === undefined) reply.send(fault);
      else done(fault);
    }
  });
}

/** The same, of an answer that is still being made. */
export async function leaveAfter(
  gateway: Gateway,
  asked: FhirRequest,
  reply: FastifyReply,
  outcome: Promise<FhirAnswer | Refusal>,
): Promise<void> {
  const result = await outcome;
  return new Promise((resolve, reject) => {
    leave(gateway, asked, reply, result, (fault) => (fault === undefined ? resolve() : reject(fault)));
  });
}

/** Of what the service refuses by itself, such as a body that is too large: it is told to a caller too. */
export function accountOf(
  gateway: Gateway,
  askedBy: (request: FastifyRequest) => FhirRequest,
  interactionOf: (asked: FhirRequest) => string,
): NonNullable<FastifyContextConfig['account']> {
  return (request, problems, tell) => {
    const asked = askedBy(request);
    const sent = { interaction: interactionOf(asked), status: statusOfProblems(problems) };
    const answered = answeredOf(gateway, asked, new Refusal(problems), sent);
    gateway.accessLog.record(asked.caller, answered, false, (isKept) =>
      tell(isKept ? problems : UNACCOUNTED.problems),
    );
  };
}

/** What is recorded in the record stays so and is said, but nothing is shown. */
function unaccounted(result: FhirAnswer | Refusal): FhirAnswer | Refusal {
  if (result instanceof Refusal) return result;
  if (result.isRecorded !== true) return UNACCOUNTED;
  const { status, headers = {} } = result;
  return { status, headers };
}

/** Seconds after which the same request may well succeed, unless the refusal says it itself. */
const RETRY_AFTER: Readonly<Record<number, string>> = { 429: '1', 503: '1', 507: '60' };

function send(gateway: Gateway, reply: FastifyReply, result: FhirAnswer | Refusal): void {
  const position = String(gateway.projected.position());
  if (result instanceof Refusal) {
    const status = statusOfProblems(result.problems);
    reply.code(status).header('carelog-position', position);
    if (RETRY_AFTER[status] !== undefined) reply.header('retry-after', RETRY_AFTER[status]);
    reply.headers(result.headers).header('content-type', FHIR_JSON).send(outcomeText(result.problems));
    return;
  }
  const { status, headers = {}, body, isKept } = result;
  const isNamed = body === undefined || headers['content-type'] !== undefined;
  const sent = isNamed ? [] : ['content-type', FHIR_JSON];
  for (const name in headers) sent.push(name, headers[name]!);
  if (headers['carelog-position'] === undefined) sent.push('carelog-position', position);
  sendBytes(reply, status, sent, body, isKept);
}
