/**
 * Sends one rest-hook what it has not taken yet: in the order of the numbers, one notification after the other, again until it is
 * taken or given up. Everything is decided when it is sent.
 */
import {
  nextTry,
  openHeaders,
  signingSecret,
  type HookOutcome,
  type HookSender,
  type NumberedNotice,
  type SubscriptionStore,
} from '@carelog/subscriptions';
import type { Gateway } from '../gateway.ts';
import { recordNotification, type DecidedNotices } from './decide-notices.ts';
import { decideWanted } from './decide-wanted.ts';
import type { Held } from './held.ts';
import { notificationText, type NotificationType, type ToldEvent } from './notification.ts';

export interface HookDeliveryOptions {
  readonly gateway: Gateway;
  readonly store: SubscriptionStore;
  readonly hooks: HookSender;
  readonly key: Uint8Array;
  readonly holder: string;
  /** URL of the FHIR API. */
  readonly base: () => string;
}

/** Most events in one notification, unless its subscriber asks for fewer. */
const COUNT_MAX = 100;
const NOTHING: Decided = { events: [], account: { shown: { versions: '', patients: [] }, basis: '' } };

/** Milliseconds from now on after which there is something to do; undefined where that is when something comes. */
export async function deliver(options: HookDeliveryOptions, held: Held): Promise<number | undefined> {
  for (;;) {
    const { stored, terms } = held;
    const now = Date.now();
    const isSent = stored.status === 'requested' || stored.status === 'active';
    if (held.isOver || !isSent || terms.channel.type !== 'rest-hook') return undefined;
    if (stored.tryAt > now) return stored.tryAt - now;
    if (stored.status === 'requested') {
      if (!(await send(options, held, 'handshake', NOTHING))) continue;
      await options.store.setStatus(held.id, 'active', '');
      held.stored = { ...held.stored, status: 'active', reason: '' };
      continue;
    }
    const due = await eventsDue(options, held);
    if (due !== undefined) {
      await send(options, held, 'event-notification', due);
      continue;
    }
    const { heartbeatSeconds } = terms.channel;
    if (heartbeatSeconds === undefined) return undefined;
    const left = stored.sentAt + heartbeatSeconds * 1_000 - now;
    if (left > 0) return left;
    await send(options, held, 'heartbeat', NOTHING);
  }
}

/**
 * What may be told of the next ones. Where nothing may be told of any, nothing is sent: their bare numbers come with what comes
 * after them.
 */
async function eventsDue({ gateway, store }: HookDeliveryOptions, held: Held): Promise<Decided | undefined> {
  const { stored, terms } = held;
  if (held.events <= Math.max(stored.delivered, held.withheldUpTo)) return undefined;
  const most = Math.min(COUNT_MAX, terms.channel.maxCount ?? COUNT_MAX);
  const numbered = await store.numbered(held.id, stored.delivered, most);
  const told = await decided(gateway, held, numbered);
  const isLast = numbered.length < most || numbered.at(-1)!.number >= held.events;
  if (!isLast || told.events.some(({ outcome }) => outcome.kind !== 'withheld')) return told;
  held.withheldUpTo = held.events;
  return undefined;
}

export interface Decided {
  readonly events: readonly ToldEvent[];
  readonly account: Pick<DecidedNotices, 'shown' | 'basis'>;
}

/** What may be told of these now. */
export async function decided(
  gateway: Gateway,
  held: Pick<Held, 'owner' | 'terms'>,
  numbered: readonly NumberedNotice[],
): Promise<Decided> {
  const notices = numbered.map(({ notice }) => notice);
  const wantsBodies = held.terms.channel.content === 'full-resource';
  const { outcomes, ...account } = await decideWanted(
    gateway,
    held.owner,
    held.terms.filter,
    notices,
    wantsBodies,
  );
  return { events: numbered.map((it, at) => ({ ...it, outcome: outcomes[at]! })), account };
}

/** True where the endpoint took it. */
async function send(
  options: HookDeliveryOptions,
  held: Held,
  type: NotificationType,
  { events, account }: Decided,
): Promise<boolean> {
  const { gateway, store, hooks, key, holder, base } = options;
  const { id, stored, terms } = held;
  const { channel, topic } = terms;
  const body = notificationText({
    type,
    subscription: { ...stored, status: stored.status, events: held.events, topic },
    base: base(),
    content: channel.content,
    events,
  });
  const upTo = events.at(-1)?.number ?? stored.delivered;
  if (account.shown.versions !== '') {
    const to = { caller: held.owner, correlation: `${id}-${upTo}`, base: base(), subscription: id };
    // Tried again from the store: what no account can be kept of is not told.
    if (!(await recordNotification(gateway, to, account))) throw new Error('No account can be kept of what is told.'); // prettier-ignore
  }
  const at = Date.now();
  const outcome = await hooks.send({
    owner: held.ownerKey,
    endpoint: channel.endpoint!,
    body,
    contentType: 'application/fhir+json',
    headers: Object.fromEntries(openHeaders(key, id, stored.secrets).map(nameAndValue)),
    signing: () => ({
      secret: signingSecret(key, id, stored.secretGeneration),
      messageId: `${id}-${type}-${upTo}`,
      timestamp: Math.floor(Date.now() / 1_000),
    }),
  });
  if (outcome.kind === 'taken') {
    gateway.told['rest-hook'] += events.length;
    held.isGone ||= !(await store.delivered(holder, id, upTo, at));
    held.stored = { ...held.stored, delivered: upTo, failures: 0, failingSince: 0, tryAt: 0, reason: '', sentAt: at }; // prettier-ignore
    return true;
  }
  await failed(options, held, outcome);
  return false;
}

async function failed(
  { store, holder }: HookDeliveryOptions,
  held: Held,
  { reason, retryAfterMs = 0, gone }: HookOutcome & { readonly kind: 'failed' },
): Promise<void> {
  const now = Date.now();
  const failures = held.stored.failures + 1;
  const failingSince = held.stored.failures === 0 ? now : held.stored.failingSince;
  const next = gone === true ? undefined : nextTry(failures, failingSince, now);
  if (next === undefined) {
    const status = gone === true ? 'off' : 'error';
    await store.setStatus(held.id, status, reason);
    held.stored = { ...held.stored, status, reason };
    return;
  }
  const tryAt = Math.max(next, now + retryAfterMs);
  held.isGone ||= !(await store.failed(holder, held.id, now, tryAt, reason));
  held.stored = { ...held.stored, failures, failingSince, tryAt, reason };
}

function nameAndValue(line: string): [string, string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon), line.slice(colon + 1).trim()];
}
