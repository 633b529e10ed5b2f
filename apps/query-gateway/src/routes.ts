/** The FHIR API as routes of a service: HTTP on the outside, interactions inside. */
import { isUtf8 } from 'node:buffer';
import type { Problem } from '@carelog/fhir';
import { FHIR_JSON, outcomeText, sendBytes } from '@carelog/service-kit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { FhirAnswer, FhirRequest, Gateway } from './gateway.ts';
import { answeredOf, UNACCOUNTED } from './account.ts';
import { refuse, Refusal } from './gateway.ts';
import { interact } from './interact.ts';
import { interactionOf } from './interaction-of.ts';
import { statusOfProblems } from './status.ts';

export const FHIR_BASE = '/fhir/R4';

/** `url`: how clients reach the service. Every route but `metadata` needs a caller. */
export function fhirRoutes(server: FastifyInstance, gateway: Gateway, url: () => string): void {
  let base: string | undefined;
  const asked = (request: FastifyRequest): FhirRequest =>
    addressed(request, (base ??= `${url()}${FHIR_BASE}`));
  const answer = (request: FastifyRequest, reply: FastifyReply): void | Promise<void> => {
    const head = asked(request);
    request.interaction = interactionOf(head);
    const received = receive(request, head);
    if (received instanceof Refusal) return leave(gateway, head, reply, received);
    const outcome = interact(gateway, received);
    if (!(outcome instanceof Promise)) return leave(gateway, received, reply, outcome);
    return outcome.then((result) => left(gateway, received, reply, result));
  };
  const config = {
    // What the service refuses by itself, such as a body that is too large, is told to a caller too.
    account(
      request: FastifyRequest,
      problems: readonly Problem[],
      tell: (told: readonly Problem[]) => void,
    ): void {
      const head = asked(request);
      const sent = { interaction: interactionOf(head), status: statusOfProblems(problems) };
      const answered = answeredOf(gateway, head, new Refusal(problems), sent);
      gateway.accessLog.record(head.caller, answered, false, (isKept) =>
        tell(isKept ? problems : UNACCOUNTED.problems),
      );
    },
  };
  server.get(`${FHIR_BASE}/metadata`, { config: { open: true } }, answer);
  for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH'] as const) {
    server.route({ method, url: FHIR_BASE, config, handler: answer });
    server.route({ method, url: `${FHIR_BASE}/*`, config, handler: answer });
  }
}

const FORM = 'application/x-www-form-urlencoded';

/** What is asked, as far as its address says. */
function addressed(request: FastifyRequest, base: string): FhirRequest {
  const mark = request.url.indexOf('?');
  const pathText = mark < 0 ? request.url.slice(FHIR_BASE.length) : request.url.slice(FHIR_BASE.length, mark);
  const query = new URLSearchParams(mark < 0 ? undefined : request.url.slice(mark + 1));
  const headers = request.headers as Record<string, string | undefined>;
  const path: string[] = [];
  for (const step of pathText.split('/')) {
    if (step !== '') path.push(step.includes('%') ? decodeURIComponent(step) : step);
  }
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  const { caller, id: correlation } = request;
  const asked: FhirRequest = { method, path, query, headers, body: '', caller, correlation, base };
  const trace = request.span?.trace;
  return trace === undefined ? asked : { ...asked, trace };
}

/** The same with its body. */
function receive(request: FastifyRequest, asked: FhirRequest): FhirRequest | Refusal {
  const { path, query, headers } = asked;
  const unacceptable = acceptProblem(headers['accept'], query.size === 0 ? undefined : query);
  if (unacceptable !== undefined) return unacceptable;
  const bytes = request.body as Buffer | undefined;
  if (bytes === undefined || bytes.length === 0) return asked;
  if (!isUtf8(bytes)) return notUtf8();
  if (headers['content-type']?.startsWith(FORM) !== true) return { ...asked, body: bytes.toString() };
  if (path.at(-1) !== '_search') return formNotTaken();
  if (isTooMuch(bytes)) return formTooLarge();
  for (const [name, value] of new URLSearchParams(bytes.toString())) query.append(name, value);
  return asked;
}

const FORM_BYTES_MAX = 4 * 1024 * 1024;
const FORM_FIELDS_MAX = 200;

/** Millions of fields would take seconds to take apart, before anything could refuse them. */
function isTooMuch(form: Buffer): boolean {
  if (form.length > FORM_BYTES_MAX) return true;
  let fields = 1;
  for (let at = form.indexOf('&'); at >= 0 && fields <= FORM_FIELDS_MAX; at = form.indexOf('&', at + 1)) fields += 1; // prettier-ignore
  return fields > FORM_FIELDS_MAX;
}

const FHIR_TYPE = 'application/fhir+json';
const JSON_FORMATS = new Set(['json', 'application/json', 'application/fhir+json', 'text/json']);
const ACCEPTED = /\*\/\*|application\/\*|application\/(fhir\+)?json|text\/json/;

// https://hl7.org/fhir/R4/http.html#mime-type: _format overrides the Accept header.
function acceptProblem(accept: string | undefined, query: URLSearchParams | undefined): Refusal | undefined {
  if (accept === FHIR_TYPE && query === undefined) return undefined;
  const format = query?.get('_format')?.split(';')[0]?.replace(' ', '+');
  const fine =
    format === undefined ? accept === undefined || ACCEPTED.test(accept) : JSON_FORMATS.has(format);
  if (fine) return undefined;
  const message =
    'Resources are served as application/fhir+json only. Ask for that in Accept, or leave Accept and _format out.';
  return refuse({ category: 'not-acceptable', code: 'not-supported', message });
}

function notUtf8(): Refusal {
  return refuse({
    category: 'incorrect',
    code: 'structure',
    message: 'The body is not UTF-8. Encode it as UTF-8 without other bytes.',
  });
}

function formNotTaken(): Refusal {
  const message = 'Only _search takes a form. Send the resource as application/fhir+json.';
  return refuse({ category: 'media-type', code: 'not-supported', message });
}

function formTooLarge(): Refusal {
  const message = `A form may have ${FORM_FIELDS_MAX} fields and 4 MiB. Send a search with fewer values.`;
  return refuse({ category: 'too-large', code: 'too-costly', message });
}

/** The answer leaves when its record is kept; without one it does not, and 503 does. Nobody keeps account of what is open to all. */
function leave(
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

function left(
  gateway: Gateway,
  asked: FhirRequest,
  reply: FastifyReply,
  result: FhirAnswer | Refusal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    leave(gateway, asked, reply, result, (fault) => (fault === undefined ? resolve() : reject(fault)));
  });
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
  const sent = body === undefined ? [] : ['content-type', FHIR_JSON];
  for (const name in headers) sent.push(name, headers[name]!);
  if (headers['carelog-position'] === undefined) sent.push('carelog-position', position);
  sendBytes(reply, status, sent, body, isKept);
}
