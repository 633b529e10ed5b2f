// The care settings' read models and the population beside a store: kept by one thread, and each rebuilt alone.
import { defaultPolicy } from '@carelog/access';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { newEventId, openSqliteEventStore, type SqliteEventStore } from '@carelog/event-store';
import { openKeyring, type Keyring } from '@carelog/keyring';
import { careSettings } from '@carelog/read-models';
import { startCareSettings, viewPath, type ViewName } from './care-settings.ts';
import type { CareSettingViews } from './index.ts';

const log = { info() {}, warn() {}, error() {} };
const ADA = '0199a000-0000-7000-8000-000000000001';
const BEN = '0199a000-0000-7000-8000-000000000002';

let folder: string;
let paths: { log: string; keyring: string; careSettings: string };
let store: SqliteEventStore;
let keyring: Keyring;
let views: CareSettingViews;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'carelog-settings-'));
  paths = { log: join(folder, 'log.sqlite'), keyring: join(folder, 'keyring'), careSettings: join(folder, 'care-settings') }; // prettier-ignore
  store = openSqliteEventStore({ path: paths.log });
  keyring = openKeyring(paths.keyring);
  await start();
  await write(ADA, { resourceType: 'Patient', id: 'ada' });
  await write(ADA, { resourceType: 'Encounter', id: 'stay', status: 'finished', class: { code: 'IMP' }, subject: { reference: 'Patient/ada' }, period: { start: '2026-05-01', end: '2026-05-03' } }); // prettier-ignore
  await write(BEN, { resourceType: 'Patient', id: 'ben' });
  expect(await views.waitFor(3, 20_000)).toBe(true);
});
afterEach(async () => {
  await views.stop();
  await store.close();
  keyring.close();
  rmSync(folder, { recursive: true, force: true });
});

async function start(farBehind?: number): Promise<void> {
  views = await startCareSettings({ paths, policy: defaultPolicy(), headSignal: store.headSignal, log, ...(farBehind !== undefined && { farBehind }) }); // prettier-ignore
}

type Resource = Readonly<Record<string, unknown>> & { readonly resourceType: string; readonly id: string };

async function write(
  partition: string,
  content: Resource | string,
  sent: { readonly stream?: string; readonly issuedAt?: string } = {},
): Promise<void> {
  await keyring.prepare([partition]);
  const id = newEventId();
  const { stream = typeof content === 'string' ? 'Condition/poison' : `${content.resourceType}/${content.id}`, issuedAt } = sent; // prettier-ignore
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  const sealed = keyring.seal(partition, { id, stream }, new TextEncoder().encode(text));
  const envelope = { id, type: 'record.changed', schemaVersion: 1, partition, occurredAt: '2026-01-01T00:00:00Z', publisher: { organisation: 'A12345', system: 'test' }, careSetting: 'acute', action: 'new', labels: [], correlationId: id, ...(issuedAt !== undefined && { sourceVersion: { version: '', issuedAt } }) } as const; // prettier-ignore
  const outcome = await store.append([{ stream, expectedRevision: 'any', events: [{ ...envelope, ...sealed }] }]); // prettier-ignore
  expect(outcome.kind).toBe('appended');
}

const streamsOf = async (setting: string, patient = 'Patient/ada') =>
  (await views.of.get(setting)!.facts(patient)).map(({ stream }) => stream).toSorted();
const waiting = async () =>
  (await views.of.get('acute')!.work('discharge-clock', { count: 9, now: Date.now() })).length;

/** As somebody else's hand, or a fault, leaves it. */
function spoil(view: ViewName, statements: string): void {
  const db = new DatabaseSync(viewPath(paths, view));
  db.exec(statements);
  db.close();
}

it('count the population again when it is rebuilt', async () => {
  spoil('population', 'DELETE FROM fact; DELETE FROM person');
  const people = () => count('population', 'SELECT count(*) AS n FROM person');
  expect(people()).toBe(0);
  expect((await views.rebuild('population')).events).toBe(3);
  expect(await views.waitFor(3, 20_000, 'population')).toBe(true);
  expect(people()).toBe(2);
});

function count(view: ViewName, query: string): number {
  const db = new DatabaseSync(viewPath(paths, view), { readOnly: true });
  try {
    return Number(db.prepare(query).get()!['n']);
  } finally {
    db.close();
  }
}

it('are rebuilt together: the population stays as it is, and all go on', async () => {
  spoil('care-settings', 'DELETE FROM fact; DELETE FROM work');
  spoil('population', 'DELETE FROM person');
  expect(await streamsOf('acute')).toEqual([]);
  expect((await views.rebuild('care-settings')).events).toBe(3);
  expect(await views.waitFor(3, 20_000, 'acute')).toBe(true);
  expect(await streamsOf('acute')).toEqual(['Encounter/stay', 'Patient/ada']);
  expect(await waiting()).toBe(1);
  expect(count('population', 'SELECT count(*) AS n FROM person')).toBe(0);
  await write(ADA, { resourceType: 'Patient', id: 'ada' });
  expect(await views.waitFor(4, 20_000)).toBe(true);
  for (const { name } of careSettings) expect((await views.of.get(name)!.checkpoint())?.position).toBe(4);
  expect((await views.population.checkpoint())?.position).toBe(4);
});

