/** `Subscription.channel`: how a subscriber is told, and how much. */
import type { Problem } from '@carelog/fhir';
import { extensionsOf, objectIn, textIn, type Json } from './elements.ts';

/** https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/payloads.html */
export const contents = ['empty', 'id-only', 'full-resource'] as const;
export type Content = (typeof contents)[number];

export interface Channel {
  readonly type: 'rest-hook' | 'websocket';
  /** Absolute http or https URL, of a rest-hook. */
  readonly endpoint?: string;
  readonly content: Content;
  /** Of silence, after which a heartbeat is sent. */
  readonly heartbeatSeconds?: number;
  /** Longer than the server waits by itself it never waits. */
  readonly timeoutSeconds?: number;
  /** Most events in one notification. */
  readonly maxCount?: number;
}

const BACKPORT = 'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-';
export const PAYLOAD_CONTENT = `${BACKPORT}payload-content`;
const ENDPOINT_LENGTH_MAX = 2_048;
const HEADERS_MAX = 10;
const HEADER_LENGTH_MAX = 4_096;
const FHIR_JSON = 'application/fhir+json';

type Wrong = (element: string, message: string, code?: string) => void;

/** What is wrong is added to `problems`; then what is returned means nothing. */
export function channelIn(resource: Json, problems: Problem[]): Channel {
  const channel = objectIn(resource, 'channel') ?? {};
  const wrong: Wrong = (element, message, code = 'value') =>
    void problems.push({
      category: 'rejected',
      code,
      message,
      expression: `Subscription.channel${element === '' ? '' : `.${element}`}`,
    });
  const type = textIn(channel, 'type');
  if ((type !== 'rest-hook' && type !== 'websocket') || extensionsOf(channel['_type']).length > 0)
    wrong('type', 'Channels are rest-hook and websocket, without an extension. Events can also be had from GET /events.', 'not-supported'); // prettier-ignore
  const endpoint = endpointIn(channel, type, wrong);
  if (type === 'websocket' && channel['header'] !== undefined)
    wrong('header', 'A websocket is sent no headers. Leave them out.');
  const periods = {
    heartbeatSeconds: numberIn(channel, 'heartbeat-period', 'valueUnsignedInt', [10, 86_400], wrong),
    timeoutSeconds: numberIn(channel, 'timeout', 'valueUnsignedInt', [1, 3_600], wrong),
    maxCount: numberIn(channel, 'max-count', 'valuePositiveInt', [1, 1_000], wrong),
  };
  return {
    type: type === 'websocket' ? type : 'rest-hook',
    ...(endpoint !== undefined && { endpoint }),
    content: contentIn(channel, wrong),
    ...Object.fromEntries(Object.entries(periods).filter(([, value]) => value !== undefined)),
  };
}

function endpointIn(channel: Json, type: string | undefined, wrong: Wrong): string | undefined {
  const endpoint = textIn(channel, 'endpoint');
  if (type === 'websocket') {
    if (endpoint !== undefined)
      wrong('endpoint', 'A websocket is opened by its subscriber. Leave the endpoint out, and ask for $get-ws-binding-token.'); // prettier-ignore
    return undefined;
  }
  if (endpoint === undefined) {
    wrong('endpoint', 'A rest-hook needs the URL to which notifications are sent.', 'required');
    return undefined;
  }
  const url =
    endpoint.length <= ENDPOINT_LENGTH_MAX && URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  const isWeb = url?.protocol === 'https:' || url?.protocol === 'http:';
  if (url === undefined || !isWeb || url.username !== '' || url.password !== '' || endpoint.includes('#'))
    wrong('endpoint', `The endpoint is an absolute https URL of at most ${ENDPOINT_LENGTH_MAX} characters, without a user, a password or a fragment. Send what it takes to be let in as channel.header.`); // prettier-ignore
  return endpoint;
}

function contentIn(channel: Json, wrong: Wrong): Content {
  if (channel['payload'] !== FHIR_JSON)
    wrong('payload', `Notifications are sent as ${FHIR_JSON}. Ask for that.`, 'not-supported');
  const found = extensionsOf(channel['_payload']).filter(({ url }) => url === PAYLOAD_CONTENT);
  const content = contents.find((it) => it === found[0]?.['valueCode']);
  if (found.length !== 1 || content === undefined)
    wrong('payload.extension', `Say once, by the extension ${PAYLOAD_CONTENT}, how much is sent: ${contents.join(', ')}.`, 'required'); // prettier-ignore
  return content ?? 'empty';
}

function numberIn(
  channel: Json,
  name: string,
  element: string,
  [least, most]: readonly [number, number],
  wrong: Wrong,
): number | undefined {
  const found = extensionsOf(channel).filter(({ url }) => url === `${BACKPORT}${name}`);
  if (found.length === 0) return undefined;
  const value = found[0]?.[element];
  if (found.length === 1 && Number.isInteger(value) && Number(value) >= least && Number(value) <= most)
    return Number(value);
  wrong('extension', `backport-${name} stands there once at most, as ${element} from ${least} to ${most}.`);
  return undefined;
}

/** `Name: value`, as they are sent along with each notification. */
export function headersIn(resource: Json, problems: Problem[]): readonly string[] {
  const lines = (objectIn(resource, 'channel') ?? {})['header'];
  if (!Array.isArray(lines)) return [];
  const wrong = (at: string, message: string): void =>
    void problems.push({ category: 'rejected', code: 'value', message, expression: `Subscription.channel.header${at}` }); // prettier-ignore
  if (lines.length > HEADERS_MAX)
    wrong('', `A notification is sent at most ${HEADERS_MAX} headers of yours.`);
  const names = new Set<string>();
  for (const [at, line] of lines.slice(0, HEADERS_MAX).entries()) {
    const colon = typeof line === 'string' ? line.indexOf(':') : -1;
    const name = colon < 0 ? '' : (line as string).slice(0, colon).toLowerCase();
    if (!NAME.test(name) || !isValue(line as string, colon + 1))
      wrong(`[${at}]`, `A header is a line of at most ${HEADER_LENGTH_MAX} visible ASCII characters: a name, a colon, a value.`); // prettier-ignore
    else if (isOurs(name))
      wrong(`[${at}]`, 'This header is for the server to set, as are Host, Content-*, webhook-* and those of one connection.'); // prettier-ignore
    else if (names.has(name)) wrong(`[${at}]`, 'This header stands there twice. Send each once.');
    names.add(name);
  }
  return lines as readonly string[];
}

const NAME = /^[a-z0-9!#$%&'*+.^_`|~-]{1,128}$/;

function isValue(line: string, from: number): boolean {
  if (line.length > HEADER_LENGTH_MAX || line.slice(from).trim() === '') return false;
  for (let at = from; at < line.length; at += 1) {
    const code = line.charCodeAt(at);
    if ((code < 0x20 && code !== 0x09) || code > 0x7e) return false;
  }
  return true;
}

// https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1, what says how long a message is, and what is signed.
const OURS = new Set(['host', 'connection', 'keep-alive', 'proxy-connection', 'proxy-authenticate', 'proxy-authorization', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'expect', 'date', 'via', 'accept-encoding', 'user-agent']); // prettier-ignore
const isOurs = (name: string): boolean =>
  OURS.has(name) || name.startsWith('content-') || name.startsWith('webhook-');
