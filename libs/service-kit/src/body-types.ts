/** Bodies reach handlers as the Buffer that was sent; those of any type that is not taken are refused with 415. */
import type { FastifyInstance } from 'fastify';
import type { Problem } from '@carelog/fhir';

/** Only these from here on, for the routes of this scope. */
export function takeBodies(server: FastifyInstance, types: readonly string[], refusal?: Problem): void {
  server.removeAllContentTypeParsers();
  server.addContentTypeParser([...types], { parseAs: 'buffer' }, (request, body, done) => {
    const charset = /;\s*charset="?([^";\s]+)/i.exec(request.headers['content-type'] ?? '')?.[1];
    if (charset === undefined || /^(utf-8|utf8|us-ascii)$/i.test(charset)) done(null, body);
    else done(foreignCharset as never);
  });
  // Without words of its own, Fastify says it.
  if (refusal !== undefined)
    server.addContentTypeParser('*', (_request, _body, done) => done(refusal as never));
}

const foreignCharset: Problem = {
  category: 'media-type',
  code: 'not-supported',
  message: 'The body is in a character set that is not understood here. Send application/fhir+json in UTF-8.',
};
