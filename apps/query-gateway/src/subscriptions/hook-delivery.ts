/**
 * Sends one rest-hook what it has not taken yet: in the order of the numbers, one notification after the other, again until it is
 * taken or given up. Everything is decided, and accounted for, when its turn to be sent has come.
 */
import {
  nextTry,
  openHeaders,
  signingSecret,
  type HookOutcome,
  type HookSender,
  type SubscriptionStatus,
  type SubscriptionStore,
} from '@carelog/subscriptions';
import type { Gateway } from '../gateway.ts';
import { recordNotification } from './decide-notices.ts';
import { dueEvents, type Decided } from './due-events.ts';
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

const NOTHING: Decided = { events: [], account: { shown: { versions: '', patients: [] }, basis: '' } };
const AGAIN_MS = 1_000;

/** Milliseconds from now on after which there is something to do; undefined where that is when something comes. */
export async function deliver(options: HookDeliveryOptions, held: Held): Promise<number | undefined> {
  for (;;) {
    const due = dueOf(held);
    if (typeof due !== 'string') return due;
    const isSettled = await send(options, held);
    if (!isSettled) return AGAIN_MS;
  }
}

/** What is to be sent now; or in how many milliseconds something is; or undefined where nothing is. */
function dueOf({ stored, terms, events, withheldUpTo, isOver }: Held): NotificationType | number | undefined {
  const now = Date.now();
  const isSent = stored.status === 'requested' || stored.status === 'active';
  if (isOver || !isSent || terms.channel.type !== 'rest-hook') return undefined;
  if (stored.tryAt > now) return stored.tryAt - now;
  if (stored.status === 'requested') return 'handshake';
  if (events > Math.max(stored.delivered, withheldUpTo)) return 'event-notification';
  const { heartbeatSeconds } = terms.channel;
  if (heartbeatSeconds === undefined) return undefined;
  const left = stored.sentAt + heartbeatSeconds * 1_000 - now;
  return left > 0 ? left : 'heartbeat';
}

/** What goes out at its turn. */
interface Sending {
  readonly type: NotificationType;
  readonly events: readonly ToldEvent[];
  readonly body: string;
  /** The last number that the endpoint has with it. */
  readonly upTo: number;
  readonly messageId: string;
  /** Milliseconds UTC. */
  readonly at: number;
}

/** False where nothing became of it, for no reason of the subscription or its endpoint. */
async function send(options: HookDeliveryOptions, held: Held): Promise<boolean> {
  const { gateway, store, hooks, key, holder } = options;
  const { id, stored, terms } = held;
  const { version } = stored;
  let hasTurn = false;
  let sending: Sending | undefined;
  const outcome = await hooks.send({
    owner: held.ownerKey,
    endpoint: terms.channel.endpoint!,
    body: async () => {
      hasTurn = true;
      sending = await sendingNow(options, held, version);
      return sending?.body;
    },
    contentType: 'application/fhir+json',
    headers: Object.fromEntries(openHeaders(key, id, stored.secrets).map(nameAndValue)),
    signing: () => ({
      secret: signingSecret(key, id, held.stored.secretGeneration),
      messageId: sending!.messageId,
      timestamp: Math.floor(Date.now() / 1_000),
    }),
  });
  switch (outcome.kind) {
    case 'unsent':
      return hasTurn && sending === undefined;
    case 'failed':
      await failed(options, held, version, outcome);
      return true;
    case 'taken': {
      const { type, events, upTo, at } = sending!;
      gateway.told['rest-hook'] += events.length;
      if (!(await store.delivered(holder, id, upTo, at))) held.isGone = true;
      held.stored = { ...held.stored, delivered: upTo, failures: 0, failingSince: 0, tryAt: 0, reason: '', sentAt: at }; // prettier-ignore
      if (type === 'handshake') await setStatus(options, held, version, 'active', '');
      return true;
    }
  }
}

/** Undefined where nothing of this version of the subscription is to be sent any more: how it stands is looked up once more. */
async function sendingNow(
  options: HookDeliveryOptions,
  held: Held,
  version: number,
): Promise<Sending | undefined> {
  const { gateway, store, base } = options;
  const { id } = held;
  const stored = await store.read(id);
  if (stored === undefined) {
    held.isGone = true;
    return undefined;
  }
  held.refresh(stored);
  const type = stored.version === version ? dueOf(held) : undefined;
  if (typeof type !== 'string') return undefined;
  const told = type === 'event-notification' ? await eventsDue(options, held) : NOTHING;
  if (told === undefined || held.isOver) return undefined;
  const { events, account } = told;
  const { delivered, sentAt } = held.stored;
  const upTo = events.at(-1)?.number ?? delivered;
  if (account.shown.versions !== '') {
    const to = { caller: held.owner, correlation: `${id}-${upTo}`, base: base(), subscription: id };
    // Tried again from the store: what no account can be kept of is not told.
    if (!(await recordNotification(gateway, to, account))) throw new Error('No account can be kept of what is told.'); // prettier-ignore
  }
  // The same for each try of the same, and for nothing else.
  const which = type === 'handshake' ? version : type === 'heartbeat' ? sentAt : upTo;
  const { channel, topic } = held.terms;
  const subscription = { ...held.stored, events: held.events, topic };
  const body = notificationText({ type, subscription, base: base(), content: channel.content, events });
  return { type, events, body, upTo, messageId: `${id}-${type}-${which}`, at: Date.now() };
}

async function eventsDue({ gateway, store }: HookDeliveryOptions, held: Held): Promise<Decided | undefined> {
  const { id, owner, terms, stored, events } = held;
  const due = await dueEvents(gateway, store, { id, owner, terms, told: stored.delivered, events });
  if (due === undefined) held.withheldUpTo = events;
  return due;
}

async function failed(
  options: HookDeliveryOptions,
  held: Held,
  version: number,
  { reason, retryAfterMs = 0, gone }: HookOutcome & { readonly kind: 'failed' },
): Promise<void> {
  const { store, holder } = options;
  const now = Date.now();
  const failures = held.stored.failures + 1;
  const failingSince = held.stored.failures === 0 ? now : held.stored.failingSince;
  const next = gone === true ? undefined : nextTry(failures, failingSince, now);
  if (next === undefined) return setStatus(options, held, version, gone === true ? 'off' : 'error', reason);
  const tryAt = Math.max(next, now + retryAfterMs);
  if (!(await store.failed(holder, held.id, version, now, tryAt, reason))) return lookAgain(options, held, version); // prettier-ignore
  held.stored = { ...held.stored, failures, failingSince, tryAt, reason };
}

async function setStatus(
  options: HookDeliveryOptions,
  held: Held,
  version: number,
  status: SubscriptionStatus,
  reason: string,
): Promise<void> {
  const { store, holder } = options;
  if (!(await store.setStatus(holder, held.id, version, status, reason))) return lookAgain(options, held, version); // prettier-ignore
  held.stored = { ...held.stored, status, reason };
}

/** What became of it is not kept: its owner changed it meanwhile, or somebody else looks after it. */
async function lookAgain({ store }: HookDeliveryOptions, held: Held, version: number): Promise<void> {
  const stored = await store.read(held.id);
  if (stored === undefined || stored.version === version) held.isGone = true;
  else held.refresh(stored);
}

function nameAndValue(line: string): [string, string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon), line.slice(colon + 1).trim()];
}
