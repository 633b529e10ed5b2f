/** The FHIR API as routes of a service: HTTP on the outside, interactions inside. */
import { FHIR_JSON, outcomeText } from '@carelog/service-kit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { FhirAnswer, FhirRequest, Gateway } from './gateway.ts';
import { refuse, Refusal } from './gateway.ts';
import { interact } from './interact.ts';
import { capabilities } from './interactions/capabilities.ts';
import { statusOfProblems } from './status.ts';

export const FHIR_BASE = '/fhir/R4';

/** `url`: how clients reach the service. Every route but `metadata` needs a caller. */
export function fhirRoutes(server: FastifyInstance, gateway: Gateway, url: () => string): void {
  const answer = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const received = receive(request, `${url()}${FHIR_BASE}`);
    const result = received instanceof Refusal ? received : await interact(gateway, received);
    return send(gateway, reply, result);
  };
  server.get(`${FHIR_BASE}/metadata`, { config: { open: true } }, (request, reply) => {
    const received = receive(request, `${url()}${FHIR_BASE}`);
    return send(gateway, reply, received instanceof Refusal ? received : capabilities(gateway, received));
  });
  for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH'] as const) {
    server.route({ method, url: FHIR_BASE, handler: answer });
    server.route({ method, url: `${FHIR_BASE}/*`, handler: answer });
  }
}

const FORM = 'application/x-www-form-urlencoded';

function receive(request: FastifyRequest, base: string): FhirRequest | Refusal {
  const mark = request.url.indexOf('?');
  const pathText = (mark < 0 ? request.url : request.url.slice(0, mark)).slice(FHIR_BASE.length);
  const query = new URLSearchParams(mark < 0 ? '' : request.url.slice(mark + 1));
  const headers = request.headers as Record<string, string | undefined>;
  const unacceptable = acceptProblem(headers['accept'], query);
  if (unacceptable !== undefined) return unacceptable;
  const path: string[] = [];
  for (const step of pathText.split('/')) {
    if (step !== '') path.push(step.includes('%') ? decodeURIComponent(step) : step);
  }
  const bytes = request.body as Buffer | undefined;
  let body = '';
  if (bytes !== undefined && bytes.length > 0) {
    const text = decode(bytes);
    if (text === undefined) return notUtf8();
    if (headers['content-type']?.startsWith(FORM) === true) {
      if (path.at(-1) !== '_search') return formNotTaken();
      for (const [name, value] of new URLSearchParams(text)) query.append(name, value);
    } else body = text;
  }
  return {
    method: request.method === 'HEAD' ? 'GET' : request.method,
    path,
    query,
    headers,
    body,
    caller: request.caller,
    base,
  };
}

const decoder = new TextDecoder('utf-8', { fatal: true });

function decode(bytes: Buffer): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

const JSON_FORMATS = new Set(['json', 'application/json', 'application/fhir+json', 'text/json']);
const ACCEPTED = /\*\/\*|application\/\*|application\/(fhir\+)?json|text\/json/;

// https://hl7.org/fhir/R4/http.html#mime-type: _format overrides the Accept header.
function acceptProblem(accept: string | undefined, query: URLSearchParams): Refusal | undefined {
  const format = query.get('_format')?.split(';')[0]?.replace(' ', '+');
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

/** Seconds after which the same request may well succeed, unless the refusal says it itself. */
const RETRY_AFTER: Readonly<Record<number, string>> = { 429: '1', 503: '1', 507: '60' };

function send(gateway: Gateway, reply: FastifyReply, result: FhirAnswer | Refusal): FastifyReply {
  reply.header('carelog-position', String(gateway.projected.position()));
  if (result instanceof Refusal) {
    const status = statusOfProblems(result.problems);
    if (RETRY_AFTER[status] !== undefined) reply.header('retry-after', RETRY_AFTER[status]);
    return reply
      .code(status)
      .headers(result.headers)
      .header('content-type', FHIR_JSON)
      .send(outcomeText(result.problems));
  }
  reply.code(result.status);
  if (result.headers !== undefined) reply.headers(result.headers);
  if (result.body === undefined) return reply.send();
  return reply.header('content-type', FHIR_JSON).send(result.body);
}
