/** The log in PostgreSQL by itself, beside the same bytes inserted bare into the same server. */
import { startPostgres } from '@carelog/engines';
import { encodeEnvelope, migrateEventStore, openPostgresEventStore } from '@carelog/event-store';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import pg from 'pg';
import { inFolder } from './folder.ts';
import { newStream } from './log-rows.ts';
import { cellOf, type Cell, type SingleRow } from './report.ts';
import type { Settings } from './settings.ts';

interface Load {
  /** Appends that are under way at once. */
  readonly together: number;
  /** Events of one append. */
  readonly size: number;
  readonly seconds: number;
}

export async function postgresLogRows(settings: Settings): Promise<SingleRow[]> {
  settings.say('log in PostgreSQL');
  const { seconds } = settings;
  const loads: readonly (readonly [name: string, load: Load])[] = [
    ['one append of one event at a time', { together: 1, size: 1, seconds }],
    ['32 appends of one event at a time', { together: 32, size: 1, seconds }],
    ['appends of 50 events', { together: 1, size: 50, seconds }],
  ];
  const rows: SingleRow[] = [];
  for (const [name, load] of loads) {
    const clients = load.together === 1 ? 'one client' : `${load.together} clients`;
    rows.push({
      name: `log in PostgreSQL: ${name}`,
      unit: 'events/s',
      cell: await appendCell(settings, load),
      floor: `the same bytes in bare INSERTs of ${load.size === 1 ? 'one row' : `${load.size} rows`} by ${clients}, same server`,
    });
  }
  return rows;
}

function appendCell({ runs }: Settings, load: Load): Promise<Cell> {
  return cellOf(() =>
    inFolder(async (folder) => {
      const postgres = await startPostgres({ folder: join(folder, 'postgres') });
      const owner = new pg.Client(postgres.url());
      await owner.connect();
      try {
        const figures: number[] = [];
        const floors: number[] = [];
        for (let run = 0; run < runs; run += 1) {
          const schema = `log_${run}`;
          await migrateEventStore(owner, { schema });
          const { figure, eventBytes } = await appends(postgres.url(), schema, load);
          figures.push(figure);
          await owner.query(
            `CREATE TABLE bare_${run} (position bigserial PRIMARY KEY, bytes bytea NOT NULL)`,
          );
          floors.push(await bareInserts(postgres.url(), `bare_${run}`, eventBytes, load));
        }
        return { figures, floors };
      } finally {
        await owner.end();
        await postgres.stop();
      }
    }),
  );
}

async function appends(
  url: string,
  schema: string,
  { together, size, seconds }: Load,
): Promise<{ figure: number; eventBytes: number }> {
  const store = await openPostgresEventStore({ url, schema });
  const perSecond = await rate(together, seconds, async () => {
    await store.append(Array.from({ length: size }, newStream));
  });
  const [event] = await store.readAll({ limit: 1 });
  await store.close();
  return { figure: perSecond * size, eventBytes: encodeEnvelope(event!).length + event!.content.length };
}

async function bareInserts(
  url: string,
  table: string,
  eventBytes: number,
  { together, size, seconds }: Load,
): Promise<number> {
  const clients = Array.from({ length: together }, () => new pg.Client(url));
  await Promise.all(clients.map((client) => client.connect()));
  const values = Array.from({ length: size }, () => randomBytes(eventBytes));
  const text = `INSERT INTO ${table} (bytes) VALUES ${values.map((_, index) => `($${index + 1})`).join()}`;
  const perSecond = await rate(together, seconds, async (worker) => {
    await clients[worker]!.query({ name: 'insert', text, values });
  });
  await Promise.all(clients.map((client) => client.end()));
  return perSecond * size;
}

/** How often a second `work` is done by so many workers, each of which does one at a time. */
async function rate(
  workers: number,
  seconds: number,
  work: (worker: number) => Promise<void>,
): Promise<number> {
  let done = 0;
  const begun = performance.now();
  await Promise.all(
    Array.from({ length: workers }, async (_, worker) => {
      for (; performance.now() - begun < seconds * 1000; done += 1) await work(worker);
    }),
  );
  return done / ((performance.now() - begun) / 1000);
}
