/** Operations on subscriptions. https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/artifacts.html#behavior-operation-definitions */
import { signingSecret, type StoredSubscription } from '@carelog/subscriptions';
import { unknown } from '../access.ts';
import { refuse, Refusal, type FhirAnswer, type FhirRequest, type Gateway } from '../gateway.ts';
import { bindingToken } from './binding-token.ts';
import { caughtUp } from '../consistency.ts';
import { decideWanted } from './decide-wanted.ts';
import { notificationText, statusEntry, type Notification } from './notification.ts';
import { parametersOf } from './operation-parameters.ts';
import { allOwnedBy, allowWhole, owned, renewed, type Owned, type Subscriptions } from './owned.ts';
import { contents, type Content } from './parse-channel.ts';
import { termsOf } from './parse-subscription.ts';
import { statusOf, toldOf } from './served.ts';
import { topics } from './event-filter.ts';

/** Of those that `$events` answers at a time. */
const EVENTS_MAX = 200;
/** Where a websocket is opened, at the address of the service. */
export const WEBSOCKET_PATH = '/subscriptions/websocket';

/** `$status` of one, or without an id of those of the caller that are asked for, or of all. */
export async function subscriptionStatus(
  gateway: Gateway,
  subscriptions: Subscriptions,
  request: FhirRequest,
  id?: string,
): Promise<FhirAnswer | Refusal> {
  const asked = parametersOf(request, ['id', 'status']);
  if (asked instanceof Refusal) return asked;
  const found = await askedFor(gateway, subscriptions, request, id, asked.get('id'));
  if (found instanceof Refusal) return found;
  const statuses = id === undefined ? asked.get('status') : undefined;
  const entry = found.stored
    .filter((stored) => statuses === undefined || statuses.includes(statusOf(stored)))
    .map((stored) => ({
      ...statusEntry({ ...toldBy(stored, request.base), type: 'query-status', events: [] }),
      search: { mode: 'match' },
    }));
  const body = { resourceType: 'Bundle', type: 'searchset', total: entry.length, ...(entry.length > 0 && { entry }) }; // prettier-ignore
  return { status: 200, body: JSON.stringify(body), basis: found.allowed.basis };
}

/** `$events`: what there was to tell, from one number to another, as far as it may be shown now. */
export async function subscriptionEvents(
  gateway: Gateway,
  subscriptions: Subscriptions,
  request: FhirRequest,
  id: string,
): Promise<FhirAnswer | Refusal> {
  const range = rangeOf(request);
  if (range instanceof Refusal) return range;
  const found = await owned(gateway, subscriptions, request, 'read', id);
  if (found instanceof Refusal) return found;
  const { stored } = found;
  const { base } = request;
  const told = { ...toldBy(stored, base), ...(range.content && { content: range.content }) };
  const numbered = await subscriptions.store.numbered(id, range.since - 1, EVENTS_MAX + 1);
  const events = numbered.slice(0, EVENTS_MAX).filter(({ number }) => number <= range.until);
  const notices = told.content === 'empty' ? [] : events.map(({ notice }) => notice);
  const behind = await caughtUp(gateway);
  if (behind !== undefined) return behind;
  const { filter } = termsOf(stored.resource, topics);
  const seen = await decideWanted(gateway, request.caller, filter, notices, told.content === 'full-resource');
  const after = numbered[EVENTS_MAX]?.number;
  const body = notificationText({
    ...told,
    type: 'query-event',
    events: events.map((event, at) => ({ ...event, outcome: seen.outcomes[at] ?? { kind: 'withheld' } })),
    ...(after !== undefined && after <= range.until && { next: nextEvents(base, id, after, range) }),
  });
  return {
    status: 200,
    body,
    shown: seen.shown,
    basis: seen.basis === '' ? found.allowed.basis : seen.basis,
  };
}

interface Range {
  /** Event numbers, both included. */
  readonly since: number;
  readonly until: number;
  readonly content?: Content;
}

function rangeOf(request: FhirRequest): Range | Refusal {
  const asked = parametersOf(request, ['eventsSinceNumber', 'eventsUntilNumber', 'content']);
  if (asked instanceof Refusal) return asked;
  const number = (name: string, otherwise: number): number => {
    const [text, ...more] = asked.get(name) ?? [];
    if (text === undefined) return otherwise;
    return more.length === 0 && /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  };
  const [since, until] = [number('eventsSinceNumber', 1), number('eventsUntilNumber', Infinity)];
  const [named] = asked.get('content') ?? [];
  const content = contents.find((it) => it === named);
  const wrong = [
    ...(Number.isNaN(since) ? ['eventsSinceNumber'] : []),
    ...(Number.isNaN(until) ? ['eventsUntilNumber'] : []),
    ...(named !== undefined && content === undefined ? ['content'] : []),
  ];
  if (wrong.length === 0) return { since: Math.max(since, 1), until, ...(content && { content }) };
  const message = `Event numbers are whole numbers from 1, and content is one of ${contents.join(', ')}. Correct it, or leave it out.`;
  return new Refusal(
    wrong.map((expression) => ({ category: 'incorrect', code: 'value', message, expression })),
  );
}

