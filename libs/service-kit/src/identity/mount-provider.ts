/** Puts the identity provider, a Koa application, behind our server under `/openid`, with limits on what strangers may try. */
import { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { sendProblems } from '../problem-response.ts';
import type { LoadedProvider } from './identity-provider.ts';
import { RateLimit } from './rate-limit.ts';
import type { createSignIn } from './sign-in/steps.ts';

export const tokenPath = '/openid/token';
const tokensPerMinute = 600;
const signInsPerMinute = 60;
/** From one address for one client: slow enough that guessing a secret is hopeless. */
const refusalsPerMinute = 20;
const formBytesMax = 32 * 1024;

/** Serves everything under `/openid` by the provider that `load` gives, without a token. */
export function mountProvider(
  fastify: FastifyInstance,
  load: () => Promise<LoadedProvider>,
  url: () => string,
): void {
  fastify.register(
    (scope, _options, done) => {
      mount(scope, load, url);
      scope.register((pages, _none, ready) => {
        mountSignIn(pages, load, url);
        ready();
      });
      done();
    },
    { prefix: '/openid' },
  );
}

/** The pages that the provider sends users to. */
function mountSignIn(scope: FastifyInstance, load: () => Promise<LoadedProvider>, url: () => string): void {
  scope.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string', bodyLimit: 16 * 1024 },
    (_request, body, done) => done(null, new URLSearchParams(body as string)),
  );
  let signIn: ReturnType<typeof createSignIn> | undefined;
  async function serve(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    // Loaded with the first visit, as the provider is.
    const steps = await import('./sign-in/steps.ts');
    signIn ??= steps.createSignIn(async ({ raw }) => {
      addressedTo(raw, url(), scope.prefix);
      return (await load()).signIn;
    });
    return signIn(request, reply);
  }
  for (const method of ['GET', 'POST'] as const)
    scope.route({ method, url: '/sign-in/:uid', config: { open: true }, handler: serve });
}

function mount(scope: FastifyInstance, load: () => Promise<LoadedProvider>, url: () => string): void {
  // The provider reads the body itself.
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
  const tokens = new RateLimit(tokensPerMinute);
  const signIns = new RateLimit(signInsPerMinute);
  const refusals = new RateLimit(refusalsPerMinute);

  async function serve(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { raw, ip } = request;
    const path = raw.url?.split('?')[0] ?? '';
    const asksForToken = raw.method === 'POST' && path.startsWith(tokenPath);
    const limit = path === tokenPath ? tokens : path === '/openid/auth' ? signIns : undefined;
    const guesser = `${ip} ${clientId(request.headers.authorization)}`;
    if (limit?.exceeded(ip) === true || (asksForToken && refusals.exceeded(guesser))) {
      sendProblems(reply, [tooMany]);
      return;
    }
    limit?.count(ip);
    const loaded = await load();
    if (asksForToken) {
      reply.raw.once('finish', () => {
        if (reply.raw.statusCode === 400 || reply.raw.statusCode === 401) refusals.count(guesser);
      });
    }
    const aboutToken = asksForToken && path !== tokenPath;
    const received = aboutToken ? await withNameOfToken(raw, loaded, `${url()}${scope.prefix}`) : raw;
    reply.hijack();
    const { open } = request.server.standingHeaders;
    for (let i = 0; i < open.length; i += 2) reply.raw.setHeader(open[i]!, open[i + 1]!);
    await loaded.provider.callback()(addressedTo(received, url(), scope.prefix), reply.raw);
  }
  for (const path of ['/', '/*']) scope.all(path, { config: { open: true } }, serve);
}

type ReceivedRequest = IncomingMessage & { originalUrl?: string };

/** As the provider expects it: mounted under its prefix, and reached by our address whatever the Host header says. */
function addressedTo(raw: ReceivedRequest, url: string, prefix: string): ReceivedRequest {
  const { host, protocol } = new URL(url);
  raw.originalUrl = raw.url ?? prefix;
  raw.url = raw.originalUrl.slice(prefix.length) || '/';
  delete raw.headers['x-forwarded-for'];
  raw.headers['x-forwarded-host'] = host;
  raw.headers['x-forwarded-proto'] = protocol.slice(0, -1);
  return raw;
}

/** The same request to introspect or revoke, with the token as the provider knows it. */
async function withNameOfToken(
  raw: IncomingMessage,
  loaded: LoadedProvider,
  issuer: string,
): Promise<ReceivedRequest> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of raw as AsyncIterable<Buffer>) {
    bytes += part.length;
    // What is longer is left out, and then refused for what it lacks.
    if (bytes <= formBytesMax) parts.push(part);
  }
  const issued = await import('./issued-tokens.ts');
  const body = Buffer.from(await issued.withNameOfToken(Buffer.concat(parts).toString(), loaded, issuer));
  const { method, url, httpVersion, headers } = raw;
  const request = Object.assign(new IncomingMessage(raw.socket), {
    method,
    url,
    httpVersion,
    // What is incomplete takes its socket along when it ends.
    complete: true,
    headers: { ...headers, 'content-length': String(body.length) },
  });
  request.push(body);
  request.push(null);
  return request;
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
