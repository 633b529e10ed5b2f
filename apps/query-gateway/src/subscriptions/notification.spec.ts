import { validateResource } from '@carelog/fhir';
import type { Notice } from '@carelog/subscriptions';
import { describe, expect, it } from 'vitest';
import type { NoticeOutcome } from './decide-notices.ts';
import { notificationText, STATUS_PROFILE, type Notification } from './notification.ts';

const BASE = 'https://carelog.example/fhir/R4';
const notice = (more: Partial<Notice>): Notice => ({
  position: 7,
  eventId: 'e',
  activity: 'encounter.ended',
  nationalEvent: 'professional-contacts-1',
  stream: 'Encounter/visit',
  version: 2,
  action: 'amend',
  occurredAt: '2026-06-01T11:00:00Z',
  recordedAt: '2026-06-01T12:00:00.000Z',
  organisation: 'RZZ',
  careSettings: ['acute'],
  patients: ['ada'],
  ...more,
});
// As it was written: of other numbers a body that was parsed would not be the same.
const BODY =
  '{"resourceType":"Encounter","id":"visit","status":"finished","class":{"code":"AMB"},"length":{"value":1.50}}';
const seen: readonly { readonly notice: Notice; readonly outcome: NoticeOutcome }[] = [
  { notice: notice({}), outcome: { kind: 'shown', body: BODY, hidesPlaces: false } },
  { notice: notice({ stream: 'Patient/ada', version: 1, action: 'new', activity: 'patient.registered' }), outcome: { kind: 'shown', body: '{"resourceType":"Patient","id":"ada"}', hidesPlaces: false } }, // prettier-ignore
  { notice: notice({ version: 3, action: 'retract' }), outcome: { kind: 'ended', hidesPlaces: false } },
  { notice: notice({ stream: 'Observation/hidden', activity: 'observation.hidden' }), outcome: { kind: 'withheld' } }, // prettier-ignore
];
const made = (more: Partial<Notification> = {}): Notification => ({
  type: 'event-notification',
  subscription: { id: 's', status: 'active', reason: '', events: 9, topic: 'https://fhir.carelog.example/SubscriptionTopic/encounter' }, // prettier-ignore
  base: BASE,
  content: 'full-resource',
  events: seen.map((it, at) => ({ number: at + 6, ...it })),
  ...more,
});

// Tests look into Bundles of every shape.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
const bundleOf = (notification: Notification): any => JSON.parse(notificationText(notification));
const partsOf = (notification: Notification) =>
  bundleOf(notification)
    .entry[0].resource.parameter.filter(({ name }: { name: string }) => name === 'notification-event')
    .map(({ part }: { part: { name: string }[] }) => part.map(({ name }) => name));
const without = (kind: NoticeOutcome['kind']) => made().events.map((it) => (it.outcome.kind === kind ? { ...it, outcome: { kind: 'withheld' } as const } : it)); // prettier-ignore

describe('a notification', () => {
  it.each<[string, Partial<Notification>]>([
    ['with resources', {}],
    ['with references', { content: 'id-only' }],
    ['with nothing', { content: 'empty' }],
    ['that greets', { type: 'handshake', events: [], subscription: { ...made().subscription, status: 'requested', events: 0 } }], // prettier-ignore
    ['that says it is there', { type: 'heartbeat', events: [] }],
    ['of trouble', { type: 'query-status', events: [], subscription: { ...made().subscription, status: 'error', reason: 'The endpoint answers 500.' } }], // prettier-ignore
    ['that goes on', { type: 'query-event', next: `${BASE}/Subscription/s/$events?eventsSinceNumber=10` }],
    ['of what is withheld', { events: without('shown') }],
  ])('%s is a valid history Bundle that begins with how the subscription stands', (_, more) => {
    const bundle = bundleOf(made(more));
    expect(validateResource(bundle)).toEqual([]);
    const [first] = bundle.entry;
    expect(validateResource(first.resource)).toEqual([]);
    expect([bundle.type, first.resource.meta.profile]).toEqual(['history', [STATUS_PROFILE]]);
    const named = new Map<string, { valueCode?: string; valueString?: string; valueReference?: { reference: string } }>(first.resource.parameter.map((it: { name: string }) => [it.name, it])); // prettier-ignore
    expect(named.get('type')?.valueCode).toBe(more.type ?? 'event-notification');
    expect(named.get('status')?.valueCode).toBe(more.subscription?.status ?? 'active');
    expect(named.get('events-since-subscription-start')?.valueString).toBe(String(more.subscription?.events ?? 9)); // prettier-ignore
    expect(named.get('subscription')?.valueReference?.reference).toBe(`${BASE}/Subscription/s`);
    expect(named.has('error')).toBe(more.subscription?.status === 'error');
  });

  it('shows versions as the requests that made them, bodies as they are, and an end without one', () => {
    const text = notificationText(made());
    expect(text).toContain(BODY);
    const [, visit, patient, end, ...more] = bundleOf(made()).entry;
    expect(more).toEqual([]);
    expect(visit).toMatchObject({ fullUrl: `${BASE}/Encounter/visit`, request: { method: 'PUT', url: 'Encounter/visit' }, response: { status: '200', etag: 'W/"2"', lastModified: '2026-06-01T12:00:00.000Z' } }); // prettier-ignore
    expect(patient).toMatchObject({ resource: { id: 'ada' }, request: { method: 'POST', url: 'Patient' }, response: { status: '201' } }); // prettier-ignore
    expect(end).toMatchObject({ fullUrl: `${BASE}/Encounter/visit`, request: { method: 'DELETE', url: 'Encounter/visit' }, response: { status: '204' } }); // prettier-ignore
    expect(end.resource).toBeUndefined();
  });

  it('says what happened, and to whom, in words that the profile leaves open', () => {
    const [event] = bundleOf(made()).entry[0].resource.parameter.filter(({ name }: { name: string }) => name === 'notification-event'); // prettier-ignore
    expect(event.extension[0].valueCodeableConcept.coding.map(({ code }: { code: string }) => code)).toEqual(['encounter.ended', 'professional-contacts-1']); // prettier-ignore
    expect(event.part).toContainEqual({ name: 'additional-context', valueReference: { reference: `${BASE}/Patient/ada` } }); // prettier-ignore
  });

  it('tells of what is withheld no more than that it was, and when', () => {
    const text = notificationText(made());
    expect([text.includes('hidden'), partsOf(made()).at(-1)]).toEqual([false, ['event-number', 'timestamp']]);
    const all = { events: made().events.map((it) => ({ ...it, outcome: { kind: 'withheld' } as const })) };
    for (const word of ['visit', 'ada', 'professional', 'encounter.ended', 'RZZ'])
      expect([word, notificationText(made(all)).includes(word)]).toEqual([word, false]);
  });

  it('has as much in it as was asked for', () => {
    expect(bundleOf(made({ content: 'id-only' })).entry).toHaveLength(1);
    expect(partsOf(made({ content: 'id-only' }))[0]).toContain('focus');
    const empty = notificationText(made({ content: 'empty' }));
    expect(partsOf(made({ content: 'empty' }))[0]).toEqual(['event-number', 'timestamp']);
    for (const word of ['visit', 'ada', 'professional', 'encounter'])
      expect([word, empty.includes(word)]).toEqual([word, false]);
  });
});
