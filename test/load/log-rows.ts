/** The log by itself, without HTTP: how much it takes, and how soon the record view follows. */
import { createRecordActivity } from '@carelog/activity-writer';
import type { Caller } from '@carelog/access';
import { encodeEnvelope, newEventId, openSqliteEventStore, type StreamAppend } from '@carelog/event-store';
import { openKeyring } from '@carelog/keyring';
import { startProjector } from '@carelog/projector';
import { createLog } from '@carelog/service-kit';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { dataPaths } from '../../apps/carelog/src/paths.ts';
import { openBareTable } from './bare-table.ts';
import { startBareFollower } from './bare-follower.ts';
import { inFolder } from './folder.ts';
import { cellOf, cellsOf, type Cell, type SingleRow } from './report.ts';
import type { Settings } from './settings.ts';
import { observation, person } from './targets.ts';

/** Size of one sealed Observation. */
const CONTENT_BYTES = 600;

export async function logRows(settings: Settings): Promise<SingleRow[]> {
  const floor = 'one SQLite table of the same bytes in the same batches, `synchronous=FULL`';
  settings.say('log');
  return [
    {
      name: 'log: 32 appends of one event at a time',
      unit: 'events/s',
      cell: await appendCell(settings, 32, 1),
      floor,
    },
    { name: 'log: appends of 50 events', unit: 'events/s', cell: await appendCell(settings, 1, 50), floor },
    ...(await lagRows(settings)),
  ];
}

function appendCell({ runs, seconds }: Settings, together: number, size: number): Promise<Cell> {
  return cellOf(async () => {
    const floors: number[] = [];
    const figures: number[] = [];
    for (let run = 0; run < runs; run += 1) {
      const { figure, eventBytes } = await inFolder((folder) => appends(folder, { together, size, seconds }));
      figures.push(figure);
      const rows = Array.from({ length: together * size }, () => randomBytes(eventBytes));
      floors.push(await inFolder((folder) => bareInserts(folder, rows, seconds)));
    }
    return { figures, floors };
  });
}

async function appends(
  folder: string,
  { together, size, seconds }: { together: number; size: number; seconds: number },
): Promise<{ figure: number; eventBytes: number }> {
  const store = openSqliteEventStore({ path: join(folder, 'log.sqlite') });
  const begun = performance.now();
  const writers = Array.from({ length: together }, async () => {
    while (performance.now() - begun < seconds * 1000)
      await store.append(Array.from({ length: size }, newStream));
  });
  await Promise.all(writers);
  const figure = store.head().position / ((performance.now() - begun) / 1000);
  const [event] = await store.readAll({ limit: 1 });
  await store.close();
  return { figure, eventBytes: encodeEnvelope(event!).length + event!.content.length };
}

const publisher = { organisation: 'RXX01', system: 'bench' };
const partition = newEventId();
const content = randomBytes(CONTENT_BYTES);

/** An append of one sealed Observation to a stream of its own. */
export function newStream(): StreamAppend {
  const id = newEventId();
  const event = {
    id,
    type: 'observation.recorded',
    schemaVersion: 1,
    partition,
    occurredAt: '2026-01-31T12:00:00Z',
    publisher,
    careSetting: 'acute',
    action: 'new',
    labels: [],
    correlationId: id,
    keyId: '1',
    content,
  } as const;
  return { stream: `Observation/${id}`, expectedRevision: 'no-stream', events: [event] };
}

async function bareInserts(folder: string, rows: readonly Uint8Array[], seconds: number): Promise<number> {
  const table = openBareTable(join(folder, 'bare.sqlite'), { durable: true });
  const begun = performance.now();
  let count = 0;
  for (; performance.now() - begun < seconds * 1000; count += rows.length) table.insert(rows);
  const figure = count / ((performance.now() - begun) / 1000);
  table.close();
  return figure;
}

const EVENTS_PER_SECOND = 3_200;
const TRANSACTION = 16;
const FLOOR_SECONDS = 10;