it.each([
  ['beside the population, which is served meanwhile, when they are far behind', 2],
  ['with it, when they are not', 10_000],
])('of another version are built anew %s', async (_how, farBehind) => {
  await views.stop();
  spoil('care-settings', 'PRAGMA user_version = 999');
  await start(farBehind);
  expect(await views.waitFor(3, 20_000, 'population')).toBe(true);
  expect(await views.waitFor(3, 20_000, 'acute')).toBe(true);
  expect(await views.waitFor(3, 20_000)).toBe(true);
  expect(await streamsOf('acute')).toEqual(['Encounter/stay', 'Patient/ada']);
  await write(BEN, { resourceType: 'Patient', id: 'ben' });
  expect(await views.waitFor(4, 20_000)).toBe(true);
});

it('leave nothing of the files that an earlier release kept', async () => {
  await views.stop();
  for (const file of [
    'acute.sqlite',
    'acute.sqlite-wal',
    'acute.sqlite.rebuilt',
    'acute.sqlite.rebuilt-wal',
    'patient.sqlite',
  ])
    writeFileSync(join(paths.careSettings, file), 'facts of a person');
  await start();
  expect(readdirSync(paths.careSettings).filter((it) => /^(?:acute|patient)/.test(it))).toEqual([]);
});

it('are thrown away when their file is damaged, and built again', async () => {
  await views.stop();
  writeFileSync(viewPath(paths, 'care-settings'), 'no database at all, but long enough to look like one');
  await start();
  expect(await views.waitFor(3, 20_000)).toBe(true);
  expect(await streamsOf('community')).toContain('Patient/ada');
});

it('parks the person whose event it cannot take, and no other', async () => {
  await write(ADA, '{"resourceType":"Condi');
  await write(BEN, { resourceType: 'Encounter', id: 'later', status: 'planned', class: { code: 'IMP' }, subject: { reference: 'Patient/ben' } }); // prettier-ignore
  expect(await views.waitFor(5, 20_000)).toBe(true);
  expect(await views.of.get('acute')!.parked()).toEqual([{ partition: ADA, position: 4, reason: 'SyntaxError' }]); // prettier-ignore
  expect(await streamsOf('acute', 'Patient/ben')).toEqual(['Encounter/later', 'Patient/ben']);
  await views.rebuild('care-settings');
  expect(await views.waitFor(5, 20_000)).toBe(true);
  expect(await views.of.get('acute')!.parked()).toHaveLength(1);
});

it('count a version by those before it that were not counted, also beyond a page of them and past what another person’s cannot take', async () => {
  const stay = (who: string, more: object = {}): Resource => ({ resourceType: 'Encounter', id: 'moved', status: 'finished', class: { code: 'IMP' }, subject: { reference: `Patient/${who}` }, period: { start: '2026-05-01', end: '2026-05-03' }, ...more }); // prettier-ignore
  const meta = { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'V' }] }; // prettier-ignore
  const stays = () => count('population', `SELECT count(*) AS n FROM fact WHERE kind = 'encounter' AND told IS NOT NULL`); // prettier-ignore
  expect(stays()).toBe(1);
  const reach = async () => expect(await views.waitFor(store.head().position, 20_000)).toBe(true);
  await write(ADA, stay('ada', { meta }), { issuedAt: '2026-05-05T09:00:00Z' });
  await write(ADA, '{"resourceType":"Encount', { stream: 'Encounter/moved' });
  await reach();
  // Older than what is protected.
  await write(BEN, stay('ben'), { issuedAt: '2026-05-04T09:00:00Z' });
  await reach();
  expect(stays()).toBe(1);
  await write(BEN, stay('ben'), { issuedAt: '2026-05-06T09:00:00Z' });
  await reach();
  expect(stays()).toBe(2);
  const normal = (code: string): Resource => ({ resourceType: 'Observation', id: 'often', status: 'final', subject: { reference: 'Patient/ben' }, category: [{ coding: [{ code: 'laboratory' }] }], code: { text: 'Potassium' }, interpretation: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation', code }] }] }); // prettier-ignore
  const results = () => count('population', `SELECT count(*) AS n FROM fact WHERE kind = 'observation' AND told IS NOT NULL`); // prettier-ignore
  for (let time = 0; time < 1_005; time += 1) await write(BEN, normal('N'), { issuedAt: time === 1_004 ? '2026-05-06T09:00:00Z' : '2026-05-01T09:00:00Z' }); // prettier-ignore
  await write(BEN, normal('H'), { issuedAt: '2026-05-05T09:00:00Z' });
  await reach();
  expect(results()).toBe(0);
  await write(BEN, normal('H'), { issuedAt: '2026-05-07T09:00:00Z' });
  await reach();
  expect(results()).toBe(1);
});
