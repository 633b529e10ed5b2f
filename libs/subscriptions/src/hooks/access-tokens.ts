/** Access tokens for endpoints that want one: RFC 6749 §4.4, each kept until shortly before it ends. */
import { readFile } from 'node:fs/promises';
import type { ExchangeOutcome } from './exchange.ts';
import type { HookOAuth } from './hook-origins.ts';

/** Where the answer does not say, or says nonsense. */
const OTHERWISE_SECONDS = 300;
/** So long before its end a token is fetched anew. */
const EARLY_SECONDS = 30;
const LONGEST_SECONDS = 24 * 60 * 60;

export type TokenOutcome =
  { readonly kind: 'token'; readonly token: string } | { readonly kind: 'failed'; readonly reason: string };

interface Kept {
  readonly outcome: Promise<TokenOutcome>;
  /** As `performance.now()` counts. */
  until: number;
}

export type PostForm = (
  url: string,
  headers: Readonly<Record<string, string>>,
  form: string,
) => Promise<ExchangeOutcome>;

export class AccessTokens {
  readonly #kept = new Map<string, Kept>();

  /** All who need the token of an origin at the same time wait for one request. `refused`: a token that was just not taken. */
  of(origin: string, oauth: HookOAuth, post: PostForm, refused?: string): Promise<TokenOutcome> {
    const known = this.#kept.get(origin);
    if (known !== undefined && known.until > performance.now() && refused === undefined) return known.outcome;
    return known === undefined ? this.#fetch(origin, oauth, post) : this.#unless(known, refused, origin, oauth, post); // prettier-ignore
  }

  /** Somebody else may have fetched a new one since. */
  async #unless(known: Kept, refused: string | undefined, origin: string, oauth: HookOAuth, post: PostForm) {
    const outcome = await known.outcome;
    const isGood = known.until > performance.now() && outcome.kind === 'token' && outcome.token !== refused;
    if (isGood) return outcome;
    const latest = this.#kept.get(origin);
    return latest === undefined || latest === known ? this.#fetch(origin, oauth, post) : latest.outcome;
  }

  #fetch(origin: string, oauth: HookOAuth, post: PostForm): Promise<TokenOutcome> {
    const kept: Kept = { outcome: fetchToken(oauth, post).then(({ seconds, ...outcome }) => {
      kept.until = performance.now() + seconds * 1_000;
      return outcome;
    }), until: Infinity }; // prettier-ignore
    this.#kept.set(origin, kept);
    return kept.outcome;
  }
}

async function fetchToken(
  { tokenUrl, clientId, clientSecretFile, scope }: HookOAuth,
  post: PostForm,
): Promise<TokenOutcome & { readonly seconds: number }> {
  let secret: string;
  try {
    secret = (await readFile(clientSecretFile, 'utf8')).trim();
  } catch {
    return failed('The secret for its token endpoint cannot be read. Ask who runs this server.');
  }
  const credentials = [clientId, secret].map(formEncoded).join(':');
  const form = new URLSearchParams({ grant_type: 'client_credentials', ...(scope && { scope }) });
  const headers = {
    authorization: `Basic ${Buffer.from(credentials).toString('base64')}`,
    'content-type': 'application/x-www-form-urlencoded',
    accept: 'application/json',
  };
  const answer = await post(tokenUrl, headers, form.toString());
  if (answer.kind === 'failed') return failed('Its token endpoint did not answer.');
  if (answer.status !== 200) return failed(`Its token endpoint answered with status ${answer.status}.`);
  return tokenIn(answer.body);
}

/** RFC 6749 §5.1. */
function tokenIn(body: Buffer): TokenOutcome & { readonly seconds: number } {
  try {
    const answer = JSON.parse(body.toString()) as Readonly<Record<string, unknown>> | null;
    const { access_token: token, token_type: type, expires_in: lasts } = answer ?? {};
    // Visible characters only: it becomes a header.
    if (typeof token === 'string' && /^[\x21-\x7e]+$/.test(token) && /^bearer$/i.test(String(type))) {
      const seconds = typeof lasts === 'number' && lasts >= 0 ? lasts : OTHERWISE_SECONDS;
      return { kind: 'token', token, seconds: Math.min(seconds - EARLY_SECONDS, LONGEST_SECONDS) };
    }
  } catch {
    // Said below.
  }
  return failed('Its token endpoint gave no bearer token.');
}

const formEncoded = (text: string): string => new URLSearchParams([['', text]]).toString().slice(1);
const failed = (reason: string) => ({ kind: 'failed', reason, seconds: 0 }) as const;
