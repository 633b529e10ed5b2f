/**
 * Subscriptions as a resource: made, read, changed, ended and found by whoever they belong to. They are kept beside the log, so that
 * they have no history. https://hl7.org/fhir/R4/subscription.html
 */
import { randomUUID } from 'node:crypto';
import { sealHeaders, type NewSubscription, type StoredSubscription } from '@carelog/subscriptions';
import { decide, unknown } from '../access.ts';
import { nextLink } from '../cursor.ts';
import { preference, refuse, Refusal, type FhirAnswer, type FhirRequest, type Gateway } from '../gateway.ts';
import { pageOf, refuseUnknown } from '../interactions/search.ts';
import { conditionsOf } from '../interactions/write.ts';
import { allOwnedBy, allowWhole, leaveToSubscribe, owned, ownerOf, type Leave, type Subscriptions } from './owned.ts'; // prettier-ignore
import { parseSubscription, termsOf, type Parsed } from './parse-subscription.ts';
import { answerOf, servedText, statusOf } from './served.ts';
import { topics } from './event-filter.ts';

export async function createSubscription(
  gateway: Gateway,
  subscriptions: Subscriptions,
  request: FhirRequest,
): Promise<FhirAnswer | Refusal> {
  const leave = await leaveToSubscribe(gateway, request, 'create');
  if (leave instanceof Refusal) return leave;
  if (request.headers['if-none-exist'] !== undefined) return UNCONDITIONAL;
  if (request.headers['idempotency-key'] !== undefined) return UNREPEATABLE;
  const { store, key, changed } = subscriptions;
  const parsed = parsedOf(subscriptions, request, leave);
  if (parsed instanceof Refusal) return parsed;
  const owner = ownerOf(request.caller);
  const id = randomUUID();
  const { epoch } = gateway.feed;
  const kept = keptOf(parsed, key, id, leave);
  const made: NewSubscription = { id, owner, ...kept, epoch, position: await gateway.head() };
  const stored = await store.create(made, leave.most);
  if (stored === 'too-many') return tooMany(leave.most);
  changed?.();
  return representation(request, answerOf(request, 201, stored), leave);
}

export async function readSubscription(
  gateway: Gateway,
  subscriptions: Subscriptions,
  request: FhirRequest,
  id: string,
): Promise<FhirAnswer | Refusal> {
  const found = await owned(gateway, subscriptions, request, 'read', id);
  if (found instanceof Refusal) return found;
  return { ...answerOf(request, 200, found.stored), basis: found.allowed.basis };
}

/** Another version of one that there is. Its headers are those that are sent: what is secret is not shown, and so not sent back by itself. */
export async function updateSubscription(
  gateway: Gateway,
  subscriptions: Subscriptions,
  request: FhirRequest,
  id: string,
): Promise<FhirAnswer | Refusal> {
  const leave = await leaveToSubscribe(gateway, request, 'update');
  if (leave instanceof Refusal) return leave;
  const conditions = conditionsOf(request.headers['if-match'], request.headers['if-none-match']);
  if (conditions instanceof Refusal) return conditions;
  const { store, key } = subscriptions;
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const found = await owned(gateway, subscriptions, request, 'update', id);
    if (found instanceof Refusal) return found;
    const parsed = parsedOf(subscriptions, request, leave, id);
    if (parsed instanceof Refusal) return parsed;
    const { version } = found.stored;
    if (conditions.ifNoneMatch === true || (conditions.ifMatch ?? version) !== version) return stale(version);
    const change = { owner: ownerOf(request.caller), ...keptOf(parsed, key, id, leave) };
    const stored = await store.replace(id, change, version);
    if (stored === 'missing') return unknown('Subscription');
    subscriptions.changed?.();
    if (stored !== 'mismatch') return representation(request, answerOf(request, 200, stored), leave);
  }
  return BUSY;
}

/** Operators may end one that is not theirs, as somebody must be able to. */
export async function removeSubscription(
  gateway: Gateway,
  subscriptions: Subscriptions,
  request: FhirRequest,
  id: string,
): Promise<FhirAnswer | Refusal> {
  const conditions = conditionsOf(request.headers['if-match'], undefined);
  if (conditions instanceof Refusal) return conditions;
  const runs = decide(gateway, request.caller, 'rebuild');
  const found = runs.permit
    ? { stored: await subscriptions.store.read(id), allowed: runs }
    : await owned(gateway, subscriptions, request, 'delete', id);
  if (found instanceof Refusal) return found;
  const { stored, allowed } = found;
  if (stored === undefined) return unknown('Subscription');
  if ((conditions.ifMatch ?? stored.version) !== stored.version) return stale(stored.version);
  const isRemoved = await subscriptions.store.remove(id);
  subscriptions.changed?.();
  return isRemoved ? { status: 204, basis: allowed.basis, isRecorded: true } : unknown('Subscription');
}

/** What a search can ask for. */
export const SEARCHED = ['_id', 'status', 'url'] as const;

