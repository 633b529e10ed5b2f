/** Two writers on one log in PostgreSQL: races between them end as they do between two requests at one writer. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createRecordActivity } from '@carelog/activity-writer';
import type { RecordActivity, RecordEntry, RecordOutcome } from '@carelog/activity';
import { engineOrReason, startPostgres } from '@carelog/engines';
import { migrateEventStore, openPostgresEventStore, type PostgresEventStore } from '@carelog/event-store';
import { makeMasterKey, migrateKeyring, openPostgresKeyring, type PostgresKeyring } from '@carelog/keyring';
import { temporaryFolder } from '@carelog/testkit';
import { Client } from 'pg';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';

const folder = temporaryFolder();
const engine = await engineOrReason(() => startPostgres({ folder: join(folder, 'postgres'), sync: false }));
const postgres = typeof engine === 'string' ? undefined : engine;
const why = typeof engine === 'string' ? `: ${engine}` : '';
afterAll(() => postgres?.stop());

const NHS = 'https://fhir.nhs.uk/Id/nhs-number';
const caller = { subject: 'engine', kind: 'system', organisation: 'Y90001', system: 'publisher', careSetting: 'any' } as const; // prettier-ignore

let count = 0;
let stores: PostgresEventStore[];
let keyrings: PostgresKeyring[];
let writers: RecordActivity[];

beforeEach(async () => {
  if (postgres === undefined) return;
  count += 1;
  const masterKeyFile = join(folder, `${count}`, 'master.key');
  mkdirSync(join(folder, `${count}`));
  makeMasterKey(masterKeyFile);
  const [log, keys] = [`log_${count}`, `keyring_${count}`];
  const owner = new Client(postgres.url());
  await owner.connect();
  await migrateEventStore(owner, { schema: log });
  await migrateKeyring(owner, { schema: keys, masterKeyFile });
  await owner.end();
  const url = postgres.url();
  stores = await Promise.all([0, 1].map(() => openPostgresEventStore({ url, schema: log })));
  keyrings = await Promise.all([0, 1].map(() => openPostgresKeyring({ url, schema: keys, masterKeyFile })));
  writers = [0, 1].map((index) =>
    createRecordActivity({
      store: stores[index]!,
      keyring: keyrings[index]!,
      match: async () => ({ kind: 'matched', ids: [] }),
      accessFacts: () => undefined,
      hasRoom: () => true,
    }),
  );
});
afterEach(async () => {
  await Promise.all([...stores, ...keyrings].map((it) => it.close()));
});

type Resource = { readonly resourceType: string; readonly id?: string };
const post = (resource: Resource): RecordEntry => ({ method: 'POST', type: resource.resourceType, resource: JSON.stringify(resource) }); // prettier-ignore
const put = (resource: Resource, more: Partial<RecordEntry> = {}): RecordEntry => ({ method: 'PUT', type: resource.resourceType, id: resource.id!, resource: JSON.stringify(resource), ...more }); // prettier-ignore

/** Tries in turn at each writer, all at once. */
async function race(tries: readonly RecordEntry[]): Promise<readonly RecordOutcome[]> {
  const asked = tries.map((entry, index) =>
    writers[index % 2]!.record({ caller, mode: 'single', entries: [entry] }),
  );
  return (await Promise.all(asked)).map(([outcome]) => outcome!);
}

const kinds = (outcomes: readonly RecordOutcome[]) =>
  outcomes
    .map((outcome) =>
      outcome.kind === 'recorded' ? outcome.entries[0]!.kind : outcome.problems[0]!.category,
    )
    .sort();
const times = <T>(n: number, make: (index: number) => T): T[] =>
  Array.from({ length: n }, (_, index) => make(index));
const streams = async () => (await stores[0]!.readAll({ limit: 10_000 })).map(({ stream }) => stream).filter((it) => !it.startsWith('alias/')); // prettier-ignore

describe.skipIf(postgres === undefined)(`two writers on one log${why}`, () => {
  it('register a person with an NHS number once, and nobody hears of a race', async () => {
    const person = { resourceType: 'Patient', identifier: [{ system: NHS, value: '9434765919' }] };
    const outcomes = await race(times(20, () => post(person)));
    expect(kinds(outcomes)).toEqual(['created', ...times(19, () => 'existing')]);
    expect(await streams()).toHaveLength(1);
  });

  it('record what has a business identifier once, however often it is sent', async () => {
    const told = { resourceType: 'Organization', identifier: [{ system: 'urn:x', value: '1' }], name: 'One' };
    const outcomes = await race(times(20, () => post(told)));
    expect(kinds(outcomes)).toEqual(['created', ...times(19, () => 'existing')]);
    expect(await streams()).toHaveLength(1);
  });

  it('let every update without If-Match land, and one of those that saw the same version', async () => {
    const body = (name: string) => ({ resourceType: 'Organization', id: 'one', name });
    await race([put(body('first'))]);
    const all = await race(times(12, (index) => put(body(`${index}`))));
    expect(kinds(all)).toEqual(times(12, () => 'updated'));
    const versions = all.map((outcome) => (outcome.kind === 'recorded' ? outcome.entries[0]!.versionId : 0));
    expect(versions.sort((a, b) => a - b)).toEqual(times(12, (index) => index + 2));
    const guarded = await race(times(10, (index) => put(body(`guarded ${index}`), { ifMatch: 13 })));
    expect(kinds(guarded)).toEqual([...times(9, () => 'mismatch'), 'updated']);
  });

  it('tell nobody of 412 when it was another resource that changed', async () => {
    const person = { resourceType: 'Patient', id: 'p1', identifier: [{ system: NHS, value: '9434765919' }] };
    await race([put(person)]);
    const note = (index: number) => ({ resourceType: 'Observation', status: 'final', code: { text: `${index}` }, subject: { reference: 'Patient/p1' } }); // prettier-ignore
    const changes = times(20, (index) => (index % 4 === 0 ? put({ ...person, name: [{ family: `${index}` }] } as Resource) : post(note(index)))); // prettier-ignore
    const outcomes = await race(changes);
    expect(kinds(outcomes)).toEqual([...times(15, () => 'created'), ...times(5, () => 'updated')]);
    const partitions = new Set(
      (await stores[1]!.readAll({ limit: 1_000 })).map(({ partition }) => partition),
    );
    expect(partitions.size).toBe(1);
  });

  it('write a log without holes that both read alike', async () => {
    await race(times(40, (index) => post({ resourceType: 'Organization', name: `${index}` } as Resource)));
    const [one, other] = await Promise.all(stores.map((store) => store.readAll({ limit: 1_000 })));
    expect(one!.map(({ position }) => position)).toEqual(times(40, (index) => index + 1));
    expect(other).toEqual(one);
  });
});
