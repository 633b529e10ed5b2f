/** The log by itself, without HTTP: how much it takes. */
import { encodeEnvelope, newEventId, openSqliteEventStore, type StreamAppend } from '@carelog/event-store';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { openBareTable } from './bare-table.ts';
import { inFolder } from './folder.ts';
import { cellOf, type Cell, type SingleRow } from './report.ts';
import type { Settings } from './settings.ts';

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
