import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Caller } from '@carelog/access';
import type { RecordActivity, RecordEntry, RecordOutcome, RecordRequest } from '@carelog/activity';
import { newEventId, openSqliteEventStore, type EventStore } from '@carelog/event-store';
import { openKeyring, type Keyring } from '@carelog/keyring';
import type { Match } from './identify.ts';
import { createRecordActivity } from './record-activity.ts';

const NHS = 'https://fhir.nhs.uk/Id/nhs-number';
const publisher: Caller = {
  subject: 'engine',
  kind: 'system',
  organisation: 'Y90001',
  system: 'publisher',
  careSetting: 'any',
};

let folder: string;
let store: EventStore;
let keyring: Keyring;
let writer: RecordActivity;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'carelog-writer-'));
  store = openSqliteEventStore({ path: join(folder, 'log.sqlite') });
  keyring = openKeyring(join(folder, 'keyring'));
  writer = createRecordActivity({
    store,
    keyring,
    match: matchInLog,
    accessFacts: () => undefined,
    hasRoom: () => true,
  });
});
afterEach(async () => {
  await store.close();
  keyring.close();
  rmSync(folder, { recursive: true });
});

/** A plain reading of `identifier=system|value` over the log itself, always up to date. */
const matchInLog: Match = async (type, criteria) => {
  const [system, value] = new URLSearchParams(criteria).get('identifier')!.split('|');
  const current = new Map<string, Record<string, unknown> | undefined>();
  for (const event of await store.readAll({ limit: 10_000 })) {
    if (!event.stream.startsWith(`${type}/`)) continue;
    const opened = keyring.open(event);
    const resource =
      opened.kind === 'opened'
        ? (JSON.parse(Buffer.from(opened.bytes).toString()) as Record<string, unknown>)
        : undefined;
    current.set(event.stream, event.action === 'retract' ? undefined : resource);
  }
  const matches = [...current].filter(([, resource]) =>
    ((resource?.['identifier'] ?? []) as { system: string; value: string }[]).some(
      (it) => it.system === system && it.value === value,
    ),
  );
  return { kind: 'matched', ids: matches.map(([stream]) => stream.slice(type.length + 1)) };
};

const person = (number?: string, family = 'Grey') => ({
  resourceType: 'Patient',
  ...(number !== undefined && { identifier: [{ system: NHS, value: number }] }),
  name: [{ family }],
});
const observation = (subject: unknown, more: Record<string, unknown> = {}) => ({
  resourceType: 'Observation',
  status: 'final',
  code: { coding: [{ system: 'http://loinc.org', code: '8867-4' }] },
  subject,
  ...more,
});

type Resource = { resourceType: string; id?: string };
const post = (resource: Resource, more: Partial<RecordEntry> = {}): RecordEntry => ({
  method: 'POST', type: resource.resourceType, resource: JSON.stringify(resource), ...more,
}); // prettier-ignore
const put = (resource: Resource, more: Partial<RecordEntry> = {}): RecordEntry => ({
  method: 'PUT', type: resource.resourceType, id: resource.id!, resource: JSON.stringify(resource), ...more,
}); // prettier-ignore

async function record(
  entries: RecordEntry | readonly RecordEntry[],
  more: Partial<RecordRequest> = {},
): Promise<RecordOutcome> {
  const list = Array.isArray(entries) ? entries : [entries];
  const mode = list.length > 1 ? 'transaction' : 'single';
  const parsed = list.map((entry) =>
    mode === 'single'
      ? entry
      : { ...entry, resource: { value: JSON.parse(entry.resource as string) as Record<string, unknown> } },
  );
  const [outcome] = await writer.record({ caller: publisher, mode, entries: parsed, ...more });
  return outcome!;
}
async function recorded(entries: RecordEntry | readonly RecordEntry[], more: Partial<RecordRequest> = {}) {
  const outcome = await record(entries, more);
  if (outcome.kind === 'refused') throw new Error(JSON.stringify(outcome.problems));
  return outcome.entries;
}
const resources = async () =>
  (await store.readAll({ limit: 10_000 })).filter((event) => !event.stream.startsWith('alias/'));

