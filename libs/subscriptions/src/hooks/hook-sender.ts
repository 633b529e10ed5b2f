/**
 * Sends notifications to endpoints of rest-hooks. Whatever an endpoint does is an outcome, never a fault: it is somebody else's
 * machine, and it may be slow, broken or hostile.
 */
import { readFileSync } from 'node:fs';
import { AccessTokens } from './access-tokens.ts';
import { openConnections, type Exchange, type ExchangeOutcome } from './exchange.ts';
import { NO_PUBLIC_ADDRESS, originOf, type HookOrigin, type OriginOutcome } from './hook-origins.ts';
import { lookupWith, resolveByDns, resolveBySystem, type Resolve } from './look-up.ts';
import { signatureHeaders, type Signing } from './signature.ts';
import { Turns, type TurnsLoad, type Worked } from './turns.ts';

/** For the whole of a delivery, from its turn on, with a token where one is needed. */
export const TOTAL_MS = 10_000;
/** An endpoint that takes longer is treated as one that fails, but for what it took. */
const SLOW_MS = 3_000;
const LONGEST_RETRY_AFTER_MS = 60 * 60_000;

export interface HookSenderOptions {
  /** Where notifications may be sent; any public https origin unless told. */
  readonly origins?: readonly HookOrigin[] | undefined;
  /** What names lead to: DNS, and the system for listed origins, unless told. */
  readonly resolve?: Resolve;
}

export interface HookDelivery {
  /** Who is to share what room there is with others: the same for all subscriptions of one owner. */
  readonly owner: string;
  readonly endpoint: string;
  /** Where it is a function it is made when its turn comes, so that what may be shown is decided then; nothing is sent where it gives nothing. */
  readonly body: string | (() => Promise<string | undefined>);
  readonly contentType: string;
  /** Of the subscriber; those that this sender makes itself are left out. */
  readonly headers: Readonly<Record<string, string>>;
  /** Its time is that of when its turn comes, where it is a function. */
  readonly signing: Signing | (() => Signing);
}

export type HookOutcome =
  | { readonly kind: 'taken' }
  /** There was nothing to send when its turn came, or this sender was closed; it says nothing of the endpoint. */
  | { readonly kind: 'unsent' }
  | {
      readonly kind: 'failed';
      /** A sentence for the subscriber: nothing of what the endpoint said, and nothing of the site's network. */
      readonly reason: string;
      /** So long the endpoint wants to be left alone. */
      readonly retryAfterMs?: number;
      /** It wants nothing any more. */
      readonly gone?: true;
    };

export interface HookSender {
  /** Rejects with what the delivery's own functions throw, and with nothing else. */
  send(delivery: HookDelivery): Promise<HookOutcome>;
  /** Why nothing will ever be sent to this address, as far as the address alone says; undefined where nothing speaks against it. */
  refusalOf(endpoint: string): string | undefined;
  load(): TurnsLoad;
  /** What is under way is broken off at once, and what waits is not begun: both are unsent. */
  close(): void;
}

type Allowed = OriginOutcome & { readonly kind: 'allowed' };

/** Throws where a file of authorities cannot be read. */
export function openHookSender({ origins, resolve }: HookSenderOptions = {}): HookSender {
  const listed = origins && new Map(origins.map((it) => [it.origin, it]));
  const authorities = new Map(origins?.flatMap(({ origin, caFile }) => (caFile === undefined ? [] : [[origin, readFileSync(caFile)]]))); // prettier-ignore
  const connections = openConnections();
  const tokens = new AccessTokens();
  const turns = new Turns();
  let isClosed = false;
  const bySystem = resolve ?? resolveBySystem();
  const byDns = resolve ?? resolveByDns();

  const exchangeWith = ({ rules, isListed }: Allowed, deadline: number) =>
    (url: URL, headers: Exchange['headers'], body: Buffer): Promise<ExchangeOutcome> => {
      const lookup = lookupWith(isListed ? bySystem : byDns, rules.allowPrivate === true);
      const ca = authorities.get(rules.origin);
      return connections.exchange({ url, headers, body, deadline, lookup, ca });
    }; // prettier-ignore

  async function work(delivery: HookDelivery, to: Allowed): Promise<Worked<HookOutcome>> {
    if (isClosed) return UNSENT;
    const text = typeof delivery.body === 'string' ? delivery.body : await delivery.body();
    if (text === undefined || isClosed) return UNSENT;
    const body = Buffer.from(text);
    // What came before is not the endpoint's fault.
    const began = performance.now();
    const outcome = await deliver(delivery, body, to, began + TOTAL_MS);
    // What was broken off here failed by nobody's fault.
    if (isClosed && outcome.kind === 'failed') return UNSENT;
    return { outcome, isStrike: outcome.kind === 'failed' || performance.now() - began > SLOW_MS };
  }

  async function deliver(
    delivery: HookDelivery,
    body: Buffer,
    to: Allowed,
    deadline: number,
  ): Promise<HookOutcome> {
    const exchange = exchangeWith(to, deadline);
    const headers = headersOf(delivery, body);
    const { oauth, origin } = to.rules;
    if (oauth === undefined) return outcomeOf(await exchange(to.url, headers, body));
    const post = (url: string, its: Exchange['headers'], form: string): Promise<ExchangeOutcome> => {
      const where = originOf(url, new Map([[new URL(url).origin, to.rules]]));
      if (where.kind === 'refused') return Promise.resolve({ kind: 'failed', code: 'ADDRESS_REFUSED' });
      return exchange(where.url, its, Buffer.from(form));
    };
    for (let refused: string | undefined; ;) {
      const outcome = await tokens.of(origin, oauth, post, refused);
      if (outcome.kind === 'failed') return outcome;
      const { token } = outcome;
      const answer = await exchange(to.url, { ...headers, authorization: `Bearer ${token}` }, body);
      const isRefused = answer.kind === 'answered' && answer.status === 401;
      if (!isRefused || refused !== undefined) return outcomeOf(answer);
      refused = token;
    }
  }

  return {
    async send(delivery) {
      const to = originOf(delivery.endpoint, listed);
      if (to.kind === 'refused') return { kind: 'failed', reason: to.reason };
      const outcome = await turns.run(delivery.owner, to.url.origin, () => work(delivery, to));
      return (
        outcome ?? { kind: 'failed', reason: 'Too many notifications of one subscriber wait to be sent.' }
      );
    },
    refusalOf(endpoint) {
      const to = originOf(endpoint, listed);
      return to.kind === 'refused' ? to.reason : undefined;
    },
    load: () => turns.load(),
    close() {
      isClosed = true;
      connections.close();
    },
  };
}

