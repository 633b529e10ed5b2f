/**
 * Notifications of a subscription as text: a history Bundle whose first entry says how the subscription stands, as R4 has it.
 * https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/StructureDefinition-backport-subscription-notification-r4.html
 */
import { randomUUID } from 'node:crypto';
import { resourceTypeOf, type NumberedNotice, type StoredSubscription } from '@carelog/subscriptions';
import type { NoticeOutcome } from './decide-notices.ts';
import type { Content } from './parse-channel.ts';

/** https://hl7.org/fhir/R5/valueset-subscription-notification-type.html */
export type NotificationType =
  'handshake' | 'heartbeat' | 'event-notification' | 'query-status' | 'query-event';

/** Of whom a notification is, as far as it says so. */
export type Told = Pick<StoredSubscription, 'id' | 'status' | 'reason' | 'events'> & {
  /** Canonical URL. */
  readonly topic: string;
};

export interface ToldEvent extends NumberedNotice {
  /** What may be shown of it now. */
  readonly outcome: NoticeOutcome;
}

export interface Notification {
  readonly type: NotificationType;
  readonly subscription: Told;
  /** URL of the FHIR API, without a slash at its end. */
  readonly base: string;
  /** How much of each event is told; bodies stand in its outcome. */
  readonly content: Content;
  readonly events: readonly ToldEvent[];
  /** Where more events are read, where there are more. */
  readonly next?: string;
}

export const STATUS_PROFILE =
  'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription-status-r4';
const EVENT_TYPE = 'https://fhir.carelog.example/StructureDefinition/notification-event-type';
export const ACTIVITY_SYSTEM = 'https://fhir.carelog.example/CodeSystem/activity';
export const NATIONAL_EVENT_SYSTEM = 'https://fhir.carelog.example/CodeSystem/national-event';

/** JSON text. Bodies are passed on as they are, and never parsed. */
export function notificationText(notification: Notification): string {
  const { subscription, base, content, events, next } = notification;
  const status = JSON.stringify({
    ...statusEntry(notification),
    request: { method: 'GET', url: `Subscription/${subscription.id}/$status` },
    response: { status: '200' },
  });
  const entries = content === 'full-resource' ? events.flatMap((event) => entryOf(event, base)) : [];
  const link = next === undefined ? '' : `"link":${JSON.stringify([{ relation: 'next', url: next }])},`;
  const head = `"resourceType":"Bundle","id":"${randomUUID()}","type":"history","timestamp":"${new Date().toISOString()}"`;
  return `{${head},${link}"entry":[${[status, ...entries].join(',')}]}`;
}

/** How a subscription stands, as an entry of a Bundle. */
export function statusEntry({
  type,
  subscription,
  base,
  content,
  events,
}: Omit<Notification, 'next'>): object {
  const { id, status, reason, topic } = subscription;
  const entryId = randomUUID();
  const parameter = [
    { name: 'subscription', valueReference: { reference: `${base}/Subscription/${id}` } },
    ...(content === 'empty' ? [] : [{ name: 'topic', valueCanonical: topic }]),
    { name: 'status', valueCode: status },
    { name: 'type', valueCode: type },
    { name: 'events-since-subscription-start', valueString: String(subscription.events) },
    ...events.map((event) => eventParameter(event, base, content)),
    ...(status === 'error' ? [{ name: 'error', valueCodeableConcept: { text: reason } }] : []),
  ];
  const resource = {
    resourceType: 'Parameters',
    id: entryId,
    meta: { profile: [STATUS_PROFILE] },
    parameter,
  };
  return { fullUrl: `urn:uuid:${entryId}`, resource };
}

/** Of what is withheld, that it was and when; nothing that tells what or whose. */
function eventParameter({ number, notice, outcome }: ToldEvent, base: string, content: Content) {
  const named = [
    { name: 'event-number', valueString: String(number) },
    { name: 'timestamp', valueInstant: notice.recordedAt },
  ];
  if (content === 'empty' || outcome.kind === 'withheld') return { name: 'notification-event', part: named };
  const patients = outcome.kind === 'shown' && resourceTypeOf(notice) !== 'Patient' ? notice.patients : [];
  return {
    // What is additional context is a reference in the profile, and a kind of event is none.
    extension: [{ url: EVENT_TYPE, valueCodeableConcept: { coding: codingsOf(notice) } }],
    name: 'notification-event',
    part: [
      ...named,
      { name: 'focus', valueReference: { reference: `${base}/${notice.stream}` } },
      ...patients.map((patient) => ({
        name: 'additional-context',
        valueReference: { reference: `${base}/Patient/${patient}` },
      })),
    ],
  };
}

const codingsOf = ({ activity, nationalEvent }: NumberedNotice['notice']) => [
  { system: ACTIVITY_SYSTEM, code: activity },
  ...(nationalEvent === undefined ? [] : [{ system: NATIONAL_EVENT_SYSTEM, code: nationalEvent }]),
];

/** As https://hl7.org/fhir/R4/http.html#history has it: which request made the version, and the version. */
function entryOf({ notice, outcome }: ToldEvent, base: string): string[] {
  const { stream, version, recordedAt } = notice;
  const fullUrl = JSON.stringify(`${base}/${stream}`);
  const told = (status: string) =>
    JSON.stringify({ status, etag: `W/"${version}"`, lastModified: recordedAt });
  switch (outcome.kind) {
    case 'withheld':
      return [];
    case 'ended': {
      const request = JSON.stringify({ method: 'DELETE', url: stream });
      return [`{"fullUrl":${fullUrl},"request":${request},"response":${told('204')}}`];
    }
    case 'shown': {
      const isFirst = version === 1;
      const request = JSON.stringify(
        isFirst ? { method: 'POST', url: resourceTypeOf(notice) } : { method: 'PUT', url: stream },
      );
      const resource = outcome.body === undefined ? '' : `"resource":${outcome.body},`;
      return [
        `{"fullUrl":${fullUrl},${resource}"request":${request},"response":${told(isFirst ? '201' : '200')}}`,
      ];
    }
  }
}