describe('what the source says of its version', () => {
  it.each([
    [
      { versionId: '7', lastUpdated: '2026-01-01T00:00:00Z' },
      { version: '7', issuedAt: '2026-01-01T00:00:00Z' },
    ],
    [{ lastUpdated: '2026-01-01T00:00:00Z' }, { version: '', issuedAt: '2026-01-01T00:00:00Z' }],
    [{ versionId: '7' }, { version: '7' }],
    [{ source: 'urn:feed' }, undefined],
  ])('is kept of %j', async (meta, expected) => {
    await recorded(post({ ...person(), meta } as Resource));
    expect((await resources())[0]!.sourceVersion).toEqual(expected);
  });
});

describe('a person with an NHS number', () => {
  it('is one resource, however often the same is sent', async () => {
    const [first] = await recorded(post(person('9434765919')));
    const [again] = await recorded(post(person('9434765919')));
    expect(first!.kind).toBe('created');
    expect(again).toMatchObject({ kind: 'existing', id: first!.id, versionId: 1 });
    expect(await resources()).toHaveLength(1);
  });
  it('is not registered a second time with other content: the refusal names the first and what to do', async () => {
    const [first] = await recorded(post(person('9434765919')));
    const outcome = await record(post(person('9434765919', 'Green')));
    expect(outcome).toMatchObject({
      kind: 'refused',
      location: `Patient/${first!.id}`,
      problems: [{ category: 'conflict', message: expect.stringMatching(/PUT Patient\/.*If-None-Exist/) }],
    });
    expect(await record(put({ ...person('9434765919', 'Green'), id: 'another' }))).toMatchObject({
      kind: 'refused',
    });
  });
  it('may be changed under its own id, and registered anew once its resource has ended', async () => {
    const [first] = await recorded(post(person('9434765919')));
    const [changed] = await recorded(put({ ...person('9434765919', 'Green'), id: first!.id }));
    expect(changed).toMatchObject({ kind: 'updated', versionId: 2 });
    await recorded({ method: 'DELETE', type: 'Patient', id: first!.id });
    const [anew] = await recorded(post(person('9434765919', 'Blue')));
    expect(anew).toMatchObject({ kind: 'created', versionId: 1 });
    expect(anew!.id).not.toBe(first!.id);
  });
  it.each(['9434765918', '943 476 5919', '94347659190', '', 'NOT KNOWN'])(
    'is refused with the reason when the number is %j',
    async (value) => {
      const outcome = await record(
        post({ ...person(), identifier: [{ system: NHS, ...(value && { value }) }] } as Resource),
      );
      if (value === '') return expect(outcome.kind).toBe('recorded');
      expect(outcome).toMatchObject({
        problems: [
          {
            category: 'rejected',
            expression: 'Patient.identifier[0].value',
            message: expect.stringContaining('modulus 11'),
          },
        ],
      });
    },
  );
  it('is registered once by 40 concurrent tries, and nobody hears of a race', async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 40 }, () => recorded(post(person('9434765919')))),
    );
    const kinds = outcomes.map(([entry]) => entry!.kind);
    expect(kinds.filter((kind) => kind === 'created')).toHaveLength(1);
    expect(kinds.filter((kind) => kind === 'existing')).toHaveLength(39);
    expect(new Set(outcomes.map(([entry]) => entry!.id)).size).toBe(1);
  });
});

describe('a subject', () => {
  it('named by an NHS number that nobody registered registers that person, once for all who name it', async () => {
    const subject = { identifier: { system: NHS, value: '9434765919' } };
    await Promise.all(
      Array.from({ length: 20 }, (_, index) => recorded(post(observation(subject, { valueInteger: index })))),
    );
    const events = await resources();
    expect(events.filter((event) => event.type === 'patient.registered')).toHaveLength(1);
    expect(new Set(events.map((event) => event.partition)).size).toBe(1);
    expect(events.findIndex((event) => event.type === 'patient.registered')).toBe(0);
  });
  it('named by an NHS number is the person registered under it, and the resource stays as it was sent', async () => {
    const [registered] = await recorded(post(person('9434765919')));
    const subject = { identifier: { system: NHS, value: '9434765919' } };
    const [entry] = await recorded(post(observation(subject)));
    expect(JSON.parse(entry!.body!)).toMatchObject({ subject });
    const [one, two] = await resources();
    expect(one!.stream).toBe(`Patient/${registered!.id}`);
    expect(two!.partition).toBe(one!.partition);
  });
  it('that nobody registered is refused with the remedy', async () => {
    expect(await record(post(observation({ reference: 'Patient/nobody' })))).toMatchObject({
      problems: [
        {
          category: 'rejected',
          expression: 'Observation.subject',
          message: expect.stringContaining('Register the person first'),
        },
      ],
    });
  });
  it('that is not an NHS number is refused with the reason', async () => {
    expect(
      await record(post(observation({ identifier: { system: NHS, value: '9434765918' } }))),
    ).toMatchObject({
      problems: [{ category: 'rejected', expression: 'Observation.subject.identifier.value' }],
    });
  });
  it('in the same transaction is the person registered by it, in whatever order they are sent', async () => {
    const fullUrl = 'urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0';
    const entries = await recorded([
      post(observation({ reference: fullUrl })),
      post(person('9434765919'), { fullUrl }),
    ]);
    expect(JSON.parse(entries[0]!.body!)).toMatchObject({
      subject: { reference: `Patient/${entries[1]!.id}` },
    });
    const events = await resources();
    expect(events.map((event) => event.stream.split('/')[0])).toEqual(['Patient', 'Observation']);
    expect(new Set(events.map((event) => event.partition)).size).toBe(1);
    expect(new Set(events.map((event) => event.correlationId)).size).toBe(1);
  });
});

