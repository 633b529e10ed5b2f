import { describe, expect, it } from 'vitest';
import { topics } from './event-filter.ts';
import { parseSubscription, termsOf } from './parse-subscription.ts';

const NOW = Date.parse('2026-06-01T12:00:00Z');
const UNTIL = Date.parse('2026-06-02T00:00:00Z');
const BACKPORT = 'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-';
const TOPIC = 'https://fhir.carelog.example/SubscriptionTopic/encounter';
const ID = '5f0c7a52-6a1e-4c5b-8f43-0d8a7f3b9f10';

const filtered = (...filters: readonly string[]) => ({ extension: filters.map((valueString) => ({ url: `${BACKPORT}filter-criteria`, valueString })) }); // prettier-ignore
const content = (valueCode: string) => ({ extension: [{ url: `${BACKPORT}payload-content`, valueCode }] });
const channel = (more: object = {}) => ({
  type: 'rest-hook',
  endpoint: 'https://hospital.example/hook',
  payload: 'application/fhir+json',
  _payload: content('id-only'),
  ...more,
});
const subscription = (more: object = {}) => ({
  resourceType: 'Subscription',
  status: 'requested',
  reason: 'To know who comes',
  criteria: TOPIC,
  channel: channel(),
  ...more,
});
const limits = (extensions: Record<string, object>) => ({ extension: Object.entries(extensions).map(([name, value]) => ({ url: `${BACKPORT}${name}`, ...value })) }); // prettier-ignore
const socket = (more: object = {}) => {
  const { endpoint: _, ...rest } = channel();
  return { ...rest, type: 'websocket', ...more };
};
const parse = (resource: unknown, id?: string) =>
  parseSubscription(typeof resource === 'string' ? resource : JSON.stringify(resource), { now: NOW, until: UNTIL, topics, id }); // prettier-ignore

describe('a subscription that is taken', () => {
  it('says what it listens to and how it is told', () => {
    const asked = subscription({
      _criteria: filtered('Encounter?patient=Patient/a,b&event=encounter.started', '?setting=acute'),
      channel: channel({
        header: ['Authorization: Bearer s3cret'],
        ...limits({
          'heartbeat-period': { valueUnsignedInt: 60 },
          timeout: { valueUnsignedInt: 5 },
          'max-count': { valuePositiveInt: 20 },
        }),
      }),
      end: '2026-06-01T13:00:00Z',
    });
    const parsed = parse(asked);
    expect(parsed).toMatchObject({ kind: 'parsed', status: 'requested', headers: ['Authorization: Bearer s3cret'] }); // prettier-ignore
    if (parsed.kind !== 'parsed') return;
    expect(parsed.terms).toEqual({
      topic: TOPIC,
      filter: {
        topics: [topics.get('encounter')],
        resources: ['Encounter'],
        patients: ['a', 'b'],
        events: ['encounter.started'],
        careSettings: ['acute'],
      },
      channel: {
        type: 'rest-hook',
        endpoint: 'https://hospital.example/hook',
        content: 'id-only',
        heartbeatSeconds: 60,
        timeoutSeconds: 5,
        maxCount: 20,
      },
      end: Date.parse('2026-06-01T13:00:00Z'),
    });
    expect(parsed.kept).not.toContain('s3cret');
    expect(termsOf(parsed.kept, topics)).toEqual(parsed.terms);
  });

  it.each<[string, object]>([
    ['a websocket', { channel: socket() }],
    ['kept still', { status: 'off' }],
    ['of one record', { criteria: `${TOPIC.replace('encounter', 'patient-record')}`, _criteria: filtered('?patient=a') }], // prettier-ignore
    ['of a worklist', { criteria: TOPIC.replace('encounter', 'worklist-appointments-missed') }],
    ['by a national event', { _criteria: filtered('?event=professional-contacts-1') }],
    ['with a filter without a question mark', { _criteria: filtered('patient=a') }],
    ['of 100 people', { _criteria: filtered(`?patient=${Array.from({ length: 100 }, (_, at) => `p${at}`).join()}`) }], // prettier-ignore
    ['to the last moment', { end: new Date(UNTIL).toISOString() }],
    [
      'with ten headers',
      { channel: channel({ header: Array.from({ length: 10 }, (_, at) => `x-${at}: 1`) }) },
    ],
    [
      'to http, which operators may allow',
      { channel: channel({ endpoint: 'http://hook.internal:8080/a?b=c' }) },
    ],
    [
      'to a URL as long as may be',
      { channel: channel({ endpoint: `https://h.example/${'x'.repeat(2_030)}` }) },
    ],
    ['with what is not known here', { channel: channel({ extension: [{ url: 'https://other.example/x', valueCode: 'y' }] }) }], // prettier-ignore
  ])('%s', (_, more) => {
    expect(parse(subscription(more))).toMatchObject({ kind: 'parsed' });
  });

  it('has its own id where it is there already', () => {
    expect(parse(subscription({ id: ID }), ID)).toMatchObject({ kind: 'parsed' });
    expect(parse(subscription({ id: 'chosen' }))).toMatchObject({ kind: 'parsed' });
  });
});

