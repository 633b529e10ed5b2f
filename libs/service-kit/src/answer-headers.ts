/**
 * Headers of every answer, worked out once: those that OWASP asks of an API, and those that let pages of other origins use
 * it. https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html#security-headers
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { sendProblems } from './problem-response.ts';

declare module 'fastify' {
  interface FastifyInstance {
    standingHeaders: StandingHeaders;
  }
  interface FastifyRequest {
    /** For a page of another origin that asks; names and values by turns. Null where no origin may. */
    crossOrigin: readonly string[] | null;
  }
}

/** Names and values by turns. */
export interface StandingHeaders {
  readonly open: readonly string[];
  /** Of what needs a token: not to be kept by anybody on the way. */
  readonly confidential: readonly string[];
}

/** `publicUrl`: how clients reach the service; where that is https, they are told to come by no other way. */
export function standingHeaders(publicUrl: string | undefined): StandingHeaders {
  const isEncrypted = publicUrl?.startsWith('https:') === true;
  const open = [
    ...['x-content-type-options', 'nosniff'],
    ...['content-security-policy', "default-src 'none'; frame-ancestors 'none'"],
    ...['x-frame-options', 'DENY'],
    ...(isEncrypted ? ['strict-transport-security', 'max-age=31536000; includeSubDomains'] : []),
  ];
  return { open, confidential: [...open, 'cache-control', 'no-store'] };
}

/**
 * Lets pages of these origins read answers, and answers their browsers' questions beforehand; adds nothing where there are
 * none. Without credentials: a page needs a token, and cookies of ours are of no use to it. https://fetch.spec.whatwg.org/#http-cors-protocol
 */
export function shareWith(server: FastifyInstance, origins: readonly string[]): void {
  if (origins.length === 0) return;
  const allowed = new Map(origins.map((origin) => [origin, headersFor(origin)]));
  server.addHook('onRequest', (request: FastifyRequest, _reply: FastifyReply, done: () => void) => {
    request.crossOrigin = allowed.get(request.headers.origin ?? '') ?? DIFFERS;
    done();
  });
  server.options('/*', { config: { open: true } }, (request, reply) => {
    if (!allowed.has(request.headers.origin ?? '')) return sendProblems(reply, [notListed]);
    return reply.code(204).headers(preflight).send();
  });
}

const DIFFERS = ['vary', 'Origin'];

function headersFor(origin: string): readonly string[] {
  return [
    ...['access-control-allow-origin', origin],
    ...['access-control-expose-headers', exposed.join(', ')],
    ...DIFFERS,
  ];
}

/** What FHIR clients read of an answer, besides what every page may. */
const exposed = [
  'Carelog-Incomplete',
  'Carelog-Position',
  'Content-Location',
  'ETag',
  'Location',
  'Retry-After',
  'WWW-Authenticate',
  'X-Request-Id',
];

const preflight = {
  'access-control-allow-methods': 'GET, HEAD, POST, PUT, DELETE',
  'access-control-allow-headers': [
    'Accept',
    'Authorization',
    'Content-Type',
    'Idempotency-Key',
    'If-Match',
    'If-Modified-Since',
    'If-None-Exist',
    'If-None-Match',
    'Last-Event-ID',
    'Prefer',
    'X-Request-Id',
  ].join(', '),
  'access-control-max-age': '7200',
};

const notListed = {
  category: 'forbidden',
  code: 'forbidden',
  message:
    'Pages of this origin may not use this server from a browser. Have it added to CARELOG_CORS_ORIGINS.',
} as const;