it('registers a person and records about them in one transaction, also when others do the same at the same moment', async () => {
  const fullUrl = 'urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0';
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      recorded([
        post(observation({ reference: fullUrl }, { valueInteger: index })),
        post(person('9434765919'), { fullUrl }),
      ]),
    ),
  );
  const ids = new Set(outcomes.map(([, registered]) => registered!.id));
  expect(ids.size).toBe(1);
  for (const [about] of outcomes)
    expect(JSON.parse(about!.body!)).toMatchObject({ subject: { reference: `Patient/${[...ids][0]}` } });
  expect(await resources()).toHaveLength(21);
});

describe('a resource with a business identifier', () => {
  const letter = { resourceType: 'Organization', identifier: [{ system: 'urn:x', value: '1' }], name: 'One' };
  it('sent again with equal content, spelt in another order, is the one that was recorded', async () => {
    const [first] = await recorded(post(letter));
    const [again] = await recorded(
      post({
        name: 'One',
        identifier: [{ value: '1', system: 'urn:x' }],
        resourceType: 'Organization',
      } as Resource),
    );
    expect(again).toMatchObject({ kind: 'existing', id: first!.id });
  });
  it('sent with other content is another resource: identifiers repeat in life', async () => {
    const [first] = await recorded(post(letter));
    const [second] = await recorded(post({ ...letter, name: 'Two' } as Resource));
    expect(second).toMatchObject({ kind: 'created' });
    expect(second!.id).not.toBe(first!.id);
  });
  it('is recorded once by concurrent tries, also within one transaction', async () => {
    const outcomes = await Promise.all(Array.from({ length: 30 }, () => recorded(post(letter))));
    expect(outcomes.flat().filter((entry) => entry.kind === 'created')).toHaveLength(1);
    const twice = await recorded([
      post({ ...letter, name: 'Three' } as Resource),
      post({ ...letter, name: 'Three' } as Resource),
    ]);
    expect(twice.map((entry) => entry.kind)).toEqual(['created', 'existing']);
    expect(twice[0]!.id).toBe(twice[1]!.id);
  });
  it('without one is new each time', async () => {
    const outcomes = await Promise.all([
      recorded(post({ resourceType: 'Organization', name: 'A' } as Resource)),
      recorded(post({ resourceType: 'Organization', name: 'A' } as Resource)),
    ]);
    expect(new Set(outcomes.map(([entry]) => entry!.id)).size).toBe(2);
  });
  it('is found again in a bundle that was sent before, whose entries refer to each other in a circle', async () => {
    const [a, b] = [
      'urn:uuid:11111111-1111-4111-8111-111111111111',
      'urn:uuid:22222222-2222-4222-8222-222222222222',
    ] as const;
    const circle = () => [
      post(
        {
          resourceType: 'Organization',
          identifier: [{ system: 'urn:x', value: 'a' }],
          partOf: { reference: b },
        } as Resource,
        { fullUrl: a },
      ),
      post(
        {
          resourceType: 'Organization',
          identifier: [{ system: 'urn:x', value: 'b' }],
          partOf: { reference: a },
        } as Resource,
        { fullUrl: b },
      ),
    ];
    const first = await recorded(circle());
    const again = await recorded(circle());
    expect(JSON.parse(first[0]!.body!)).toMatchObject({
      partOf: { reference: `Organization/${first[1]!.id}` },
    });
    expect(JSON.parse(first[1]!.body!)).toMatchObject({
      partOf: { reference: `Organization/${first[0]!.id}` },
    });
    expect(again.map((entry) => entry.kind)).toEqual(['existing', 'existing']);
    expect(again.map((entry) => entry.id)).toEqual(first.map((entry) => entry.id));
  });
});