async function lagRows({ say, lagSeconds }: Settings): Promise<SingleRow[]> {
  say(`log → record, ${lagSeconds} s`);
  const cells = await cellsOf(['p50', 'p99'], async () => {
    const { lags, eventBytes } = await inFolder((folder) => recordLags(folder, lagSeconds));
    const floors = await inFolder((folder) =>
      bareLags(folder, Math.min(lagSeconds, FLOOR_SECONDS), eventBytes),
    );
    const at = (share: number) => ({
      figures: [percentile(lags, share)],
      floors: [percentile(floors, share)],
    });
    return { p50: at(0.5), p99: at(0.99) };
  });
  const name = `log → record at ${EVENTS_PER_SECOND.toLocaleString('en-GB')} events/s for ${lagSeconds} s`;
  const floor = 'a thread that copies the same bytes from one SQLite table to another, woken the same way';
  return [
    { name: `${name}, p50`, unit: 'ms', cell: cells.p50, floor },
    { name: `${name}, p99`, unit: 'ms', cell: cells.p99, floor },
  ];
}

async function bareLags(folder: string, seconds: number, eventBytes: number): Promise<number[]> {
  const rows = Array.from({ length: TRANSACTION }, () => randomBytes(eventBytes));
  const follower = await startBareFollower(folder);
  try {
    return await paced(seconds, async () => {
      const position = follower.insert(rows);
      return { committedAt: performance.now(), followed: follower.waitFor(position) };
    });
  } finally {
    await follower.stop();
  }
}

/** Transactions of one person's Observations through the activity writer; from the commit until the record view has passed it. */
async function recordLags(folder: string, seconds: number): Promise<{ lags: number[]; eventBytes: number }> {
  const paths = dataPaths(folder);
  const store = openSqliteEventStore({ path: paths.log });
  const keyring = openKeyring(paths.keyring);
  const projector = await startProjector({ paths, headSignal: store.headSignal, log: createLog('error') });
  try {
    const committed = new Map<number, number>();
    const append = store.append.bind(store);
    Object.assign(store, {
      async append(streams: readonly StreamAppend[]) {
        const outcome = await append(streams);
        if (outcome.kind === 'appended') committed.set(outcome.events.at(-1)!.position, performance.now());
        return outcome;
      },
    });
    const { record } = createRecordActivity({
      store,
      keyring,
      match: async () => ({ kind: 'matched', ids: [] }),
      accessFacts: () => undefined,
      hasRoom: () => true,
    });
    const caller: Caller = { subject: 'bench', kind: 'system', careSetting: 'acute', ...publisher };
    const write = async (resources: readonly { resourceType: string }[]) => {
      const entries = resources.map((resource) => ({
        method: 'POST' as const,
        type: resource.resourceType,
        resource: JSON.stringify(resource),
      }));
      const [outcome] = await record({ caller, mode: 'transaction', entries });
      if (outcome?.kind !== 'recorded') throw new Error(`Refused: ${JSON.stringify(outcome?.problems)}`);
      return outcome;
    };
    const { entries: people } = await write(Array.from({ length: 20 }, (_, index) => person(index)));
    const lags = await paced(seconds, async (turn) => {
      const { id } = people[turn % people.length]!;
      const resources = Array.from({ length: TRANSACTION }, (_, index) => observation(id, turn + index));
      const { position } = await write(resources);
      return { committedAt: committed.get(position)!, followed: projector.waitFor(position, 60_000) };
    });
    const [event] = await store.readAll({ after: people.length, limit: 1 });
    return { lags, eventBytes: encodeEnvelope(event!).length + event!.content.length };
  } finally {
    await projector.stop();
    await store.close();
    keyring.close();
  }
}

interface Written {
  readonly committedAt: number;
  readonly followed: Promise<unknown>;
}

/** An open loop: the next transaction goes off when it is due, whatever became of the ones before. Milliseconds. */
async function paced(seconds: number, write: (turn: number) => Promise<Written>): Promise<number[]> {
  const perSecond = EVENTS_PER_SECOND / TRANSACTION;
  const lags: number[] = [];
  const all: Promise<void>[] = [];
  const one = async (turn: number): Promise<void> => {
    const { committedAt, followed } = await write(turn);
    await followed;
    lags.push(performance.now() - committedAt);
  };
  const begun = performance.now();
  while (all.length < seconds * perSecond) {
    const due = Math.min(seconds, (performance.now() - begun) / 1000) * perSecond;
    while (all.length < due) all.push(one(all.length));
    await wait(1);
  }
  await Promise.all(all);
  return lags;
}

function percentile(figures: readonly number[], at: number): number {
  return figures.toSorted((a, b) => a - b)[Math.ceil(figures.length * at) - 1]!;
}