const UNSENT = { outcome: { kind: 'unsent' }, isStrike: undefined } as const;

/** What would change where a request goes, how long it is or who is believed to have sent it, is this sender's own. */
const OWN_HEADER =
  /^(host|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|expect|content-.*|webhook-.*)$/;

function headersOf({ headers, contentType, signing }: HookDelivery, body: Buffer): Record<string, string> {
  const named = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  return {
    'user-agent': 'Carelog',
    ...Object.fromEntries(named.filter(([name]) => !OWN_HEADER.test(name))),
    'content-type': contentType,
    ...signatureHeaders(typeof signing === 'function' ? signing() : signing, body),
  };
}

function outcomeOf(answer: ExchangeOutcome): HookOutcome {
  if (answer.kind === 'failed') return { kind: 'failed', reason: reasonOf(answer.code) };
  const { status, headers } = answer;
  if (status >= 200 && status < 300) return { kind: 'taken' };
  if (status === 410) return { kind: 'failed', reason: 'The endpoint wants no more notifications (status 410).', gone: true }; // prettier-ignore
  if (status >= 300 && status < 400)
    return { kind: 'failed', reason: `The endpoint redirects (status ${status}), which is not followed. Subscribe with the address that it redirects to.` }; // prettier-ignore
  const reason = `The endpoint answered with status ${status}.`;
  const retryAfterMs = status === 429 || status === 503 ? retryAfter(headers['retry-after']) : undefined;
  return { kind: 'failed', reason, ...(retryAfterMs !== undefined && { retryAfterMs }) };
}

/** Seconds or a date (RFC 9110 §10.2.3); an hour at most. */
function retryAfter(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const wait = /^\d{1,9}$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - Date.now();
  return Number.isNaN(wait) ? undefined : Math.min(Math.max(0, wait), LONGEST_RETRY_AFTER_MS);
}

const REASONS: readonly (readonly [codes: RegExp, reason: string])[] = [
  [/^(ENOTFOUND|ENODATA|EAI_.*|ADDRESS_REFUSED|ESERVFAIL|EREFUSED|EBADNAME|EBADRESP)$/, NO_PUBLIC_ADDRESS],
  [/^(CONNECT_TOO_LONG|ETIMEOUT|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)$/, 'No connection to the endpoint was made within 3 seconds.'], // prettier-ignore
  [/^TOOK_TOO_LONG$/, 'The endpoint did not answer within 10 seconds.'],
  [/^ECONNREFUSED$/, 'The endpoint refuses connections.'],
  [/^(ECONNRESET|EPIPE|STALE)$/, 'The endpoint closed the connection without an answer.'],
  [/^HPE_/, 'The endpoint did not answer in HTTP as it should.'],
  [/CERT|SIGNATURE|_TLS_|_SSL_|^EPROTO$/, 'No trusted connection to the endpoint can be made: check its certificate, and that it is for its name.'], // prettier-ignore
  [/^ERR_(INVALID_CHAR|HTTP_INVALID_HEADER_VALUE|INVALID_HTTP_TOKEN)$/, 'A header of the subscription cannot be sent in HTTP.'], // prettier-ignore
];

const reasonOf = (code: string): string =>
  REASONS.find(([codes]) => codes.test(code))?.[1] ?? 'The endpoint could not be reached.';