it('that a gateway sends another way is recorded on the first way between two looks at the log, and is no conflict', async () => {
  const [made] = await recorded(post(person()));
  const entry = put({ ...person(undefined, 'Green'), id: made!.id }, { ifMatch: 1, eventId: newEventId() });
  let hasCrossed = false;
  const readEvent = async (id: string) => {
    const found = await store.readEvent(id);
    if (!hasCrossed) {
      hasCrossed = true;
      await recorded(entry, { delivery: 'first' });
    }
    return found;
  };
  const others = { get: (on: EventStore, name: keyof EventStore) => (name === 'readEvent' ? readEvent : typeof on[name] === 'function' ? on[name].bind(on) : on[name]) }; // prettier-ignore
  const other = createRecordActivity({
    store: new Proxy(store, others),
    keyring,
    match: matchInLog,
    accessFacts: () => undefined,
    hasRoom: () => true,
  });
  const [outcome] = await other.record({ caller: publisher, mode: 'single', entries: [entry], delivery: 'again' }); // prettier-ignore
  expect(outcome).toMatchObject({ kind: 'recorded', entries: [{ kind: 'updated', versionId: 2 }] });
  expect(await resources()).toHaveLength(2);
  expect(
    await record(
      {
        ...entry,
        resource: JSON.stringify({ ...person(undefined, 'Blue'), id: made!.id }),
        eventId: newEventId(),
      },
      { delivery: 'again' },
    ),
  ).toMatchObject({
    kind: 'refused',
    problems: [{ category: 'mismatch' }],
  });
});

describe('an Idempotency-Key', () => {
  it('makes the same request one activity, also for tries that cross', async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, () => recorded(post(person()), { idempotencyKey: 'k1' })),
    );
    expect(outcomes.flat().filter((entry) => entry.kind === 'created')).toHaveLength(1);
    expect(new Set(outcomes.map(([entry]) => entry!.id)).size).toBe(1);
  });
  it('used for other content is a conflict; another publisher has keys of its own', async () => {
    await recorded(post(person()), { idempotencyKey: 'k1' });
    expect(await record(post(person(undefined, 'Green')), { idempotencyKey: 'k1' })).toMatchObject({
      problems: [{ category: 'conflict', message: expect.stringContaining('new key') }],
    });
    const [other] = await recorded(post(person(undefined, 'Green')), {
      idempotencyKey: 'k1',
      caller: { ...publisher, organisation: 'RX1' },
    });
    expect(other!.kind).toBe('created');
  });
  it('covers every entry of a transaction', async () => {
    const entries = [
      post(person('9434765919')),
      post({ resourceType: 'Organization', name: 'A' } as Resource),
    ];
    const first = await recorded(entries, { idempotencyKey: 'k2' });
    const again = await recorded(entries, { idempotencyKey: 'k2' });
    expect(again.map((entry) => entry.kind)).toEqual(['existing', 'existing']);
    expect(again.map((entry) => entry.id)).toEqual(first.map((entry) => entry.id));
  });
});

