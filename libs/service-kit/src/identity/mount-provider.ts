/** Puts the identity provider, a Koa application, behind our server under `/openid`, with limits on its token endpoint. */
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Provider } from 'oidc-provider';
import { sendProblems } from '../problem-response.ts';
import { RateLimit } from './rate-limit.ts';

export const tokenPath = '/openid/token';
const tokensPerMinute = 600;
/** From one address for one client: slow enough that guessing a secret is hopeless. */
const refusalsPerMinute = 20;

/** Serves everything under `/openid` by the provider that `load` gives, without a token. */
export function mountProvider(
  fastify: FastifyInstance,
  load: () => Promise<Provider>,
  url: () => string,
): void {
  fastify.register(
    (scope, _options, done) => {
      mount(scope, load, url);
      done();
    },
    { prefix: '/openid' },
  );
}

function mount(scope: FastifyInstance, load: () => Promise<Provider>, url: () => string): void {
  // The provider reads the body itself.
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
  const tokens = new RateLimit(tokensPerMinute);
  const refusals = new RateLimit(refusalsPerMinute);

  async function serve(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { raw, ip } = request;
    const asksForToken = raw.method === 'POST' && raw.url?.startsWith(tokenPath);
    const guesser = `${ip} ${clientId(request.headers.authorization)}`;
    if (asksForToken && (tokens.exceeded(ip) || refusals.exceeded(guesser))) {
      sendProblems(reply, [tooMany]);
      return;
    }
    const provider = await load();
    if (asksForToken) {
      tokens.count(ip);
      reply.raw.once('finish', () => {
        if (reply.raw.statusCode === 400 || reply.raw.statusCode === 401) refusals.count(guesser);
      });
    }
    reply.hijack();
    await provider.callback()(addressedTo(raw, url(), scope.prefix), reply.raw);
  }
  for (const path of ['/', '/*']) scope.all(path, { config: { open: true } }, serve);
}

/** As the provider expects it: mounted under its prefix, and reached by our address whatever the Host header says. */
function addressedTo(
  raw: IncomingMessage & { originalUrl?: string },
  url: string,
  prefix: string,
): IncomingMessage {
  const { host, protocol } = new URL(url);
  raw.originalUrl = raw.url ?? prefix;
  raw.url = raw.originalUrl.slice(prefix.length) || '/';
  delete raw.headers['x-forwarded-for'];
  raw.headers['x-forwarded-host'] = host;
  raw.headers['x-forwarded-proto'] = protocol.slice(0, -1);
  return raw;
}

function clientId(authorization: string | undefined): string {
  if (authorization === undefined || !/^Basic /i.test(authorization)) return '';
  return (
    Buffer.from(authorization.slice('Basic '.length), 'base64').toString().split(':')[0]?.slice(0, 64) ?? ''
  );
}

const tooMany = {
  category: 'busy',
  code: 'throttled',
  message:
    'Too many requests for tokens came from this address. Wait a minute; check the client id and the secret.',
} as const;
