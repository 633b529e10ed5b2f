/** Where notifications may be sent: what an operator allows for an origin, and what is allowed where nothing is said. */
import { isIP } from 'node:net';
import { isPublicAddress } from './public-addresses.ts';

/** As an operator lists it in the file that `CARELOG_HOOKS` names. */
export interface HookOrigin {
  /** Scheme, host and port, e.g. `https://epr.example.nhs.uk`; or `https://*`, any public one on port 443. */
  readonly origin: string;
  /** Its addresses may be private: it is in the site's own network. */
  readonly allowPrivate?: boolean;
  /** It is spoken to without TLS; what is sent can be read by who is between. */
  readonly allowHttp?: boolean;
  /** PEM file of the authorities that its certificate is signed by, in place of the public ones. */
  readonly caFile?: string;
  /** It wants an access token (RFC 6749 §4.4). The token endpoint is reached by the same rules. */
  readonly oauth?: HookOAuth;
}

export interface HookOAuth {
  readonly tokenUrl: string;
  readonly clientId: string;
  /** Read at each request for a token: it may be changed while the server runs. */
  readonly clientSecretFile: string;
  readonly scope?: string;
}

export const ANY_PUBLIC_ORIGIN = 'https://*';
const ANY: HookOrigin = { origin: ANY_PUBLIC_ORIGIN };

/** What is allowed for this address, or why nothing is sent there. */
export type OriginOutcome =
  | { readonly kind: 'allowed'; readonly url: URL; readonly rules: HookOrigin; readonly isListed: boolean }
  | { readonly kind: 'refused'; readonly reason: string };

/** Decides by the address alone; what its name leads to is seen at each connection. `listed` is undefined where there is no file. */
export function originOf(
  endpoint: string,
  listed: ReadonlyMap<string, HookOrigin> | undefined,
): OriginOutcome {
  const url = URL.parse(endpoint);
  if (url === null || !/^https?:$/.test(url.protocol))
    return refused('The endpoint must be an absolute https address.');
  if (url.username !== '' || url.password !== '')
    return refused('The endpoint must hold no user and password: they belong into a header.');
  const own = url.origin === ANY_PUBLIC_ORIGIN ? undefined : listed?.get(url.origin);
  const rules = own ?? (listed === undefined ? ANY : listed.get(ANY_PUBLIC_ORIGIN));
  if (rules === undefined)
    return refused(`Notifications are not sent to ${url.origin}. Ask who runs this server to allow it.`);
  if (url.protocol === 'http:' && rules.allowHttp !== true)
    return refused('The endpoint must be an https address: plain http is allowed for listed origins only.');
  if (own === undefined && url.port !== '')
    return refused('The endpoint must be on port 443: other ports are allowed for listed origins only.');
  const address = url.hostname.replace(/^\[|\]$/g, '');
  if (isIP(address) !== 0 && rules.allowPrivate !== true && !isPublicAddress(address))
    return refused(NO_PUBLIC_ADDRESS);
  return { kind: 'allowed', url, rules, isListed: own !== undefined };
}

/** The same for a name that is not known, so that nobody learns which names there are in a site's network. */
export const NO_PUBLIC_ADDRESS =
  'The endpoint has no address that notifications are sent to: its name must be known to everybody, and lead to public addresses only.';

const refused = (reason: string): OriginOutcome => ({ kind: 'refused', reason });