describe('the name that a publisher gave', () => {
  const named = (resource: Resource, more: Partial<RecordEntry> = {}) =>
    post(resource, { publishedAs: '["urn:x","1"]', ...more });
  it('makes it one activity in any spelling, in any batch, also for tries that cross', async () => {
    const spellings = [JSON.stringify(person()), JSON.stringify(person(), null, 2), '{"name":[{"family":"Grey"}],"resourceType":"Patient"}']; // prettier-ignore
    const batches = Array.from({ length: 15 }, async (_, index) => {
      const other = post({ resourceType: 'Organization', name: `${index}` } as Resource);
      const own = named(person(), { resource: spellings[index % 3]! });
      const entries = index % 2 === 0 ? [own] : [other, own];
      // Of a gateway's own ids nobody can have seen any; of a publisher's somebody may.
      const outcomes = await writer.record({ caller: publisher, mode: 'batch', entries, delivery: 'first' });
      const outcome = outcomes.at(-1)!;
      if (outcome.kind === 'refused') throw new Error(JSON.stringify(outcome.problems));
      return outcome.entries[0]!;
    });
    const outcomes = await Promise.all(batches);
    expect(outcomes.filter(({ kind }) => kind === 'created')).toHaveLength(1);
    expect(new Set(outcomes.map(({ id }) => id)).size).toBe(1);
  });
  it('given to other content, or to the same under another id, is a conflict that speaks of events', async () => {
    const conflict = {
      problems: [{ category: 'conflict', message: expect.stringContaining('source and id') }],
    };
    await recorded(named(person()));
    expect(await record(named(person(undefined, 'Green')))).toMatchObject(conflict);
    await recorded(put({ ...person(), id: 'a' }, { publishedAs: '2' }));
    expect(await record(put({ ...person(), id: 'b' }, { publishedAs: '2' }))).toMatchObject(conflict);
    expect((await recorded(put({ ...person(), id: 'a' }, { publishedAs: '2' })))[0]!.kind).toBe('existing');
  });
  it('is the publisher’s own, and no Idempotency-Key', async () => {
    const [first] = await recorded(named(person()));
    const caller = { ...publisher, system: 'other' };
    const [other] = await recorded(named(person()), { caller });
    const key = '["urn:x","1"]';
    const [keyed] = await recorded(post(person()), { idempotencyKey: key });
    expect(new Set([first!.id, other!.id, keyed!.id]).size).toBe(3);
  });
});

describe('If-None-Exist', () => {
  const criteria = 'identifier=urn:x|1';
  const sent = (name: string) =>
    post({ resourceType: 'Organization', identifier: [{ system: 'urn:x', value: '1' }], name } as Resource, {
      ifNoneExist: criteria,
    });
  it('creates once, whatever the content of the tries that cross', async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, index) => recorded(sent(`Name ${index}`))),
    );
    expect(outcomes.flat().filter((entry) => entry.kind === 'created')).toHaveLength(1);
    expect(new Set(outcomes.map(([entry]) => entry!.id)).size).toBe(1);
  });
  it('finds what was created without it, refuses when several match, and creates again after the end', async () => {
    const [plain] = await recorded(
      post({
        resourceType: 'Organization',
        identifier: [{ system: 'urn:x', value: '1' }],
        name: 'A',
      } as Resource),
    );
    expect((await recorded(sent('B')))[0]).toMatchObject({ kind: 'existing', id: plain!.id });
    await recorded(
      post({
        resourceType: 'Organization',
        identifier: [{ system: 'urn:x', value: '1' }],
        name: 'C',
      } as Resource),
    );
    expect(await record(sent('D'))).toMatchObject({ problems: [{ category: 'mismatch' }] });
    for (const event of await resources())
      await recorded({
        method: 'DELETE',
        type: 'Organization',
        id: event.stream.slice('Organization/'.length),
      });
    expect((await recorded(sent('E')))[0]!.kind).toBe('created');
  });
});

describe('versions', () => {
  it('equal content makes no new version; other content makes the next one', async () => {
    const [first] = await recorded(put({ ...person(), id: 'p' }));
    const [same] = await recorded(put({ ...person(), id: 'p' }));
    const [other] = await recorded(put({ ...person(undefined, 'Green'), id: 'p' }));
    expect([first!.kind, same!.kind, other!.kind]).toEqual(['created', 'existing', 'updated']);
    expect([first!.versionId, same!.versionId, other!.versionId]).toEqual([1, 1, 2]);
  });
  it('concurrent updates without If-Match all land, one after another; with it one wins and the others get 412', async () => {
    await recorded(put({ ...person(), id: 'p' }));
    const blind = await Promise.all(
      Array.from({ length: 15 }, (_, index) => recorded(put({ ...person(undefined, `N${index}`), id: 'p' }))),
    );
    expect(blind.map(([entry]) => entry!.versionId).sort((x, y) => x - y)).toEqual(
      Array.from({ length: 15 }, (_, index) => index + 2),
    );
    const careful = await Promise.all(
      Array.from({ length: 15 }, (_, index) =>
        record(put({ ...person(undefined, `M${index}`), id: 'p' }, { ifMatch: 16 })),
      ),
    );
    expect(careful.filter((outcome) => outcome.kind === 'recorded')).toHaveLength(1);
    for (const outcome of careful)
      if (outcome.kind === 'refused') expect(outcome.problems).toMatchObject([{ category: 'mismatch' }]);
  });
  it('an end is a version; the id can begin again', async () => {
    await recorded(put({ ...person(), id: 'p' }));
    const [end] = await recorded({ method: 'DELETE', type: 'Patient', id: 'p' });
    const [twice] = await recorded({ method: 'DELETE', type: 'Patient', id: 'p' });
    const [anew] = await recorded(put({ ...person(), id: 'p' }));
    expect(end).toMatchObject({ kind: 'deleted', versionId: 2 });
    expect(twice).toMatchObject({ kind: 'deleted', versionId: 2 });
    expect(anew).toMatchObject({ kind: 'created', versionId: 3 });
  });
  it('keeps decimals as they were written', async () => {
    const resource = JSON.stringify(
      observation({ display: 'somebody' }, { valueQuantity: { value: 0 } }),
    ).replace('"value":0', '"value":1.500');
    const [entry] = await recorded({ method: 'POST', type: 'Observation', resource });
    expect(entry!.body).toContain('"value":1.500');
  });
});