function nextEvents(base: string, id: string, since: number, { until, content }: Range): string {
  const query = new URLSearchParams({
    eventsSinceNumber: String(since),
    ...(until !== Infinity && { eventsUntilNumber: String(until) }),
    ...(content && { content }),
  });
  return `${base}/Subscription/${id}/$events?${query}`;
}

/** `$get-ws-binding-token`: of one, or of several, or of all of the caller's that are of websockets. */
export async function websocketToken(
  gateway: Gateway,
  subscriptions: Subscriptions,
  request: FhirRequest,
  id?: string,
): Promise<FhirAnswer | Refusal> {
  const asked = parametersOf(request, ['id']);
  if (asked instanceof Refusal) return asked;
  const ids = id === undefined ? asked.get('id') : undefined;
  const found = await askedFor(gateway, subscriptions, request, id, ids);
  if (found instanceof Refusal) return found;
  const isAsked = id !== undefined || ids !== undefined;
  const open = found.stored.filter((it) => isOn(it, 'websocket') && statusOf(it) === 'active');
  if (open.length === 0 || open.length > BOUND_MAX || (isAsked && open.length < found.stored.length))
    return notOpen();
  if (ids !== undefined && open.length < new Set(ids).size) return unknown('Subscription');
  const bound = open.map((it) => it.id);
  const { token, until } = bindingToken(subscriptions.key, bound, Date.now());
  const origin = new URL(request.base);
  const url = `${origin.protocol === 'https:' ? 'wss' : 'ws'}://${origin.host}${WEBSOCKET_PATH}`;
  const parameter = [
    { name: 'token', valueString: token },
    { name: 'expiration', valueDateTime: new Date(until).toISOString() },
    ...bound.map((it) => ({ name: 'subscription', valueString: it })),
    { name: 'websocket-url', valueUrl: url },
  ];
  const body = JSON.stringify({ resourceType: 'Parameters', parameter });
  return { status: 200, body, basis: found.allowed.basis };
}

/** Of one token. */
const BOUND_MAX = 100;

const notOpen = (): Refusal =>
  refuse({
    category: 'rejected',
    code: 'business-rule',
    message: `A websocket is bound to 1 to ${BOUND_MAX} active subscriptions whose channel.type is websocket. Name such ones by id.`,
    expression: 'id',
  });

/** `$hook-secret`: what notifications of a rest-hook are signed with; `renew=true` makes another, and the one before useless. */
export async function hookSecret(
  gateway: Gateway,
  subscriptions: Subscriptions,
  request: FhirRequest,
  id: string,
): Promise<FhirAnswer | Refusal> {
  const asked = parametersOf(request, ['renew']);
  if (asked instanceof Refusal) return asked;
  const [renew = 'false'] = asked.get('renew') ?? [];
  if (renew !== 'true' && renew !== 'false') {
    const message = 'renew is true or false. Leave it out to see the secret that is in use.';
    return refuse({ category: 'incorrect', code: 'value', message, expression: 'renew' });
  }
  const found = await owned(gateway, subscriptions, request, 'update', id);
  if (found instanceof Refusal) return found;
  if (!isOn(found.stored, 'rest-hook')) {
    const message =
      'Only what is sent to a rest-hook is signed. A websocket is bound by $get-ws-binding-token.';
    return refuse({ category: 'rejected', code: 'business-rule', message });
  }
  const { store, key } = subscriptions;
  const generation = renew === 'true' ? await store.nextSecret(id) : found.stored.secretGeneration;
  if (generation === undefined) return unknown('Subscription');
  const parameter = [{ name: 'secret', valueString: signingSecret(key, id, generation) }];
  const body = JSON.stringify({ resourceType: 'Parameters', parameter });
  return { status: 200, body, basis: found.allowed.basis };
}

/** The one; or those that are asked for, as far as they are the caller's; or all that are. Renewed. */
async function askedFor(
  gateway: Gateway,
  subscriptions: Subscriptions,
  request: FhirRequest,
  id: string | undefined,
  ids: readonly string[] | undefined,
): Promise<Refusal | { readonly stored: readonly StoredSubscription[]; readonly allowed: Owned['allowed'] }> {
  if (id !== undefined) {
    const one = await owned(gateway, subscriptions, request, 'read', id);
    return one instanceof Refusal ? one : { stored: [one.stored], allowed: one.allowed };
  }
  const allowed = await allowWhole(gateway, request.caller, 'read');
  if (allowed instanceof Refusal) return allowed;
  const { store } = subscriptions;
  const all = await allOwnedBy(subscriptions, request.caller);
  const wanted = ids === undefined ? all : all.filter((it) => ids.includes(it.id));
  const stored = await Promise.all(wanted.map((it) => renewed(store, it, request.caller)));
  return { stored, allowed };
}

const isOn = (stored: StoredSubscription, channel: 'rest-hook' | 'websocket'): boolean =>
  termsOf(stored.resource, topics).channel.type === channel;

/** What every notification of a subscription says alike. */
function toldBy(
  stored: StoredSubscription,
  base: string,
): Pick<Notification, 'subscription' | 'base' | 'content'> {
  const { content } = termsOf(stored.resource, topics).channel;
  return { subscription: toldOf(stored), base, content };
}
