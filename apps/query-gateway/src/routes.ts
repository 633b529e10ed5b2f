/** The FHIR API as routes of a service: HTTP on the outside, interactions inside. */
import { isUtf8 } from 'node:buffer';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { refuse, Refusal, type FhirRequest, type Gateway } from './gateway.ts';
import { interact } from './interact.ts';
import { interactionOf } from './interaction-of.ts';
import { accountOf, leave, leaveAfter } from './leave.ts';

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
    return outcome instanceof Promise
      ? leaveAfter(gateway, received, reply, outcome)
      : leave(gateway, received, reply, outcome);
  };
  const account = accountOf(gateway, asked, interactionOf);
  const config = { account };
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