describe('a transaction', () => {
  it('holds no Subscription, and neither does anything else that is recorded', async () => {
    const subscription = { resourceType: 'Subscription', id: 's', status: 'requested', reason: 'x', criteria: 'x', channel: { type: 'websocket' } }; // prettier-ignore
    const organisation = { resourceType: 'Organization', id: 'o', name: 'O' };
    const ended: RecordEntry = { method: 'DELETE', type: 'Subscription', id: 's' };
    for (const entry of [post(subscription), put(subscription), ended]) {
      const refused = await record(entry);
      const problem = { category: 'rejected', message: expect.stringContaining('POST [base]/Subscription') };
      expect(refused).toMatchObject({ kind: 'refused', problems: [problem] });
    }
    expect(await record([put(organisation), put(subscription)])).toMatchObject({ kind: 'refused' });
    expect(await store.readAll({ limit: 10 })).toEqual([]);
  });
  it('records all or nothing, and names every problem by its entry', async () => {
    const outcome = await record([
      { ...post(person('9434765918')), expression: 'Bundle.entry[0].resource' },
      {
        ...post({ ...observation({ reference: 'Patient/x' }), status: 'nonsense' } as Resource),
        expression: 'Bundle.entry[1].resource',
      },
    ]);
    expect(outcome.kind === 'refused' && outcome.problems.map((problem) => problem.expression)).toEqual([
      'Bundle.entry[0].resource.identifier[0].value',
      'Bundle.entry[1].resource.status',
    ]);
    expect(await resources()).toEqual([]);
  });
  it('resolves conditional references to the one resource that matches', async () => {
    const [registered] = await recorded(post(person('9434765919')));
    const [organisation] = await recorded(
      post({
        resourceType: 'Organization',
        identifier: [{ system: 'urn:x', value: '1' }],
        name: 'A',
      } as Resource),
    );
    const [entry] = await recorded(
      post(
        observation(
          { reference: `Patient?identifier=${NHS}|9434765919` },
          { performer: [{ reference: 'Organization?identifier=urn:x|1' }] },
        ),
      ),
    );
    expect(JSON.parse(entry!.body!)).toMatchObject({
      subject: { reference: `Patient/${registered!.id}` },
      performer: [{ reference: `Organization/${organisation!.id}` }],
    });
    expect(
      await record(post(observation({ reference: `Patient?identifier=${NHS}|9434765870` }))),
    ).toMatchObject({ kind: 'refused' });
  });
  it('writes each resource once', async () => {
    const outcome = await record([put({ ...person(), id: 'p' }), put({ ...person(), id: 'p' })]);
    expect(outcome).toMatchObject({ kind: 'refused', problems: [{ code: 'duplicate' }] });
  });
});

it('reports references to what has not arrived only to those who ask', async () => {
  const resource = observation({ display: 'somebody' }, { encounter: { reference: 'Encounter/later' } });
  const [quiet] = await recorded(post(resource));
  const [told] = await recorded(post(resource), { wantsNotes: true });
  expect(quiet!.notes).toEqual([]);
  expect(told!.notes).toMatchObject([{ severity: 'information', expression: 'Observation.encounter' }]);
});

it('refuses ids that look like NHS numbers, and callers who may not write', async () => {
  expect(await record(put({ ...person(), id: '9434765919' }))).toMatchObject({
    problems: [{ category: 'rejected', expression: 'Patient.id' }],
  });
  expect(await record(post(person()), { caller: { ...publisher, kind: 'auditor' } })).toMatchObject({
    problems: [{ category: 'forbidden' }],
  });
});
