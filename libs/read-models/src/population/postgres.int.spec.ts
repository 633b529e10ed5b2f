/** The population in PostgreSQL, written lane by lane by two projectors at once: the same rows as in a file, and counts alone for who asks. */
import { defaultPolicy } from '@carelog/access';
import { engineOrReason, startPostgres } from '@carelog/engines';
import type { SharedReadModel } from '@carelog/projection';
import { Client } from 'pg';
import { mkdtempSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Activity } from '../care-settings/care-setting-scene.ts';
import { RECORDED } from '../care-settings/scene-log.ts';
import type { Told } from '../care-settings/care-settings-projection.ts';
import { afterwards, groundOf, historiesOf, of } from './population-scene.ts';
import { migratePopulation, openPostgresPopulation, openPostgresPopulationWriter, populationSchema } from './postgres.ts'; // prettier-ignore

const folder = mkdtempSync(join(tmpdir(), 'carelog-population-pg-'));
const postgres = await engineOrReason(() => startPostgres({ folder: join(folder, 'postgres'), sync: false }));
const reason = typeof postgres === 'string' ? postgres : undefined;
afterAll(async () => {
  if (typeof postgres !== 'string') await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
});

const policy = defaultPolicy();
const schema = populationSchema(policy);
const LANES = 4;
const laneOf = (partition: string) => [...partition].reduce((sum, it) => sum + it.charCodeAt(0), 0) % LANES;

const research = { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'research' }] }; // prettier-ignore
const choice = (who: string, status: string, issued: string): Activity => ({ issued, resource: of(who, 'Consent', `choice-${who}`, { status, scope: research, provision: { type: 'deny' } }) }); // prettier-ignore
const stay = (who: string, id: string): Activity => ({ resource: of(who, 'Encounter', id, { status: 'finished', class: { code: 'IMP' }, period: { start: '2026-05-10', end: '2026-05-14T11:00:00Z' } }) }); // prettier-ignore
const people = ['ada', 'ben', 'cleo', 'dan', 'eve'];
const activities: readonly Activity[] = [
  ...people.map((id): Activity => ({ resource: { resourceType: 'Patient', id, birthDate: '1950-03-14' } })),
  ...people.flatMap((id) => [stay(id, `one-${id}`), stay(id, `two-${id}`)]),
  choice('ada', 'active', '2026-06-01T09:00:00Z'),
  choice('ben', 'active', '2026-06-01T09:00:00Z'),
  stay('ada', 'three'),
  choice('ada', 'inactive', '2026-06-02T09:00:00Z'),
  { resource: of('cleo', 'Task', 'letter', { status: 'completed', focus: { reference: 'Composition/x' } }) },
];

const TABLES = ['fact', 'link', 'person', 'counted'];
const withoutLane = (rows: readonly Record<string, unknown>[]) =>
  rows.map(({ lane: _, ...row }) => JSON.stringify(Object.values(row).map((it) => (it === null ? null : String(it))))).toSorted(); // prettier-ignore

/** Those that say that something is gone are left out: a single writer keeps only some of them. */
const asked = (table: string) => `${table}${table === 'fact' ? ' WHERE told IS NOT NULL' : ''}`;

async function rowsHere(owner: Client): Promise<readonly (readonly string[])[]> {
  const here: string[][] = [];
  for (const it of TABLES) here.push(withoutLane((await owner.query(`SELECT * FROM ${schema}.${asked(it)}`)).rows)); // prettier-ignore
  return here;
}

const rowsInFile = (told: readonly Activity[]) =>
  afterwards(told, (path) => {
    const db = new DatabaseSync(path, { readOnly: true });
    const rows = TABLES.map((it) => withoutLane(db.prepare(`SELECT * FROM ${asked(it)}`).all()));
    db.close();
    return rows;
  });

/** All lanes at once, shared between the writers. */
async function inLanes(writers: readonly SharedReadModel<Told>[], log: ReturnType<typeof historiesOf>) {
  const lanes = Map.groupBy(log, ({ event }) => laneOf(event.partition));
  await Promise.all(
    [...lanes].map(async ([lane, changes]) => {
      for (let at = 0; at < changes.length; at += 2) {
        const some = changes.slice(at, at + 2);
        const checkpoint = { position: some.at(-1)!.event.position, epoch: 'one' };
        await writers[lane % 2]!.apply(lane, async () => ({ changes: some, parked: [], setAside: [], checkpoint })); // prettier-ignore
      }
    }),
  );
  return lanes;
}

describe.skipIf(reason !== undefined)(`the population in PostgreSQL${reason ? ` (${reason})` : ''}`, () => {
  it('has the same rows as in a file, and shows a gateway counts and nothing else', async () => {
    const url = typeof postgres === 'string' ? '' : postgres.url();
    const owner = new Client(url);
    await owner.connect();
    try {
      await owner.query('CREATE ROLE population_reader NOLOGIN');
      for (const _ of [1, 2]) await migratePopulation(owner, { reader: 'population_reader', policy });
      const log = historiesOf(activities);
      const writers = [1, 2].map(() => openPostgresPopulationWriter({ url, policy, ...groundOf(log) }));
      const lanes = await inLanes(writers, log);
      expect(lanes.size).toBeGreaterThan(1);
      expect([...(await writers[0]!.checkpoints()).keys()].toSorted()).toEqual([...lanes.keys()].toSorted());
      expect(await rowsHere(owner)).toEqual(await rowsInFile(activities));

      const reader = openPostgresPopulation(url, policy);
      const asked = { from: 0, until: RECORDED, now: RECORDED };
      expect(await reader.cases('discharge-summaries-within-24-hours', asked)).toMatchObject([{ count: 9, state: 'missed' }]); // prettier-ignore
      await reader.close();
      await owner.query('SET ROLE population_reader');
      await owner.query(`SELECT FROM ${schema}.counted`);
      for (const it of ['fact', 'link', 'person', 'parked'])
        await expect(owner.query(`SELECT FROM ${schema}.${it}`)).rejects.toThrow(/permission denied/);
      await owner.query('RESET ROLE');

      await writers[0]!.clear();
      const { rows } = await owner.query(`SELECT count(*)::int AS left FROM ${schema}.fact`);
      expect(rows).toEqual([{ left: 0 }]);
      for (const it of writers) await it.close();
    } finally {
      await owner.end();
    }
  });

  it('has the same rows where stays are moved from person to person, whichever lane comes first', async () => {
    const url = typeof postgres === 'string' ? '' : postgres.url();
    const stays = Array.from({ length: 12 }, (_, index) => `moved-${index}`);
    const moves = Array.from({ length: 8 }, (_, time) => time);
    const told: readonly Activity[] = [
      ...people.map((id): Activity => ({
        resource: { resourceType: 'Patient', id, birthDate: '1950-03-14' },
      })),
      ...moves.flatMap((time) => stays.map((id, at) => stay(people[(at * 3 + time * (1 + (at % 4))) % people.length]!, id))), // prettier-ignore
    ];
    const owner = new Client(url);
    await owner.connect();
    try {
      await migratePopulation(owner, { policy });
      const log = historiesOf(told);
      const writers = [1, 2].map(() => openPostgresPopulationWriter({ url, policy, ...groundOf(log) }));
      const expected = await rowsInFile(told);
      for (let time = 0; time < 5; time += 1) {
        await writers[0]!.clear();
        await inLanes(writers, log);
        expect(await rowsHere(owner)).toEqual(expected);
      }
      for (const it of writers) await it.close();
    } finally {
      await owner.end();
    }
  });
});