/** The caller's own, in the order of their ids. */
export async function searchSubscriptions(
  gateway: Gateway,
  subscriptions: Subscriptions,
  request: FhirRequest,
): Promise<FhirAnswer | Refusal> {
  const allowed = await allowWhole(gateway, request.caller, 'search');
  if (allowed instanceof Refusal) return allowed;
  const lenient = refuseUnknown(request, SEARCHED);
  if (lenient instanceof Refusal) return lenient;
  const page = pageOf(gateway, request);
  if (page instanceof Refusal) return page;
  const all = await allOwnedBy(subscriptions, request.caller);
  const matching = all.filter((stored) => SEARCHED.every((name) => meets(stored, name, request.query.getAll(name)))); // prettier-ignore
  const [after = ''] = (page.cursor ?? []) as [string?];
  const rest = matching.filter(({ id }) => id > after).sort((a, b) => (a.id < b.id ? -1 : 1));
  const shown = rest.slice(0, page.count);
  const path = `${request.base}/Subscription${lenient.used.size === 0 ? '' : `?${lenient.used}`}`;
  const link = [{ relation: 'self', url: path }];
  const last = shown.at(-1);
  if (last !== undefined && rest.length > shown.length)
    link.push({ relation: 'next', url: nextLink(gateway, request, [last.id]) });
  const entries = shown.map(
    (stored) =>
      `{"fullUrl":${JSON.stringify(`${request.base}/Subscription/${stored.id}`)},"resource":${servedText(stored)},"search":{"mode":"match"}}`,
  );
  const entry = entries.length === 0 ? '' : `,"entry":[${entries.join(',')}]`;
  const body = `{"resourceType":"Bundle","type":"searchset","total":${matching.length},"link":${JSON.stringify(link)}${entry}}`;
  return { status: 200, body, basis: allowed.basis };
}

/** Any of the values that commas join, of each time that the parameter is sent. */
function meets(
  stored: StoredSubscription,
  name: (typeof SEARCHED)[number],
  asked: readonly string[],
): boolean {
  if (asked.length === 0) return true;
  const is = valueOf(stored, name);
  return asked.every((text) => text.split(',').some((one) => one.slice(one.indexOf('|') + 1) === is || one === is)); // prettier-ignore
}

function valueOf(stored: StoredSubscription, name: (typeof SEARCHED)[number]): string | undefined {
  if (name === '_id') return stored.id;
  return name === 'status' ? statusOf(stored) : termsOf(stored.resource, topics).channel.endpoint;
}

function parsedOf(
  { refusalOf }: Subscriptions,
  request: FhirRequest,
  { until }: Leave,
  id?: string,
): Parsed | Refusal {
  const parsed = parseSubscription(request.body, { now: Date.now(), until, topics, id });
  if (parsed.kind === 'refused') return new Refusal(parsed.problems);
  const { endpoint } = parsed.terms.channel;
  const message = endpoint === undefined ? undefined : refusalOf?.(endpoint);
  if (message === undefined) return parsed;
  return refuse({ category: 'rejected', code: 'business-rule', message, expression: 'Subscription.channel.endpoint' }); // prettier-ignore
}

function keptOf({ kept, headers, status, terms }: Parsed, key: Uint8Array, id: string, { until }: Leave) {
  return {
    resource: kept,
    secrets: sealHeaders(key, id, headers),
    lastUpdated: new Date().toISOString(),
    // A rest-hook is active once its endpoint took the handshake.
    status: status === 'off' || terms.channel.type === 'rest-hook' ? status : ('active' as const),
    endsAt: Math.min(terms.end ?? Infinity, until),
  };
}

function representation(request: FhirRequest, answer: FhirAnswer, { allowed }: Leave): FhirAnswer {
  const { body: _, ...head } = answer;
  const shown = preference(request, 'return') === 'minimal' ? head : answer;
  return { ...shown, basis: allowed.basis, isRecorded: true };
}

const ATTEMPTS_MAX = 5;
const BUSY = refuse({
  category: 'busy',
  code: 'throttled',
  message: 'Others keep changing this Subscription. Nothing was changed; read it and send it again.',
});
const UNCONDITIONAL = refuse({
  category: 'incorrect',
  code: 'not-supported',
  message:
    'A Subscription is made unconditionally. Leave If-None-Exist out; GET [base]/Subscription lists yours.',
});

const UNREPEATABLE = refuse({
  category: 'incorrect',
  code: 'not-supported',
  message:
    'Each POST makes another Subscription, so an Idempotency-Key cannot be kept to. Leave it out; where an answer was lost, GET [base]/Subscription lists yours.',
});

const stale = (version: number): Refusal =>
  refuse({
    category: 'mismatch',
    code: 'conflict',
    message: `This Subscription is at version ${version}, which is not what was asked for. Read it again, repeat the change on what you read, and send its ETag as If-Match.`,
  });

const tooMany = (most: number): Refusal =>
  refuse({
    category: 'rejected',
    code: 'too-costly',
    message: `You have ${most} subscriptions, and may not have more. Delete one that is not needed, or widen one by its filters.`,
  });