describe('a subscription that is refused', () => {
  it.each<[string, string, object]>([
    ['active from the start', 'Subscription.status', { status: 'active' }],
    ['of no topic', 'Subscription.criteria', { criteria: 'https://elsewhere.example/SubscriptionTopic/x' }],
    ['of a search, as R4 has it', 'Subscription.criteria', { criteria: 'Encounter?status=planned' }],
    ['by the name of a topic alone', 'Subscription.criteria', { criteria: 'encounter' }],
    ['of a version of a topic', 'Subscription.criteria', { criteria: `${TOPIC}|1` }],
    ['of one record, and not whose', 'Subscription.criteria', { criteria: TOPIC.replace('encounter', 'patient-record') }], // prettier-ignore
    ['by another filter', 'Subscription.criteria.extension[0].value', { _criteria: filtered('Encounter?status=planned') }], // prettier-ignore
    ['by a filter with a modifier', 'Subscription.criteria.extension[0].value', { _criteria: filtered('?patient:identifier=a') }], // prettier-ignore
    ['by an empty filter', 'Subscription.criteria.extension[0].value', { _criteria: filtered('?patient=') }],
    ['by a filter of no known type', 'Subscription.criteria.extension[0].value', { _criteria: filtered('Visit?patient=a') }], // prettier-ignore
    ['by an NHS number', 'Subscription.criteria.extension[0].value', { _criteria: filtered('?patient=9434765919') }], // prettier-ignore
    ['by what is no id', 'Subscription.criteria.extension[0].value', { _criteria: filtered('?patient=Person/a') }], // prettier-ignore
    ['by an event that there is not', 'Subscription.criteria.extension[0].value', { _criteria: filtered('?event=encounter.vanished') }], // prettier-ignore
    ['by a setting that there is not', 'Subscription.criteria.extension[0].value', { _criteria: filtered('?setting=dentistry') }], // prettier-ignore
    ['by one parameter twice', 'Subscription.criteria.extension[1].value', { _criteria: filtered('?patient=a', '?patient=b') }], // prettier-ignore
    ['by two types', 'Subscription.criteria.extension[1].value', { _criteria: filtered('Encounter?patient=a', 'Flag?event=encounter.started') }], // prettier-ignore
    ['of 101 people', 'Subscription.criteria.extension[0].value', { _criteria: filtered(`?patient=${Array.from({ length: 101 }, (_, at) => `p${at}`).join()}`) }], // prettier-ignore
    ['by eleven filters', 'Subscription.criteria.extension[10].value', { _criteria: filtered(...Array.from({ length: 11 }, () => '?')) }], // prettier-ignore
    ['by e-mail', 'Subscription.channel.type', { channel: channel({ type: 'email' }) }],
    ['by a channel of its own', 'Subscription.channel.type', { channel: channel({ _type: { extension: [{ url: `${BACKPORT}channel-type`, valueCoding: { code: 'zulip' } }] } }) }], // prettier-ignore
    ['without an endpoint', 'Subscription.channel.endpoint', { channel: channel({ endpoint: undefined }) }],
    ['to a path', 'Subscription.channel.endpoint', { channel: channel({ endpoint: '/hook' }) }],
    ['to a file', 'Subscription.channel.endpoint', { channel: channel({ endpoint: 'file:///etc/passwd' }) }],
    ['to a URL with a user', 'Subscription.channel.endpoint', { channel: channel({ endpoint: 'https://user:word@hospital.example/' }) }], // prettier-ignore
    ['to a URL with a fragment', 'Subscription.channel.endpoint', { channel: channel({ endpoint: 'https://hospital.example/#a' }) }], // prettier-ignore
    ['to a URL too long', 'Subscription.channel.endpoint', { channel: channel({ endpoint: `https://h.example/${'x'.repeat(2_031)}` }) }], // prettier-ignore
    ['a websocket with an endpoint', 'Subscription.channel.endpoint', { channel: socket({ endpoint: 'https://hospital.example/' }) }], // prettier-ignore
    ['a websocket with headers', 'Subscription.channel.header', { channel: socket({ header: ['a: b'] }) }],
    ['as XML', 'Subscription.channel.payload', { channel: channel({ payload: 'application/fhir+xml' }) }],
    ['with no payload', 'Subscription.channel.payload', { channel: channel({ payload: undefined }) }],
    ['without saying how much', 'Subscription.channel.payload.extension', { channel: channel({ _payload: undefined }) }], // prettier-ignore
    ['with too much', 'Subscription.channel.payload.extension', { channel: channel({ _payload: content('everything') }) }], // prettier-ignore
    ['with hearts that beat too fast', 'Subscription.channel.extension', { channel: channel(limits({ 'heartbeat-period': { valueUnsignedInt: 9 } })) }], // prettier-ignore
    ['with no time at all', 'Subscription.channel.extension', { channel: channel(limits({ timeout: { valueUnsignedInt: 0 } })) }], // prettier-ignore
    ['with too many at a time', 'Subscription.channel.extension', { channel: channel(limits({ 'max-count': { valuePositiveInt: 1_001 } })) }], // prettier-ignore
    ['with eleven headers', 'Subscription.channel.header', { channel: channel({ header: Array.from({ length: 11 }, (_, at) => `x-${at}: 1`) }) }], // prettier-ignore
    ['with a header that is none', 'Subscription.channel.header[0]', { channel: channel({ header: ['no colon'] }) }], // prettier-ignore
    ['with a header without a value', 'Subscription.channel.header[0]', { channel: channel({ header: ['a: '] }) }], // prettier-ignore
    ['with a header of two lines', 'Subscription.channel.header[0]', { channel: channel({ header: ['a: b\r\nHost: c'] }) }], // prettier-ignore
    ['with a header that is not ASCII', 'Subscription.channel.header[0]', { channel: channel({ header: ['a: é'] }) }], // prettier-ignore
    ['with a header too long', 'Subscription.channel.header[0]', { channel: channel({ header: [`a: ${'b'.repeat(4_096)}`] }) }], // prettier-ignore
    [
      'with a header twice',
      'Subscription.channel.header[1]',
      { channel: channel({ header: ['a: b', 'A: c'] }) },
    ],
    ...[
      'Host: a',
      'Content-Type: a',
      'content-length: 1',
      'Transfer-Encoding: chunked',
      'Connection: close',
      'webhook-signature: a',
    ].map(
      // prettier-ignore
      (line): [string, string, object] => [`with ${line}`, 'Subscription.channel.header[0]', { channel: channel({ header: [line] }) }], // prettier-ignore
    ),
    ['that is over', 'Subscription.end', { end: '2026-06-01T12:00:00Z' }],
    ['that lasts too long', 'Subscription.end', { end: '2026-06-02T00:00:01Z' }],
    ['with an extension that changes its meaning', 'Subscription.modifierExtension', { modifierExtension: [{ url: 'https://other.example/not', valueBoolean: true }] }], // prettier-ignore
    ['with a channel that means something else', 'Subscription.channel.modifierExtension', { channel: channel({ modifierExtension: [{ url: 'https://other.example/not', valueBoolean: true }] }) }], // prettier-ignore
    ['without a reason', 'Subscription.reason', { reason: undefined }],
    ['with a novel in it', 'Subscription', { reason: 'x'.repeat(33_000) }],
  ])('%s', (_, expression, more) => {
    const parsed = parse(subscription(more));
    if (parsed.kind !== 'refused') throw new Error('It was taken.');
    expect([...new Set(parsed.problems.map((it) => it.expression))]).toEqual([expression]);
    for (const { message } of parsed.problems) expect(message).toMatch(/\.$/);
    expect(JSON.stringify(parsed.problems)).not.toContain('9434765919');
  });

  it('with another id than that of its URL', () => {
    const parsed = parse(subscription({ id: 'other' }), ID);
    expect(parsed).toMatchObject({ kind: 'refused', problems: [{ expression: 'Subscription.id' }] });
  });

  it('names all that is wrong at once', () => {
    const parsed = parse(subscription({ status: 'active', criteria: 'x', end: '2030-01-01T00:00:00Z', channel: { type: 'sms', payload: 'text/plain' } })); // prettier-ignore
    if (parsed.kind !== 'refused') throw new Error('It was taken.');
    const named = parsed.problems.map(({ expression = '' }) => expression.replace('Subscription.', ''));
    expect(named.toSorted()).toEqual(['channel.endpoint', 'channel.payload', 'channel.payload.extension', 'channel.type', 'criteria', 'end', 'status']); // prettier-ignore
  });

  it.each([
    ['', '{"resourceType":', '[]', 'null', '"Subscription"', '7', '{"resourceType":"Patient"}'],
    [JSON.stringify({ resourceType: 'Subscription', channel: [], criteria: 7, _criteria: { extension: [null, 7] } }), '{"resourceType":"Subscription","channel":{"header":[7,null],"extension":{},"_payload":[]}}'], // prettier-ignore
  ])('in whatever shape', (...bodies) => {
    for (const body of bodies) expect(parse(body), body).toMatchObject({ kind: 'refused' });
  });
});
