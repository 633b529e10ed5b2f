import fs, { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { newEventId, openSqliteEventStore, type NewEvent, type SqliteEventStore } from '@carelog/event-store';
import { openKeyring, type Keyring } from '@carelog/keyring';
import { openRecord, type RecordQueries } from '@carelog/read-models';
import { rebuild, startProjector, type Projector, type ProjectorPaths } from './index.ts';

const silent = { info() {}, warn() {}, error() {} };

let folder: string;
let paths: ProjectorPaths;
let store: SqliteEventStore;
let keyring: Keyring;
let projector: Projector;
let record: RecordQueries;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'carelog-projector-'));
  paths = {
    log: join(folder, 'log.sqlite'),
    keyring: join(folder, 'keyring'),
    record: join(folder, 'record.sqlite'),
  };
  store = openSqliteEventStore({ path: paths.log });
  keyring = openKeyring(paths.keyring);
  await start();
});

afterEach(async () => {
  await stop();
  await store.close();
  keyring.close();
  rmSync(folder, { recursive: true, force: true });
});

async function start(): Promise<void> {
  projector = await startProjector({ paths, headSignal: store.headSignal, log: silent });
  record = openRecord(paths.record);
}

async function stop(): Promise<void> {
  await projector.stop();
  record.close();
}

/** Seals and appends one version of a resource, and waits until the record reflects it. */
async function write(stream: string, partition: string, content: string | object): Promise<void> {
  await keyring.prepare([partition]);
  const id = newEventId();
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  const event: NewEvent = {
    id,
    type: 'record.changed',
    schemaVersion: 1,
    partition,
    occurredAt: '2026-01-01T00:00:00Z',
    publisher: { organisation: 'A12345', system: 'test' },
    careSetting: 'acute',
    action: 'new',
    labels: [],
    correlationId: id,
    ...keyring.seal(partition, { id, stream }, new TextEncoder().encode(text)),
  };
  const outcome = await store.append([{ stream, expectedRevision: 'any', events: [event] }]);
  expect(outcome.kind).toBe('appended');
  expect(await projector.waitFor(store.head().position, 20_000)).toBe(true);
}

const ADA = '0199a000-0000-7000-8000-000000000001';
const BEN = '0199a000-0000-7000-8000-000000000002';

async function writeAda(): Promise<void> {
  await write('Patient/ada', ADA, { resourceType: 'Patient', id: 'ada', gender: 'female' });
  await write('Observation/o1', ADA, {
    resourceType: 'Observation',
    id: 'o1',
    status: 'final',
    code: { coding: [{ system: 'http://loinc.org', code: '8867-4' }] },
    subject: { reference: 'Patient/ada' },
  });
}

async function observationsOfAda(): Promise<number | undefined> {
  const values = [{ target: 'Patient/ada' }];
  const query = {
    type: 'Observation',
    conditions: [{ kind: 'reference' as const, parameter: 'patient', values }],
  };
  const counted = await record.count(query);
  return 'refused' in counted ? undefined : counted.total;
}

describe('the projector beside a store', () => {
  it('shows what was recorded, and says how far it has come', async () => {
    await writeAda();
    expect(projector.position()).toBe(store.head().position);
    expect(projector.lag()).toBe(0);
    expect(await observationsOfAda()).toBe(1);
    expect(await record.read('Patient', 'ada')).toMatchObject({ kind: 'found', versionId: 1 });
  });

  it('gives up waiting when the time runs out', async () => {
    expect(await projector.waitFor(store.head().position + 1, 5)).toBe(false);
  });

  it('goes on from its checkpoint after a restart', async () => {
    await writeAda();
    await stop();
    await start();
    expect(projector.position()).toBe(store.head().position);
    await write('Patient/ada', ADA, { resourceType: 'Patient', id: 'ada', gender: 'other' });
    expect(await record.read('Patient', 'ada')).toMatchObject({ kind: 'found', versionId: 2 });
  });

  it('rebuilds while it serves; readers that are open see the new record', async () => {
    await writeAda();
    expect(await observationsOfAda()).toBe(1);
    const live = await record.hash();
    expect(await projector.rebuild()).toMatchObject({ events: store.head().position });
    expect(await record.hash()).toBe(live);
    await write('Patient/ben', BEN, { resourceType: 'Patient', id: 'ben' });
    expect(await observationsOfAda()).toBe(1);
    expect(await record.read('Patient', 'ben')).toMatchObject({ kind: 'found' });
  });

  it('rebuilds from what is flushed, and from nothing that the end of the machine could take back', async () => {
    await writeAda();
    const flushed = store.head().position;
    const held: (() => void)[] = [];
    const spy = vi.spyOn(fs, 'fdatasync').mockImplementation((_, done) => void held.push(() => done(null)));
    syncBuiltinESMExports();
    const written = write('Patient/ben', BEN, { resourceType: 'Patient', id: 'ben' });
    try {
      await vi.waitFor(() => expect(held).toHaveLength(1));
      expect(await projector.rebuild()).toMatchObject({ events: flushed });
      expect(projector.position()).toBe(flushed);
    } finally {
      spy.mockRestore();
      syncBuiltinESMExports();
      for (const done of held) done();
    }
    await written;
    expect(await record.read('Patient', 'ben')).toMatchObject({ kind: 'found' });
  });

  it('rebuilds offline to an equal record', async () => {
    await writeAda();
    const live = await record.hash();
    await stop();
    await rebuild({ paths });
    await start();
    expect(await record.hash()).toBe(live);
  });

  it('parks a patient whose event cannot be projected, and lets a rebuild try again', async () => {
    await writeAda();
    await write('Patient/ben', BEN, '{"resourceType":"Patient","id":"ben",');
    await write('Observation/o2', BEN, { resourceType: 'Observation', id: 'o2' });
    expect(await record.parked()).toMatchObject([{ partition: BEN, reason: 'SyntaxError' }]);
    expect(await record.parkedPartitionOf('Patient', 'ben')).toMatchObject({ partition: BEN });
    expect(await record.parkedPartitionOf('Observation', 'o2')).toMatchObject({ partition: BEN });
    expect(await record.parkedPartitionOf('Patient', 'ada')).toBeUndefined();
    await projector.rebuild();
    expect(await record.parked()).toMatchObject([{ partition: BEN }]);
    expect(await observationsOfAda()).toBe(1);
  });

  it('shows that content was erased, and rebuilds without it', async () => {
    await writeAda();
    await keyring.erase(ADA);
    await projector.rebuild();
    expect(await record.read('Patient', 'ada')).toMatchObject({ kind: 'erased', versionId: 1 });
    expect(await observationsOfAda()).toBe(0);
  });

  it('builds anew where the file is no record', async () => {
    await writeAda();
    await stop();
    for (const suffix of ['-wal', '-shm']) rmSync(`${paths.record}${suffix}`, { force: true });
    writeFileSync(
      paths.record,
      'this is no database, and long enough to be taken for a header of one, nearly'.repeat(20),
    );
    await start();
    expect(await projector.waitFor(store.head().position, 20_000)).toBe(true);
    expect(await observationsOfAda()).toBe(1);
  });
});
