/** Whether what a cluster keeps beside the record, its care settings and its population, is as it is made from the log now. */
import { defaultPolicy } from '@carelog/access';
import { laneOf } from '@carelog/distribution';
import type { RecordedEvent } from '@carelog/event-store';
import { careSettings, careSettingsProjection, careSettingsSchema, populationSchema } from '@carelog/read-models'; // prettier-ignore
import { Client } from 'pg';
import { expect, vi } from 'vitest';
import { withViews } from '../../apps/carelog/src/cluster/view-tools.ts';
import { rebuildView } from '../../apps/carelog/src/commands/rebuild-view.ts';
import { contentsOnPostgres } from '../../libs/read-models/src/care-settings/scene-engines.ts';
import { difference, onSqlite, type Contents } from './care-settings-contents.ts';

const PATIENCE_MS = 90_000;
/** Of the release that this process is of when it asks. */
const counts = () => populationSchema(defaultPolicy());
const COUNTED = ['fact', 'link', 'person', 'counted'];

/** `ownerUrl`: of the read models' database. The settings of the cluster stand in the environment; nobody may write meanwhile. */
export async function expectBesideAsFresh(
  ownerUrl: string,
  events: readonly RecordedEvent[],
  lanes: number,
): Promise<void> {
  const owner = new Client(ownerUrl);
  await owner.connect();
  try {
    const last = new Map(events.map(({ partition, position }) => [laneOf(partition, lanes), position]));
    for (const schema of [careSettingsSchema(careSettings), counts()])
      await vi.waitFor(async () => expect(await behind(owner, schema, last)).toEqual([]), PATIENCE_MS);
    expect(difference(await kept(owner), await onSqlite(await told(events)))).toEqual([]);
    const counted = await countedIn(owner);
    await rebuildView('population');
    expect(await countedIn(owner)).toEqual(counted);
  } finally {
    await owner.end();
  }
}

/** Lanes whose last event the view does not have, or has of a log that is no more. */
async function behind(
  owner: Client,
  schema: string,
  last: ReadonlyMap<number, number>,
): Promise<readonly number[]> {
  // prettier-ignore
  const { rows } = await owner.query<{ lane: number; position: string }>(
    `SELECT lane, position FROM ${schema}.checkpoint WHERE epoch = (SELECT id::text FROM log.epoch ORDER BY number DESC LIMIT 1)`,
  );
  const reached = new Map(rows.map(({ lane, position }) => [lane, Number(position)]));
  return [...last].flatMap(([lane, position]) => ((reached.get(lane) ?? 0) < position ? [lane] : []));
}

async function kept(owner: Client): Promise<Contents> {
  const all = new Map<string, string>();
  for (const it of careSettings) all.set(it.name, await contentsOnPostgres(owner, it, careSettings));
  return all;
}

async function told(events: readonly RecordedEvent[]) {
  return withViews(async ({ open }) => {
    const { ground } = await open();
    await ground.prefetch?.(events);
    return events.flatMap((event) => {
      const change = careSettingsProjection.evolve(event, ground.open(event));
      return change === undefined ? [] : [{ event, change }];
    });
  });
}

async function countedIn(owner: Client): Promise<readonly (readonly string[])[]> {
  const tables: string[][] = [];
  for (const table of COUNTED) {
    const { rows } = await owner.query<object>(`SELECT * FROM ${counts()}.${table}`);
    tables.push(rows.map((row) => JSON.stringify(row)).sort());
  }
  return tables;
}
