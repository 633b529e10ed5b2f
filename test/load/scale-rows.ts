/** The same questions while the record grows: to a thousand people, ten thousand, a hundred thousand, or as far as the time goes. */
import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { INDEX_COLUMNS } from '@carelog/read-models';
import { dataPaths } from '../../apps/carelog/src/paths.ts';
import { startServer } from '../support/server-process.ts';
import { inFolder } from './folder.ts';
import { startHttpFloor } from './http-floor.ts';
import type { Cell, RequestRow, SingleRow } from './report.ts';
import { rowOf, settled, type Measuring, type Subject } from './request-rows.ts';
import type { Settings } from './settings.ts';
import { loadTargets, observation, person, send, type Targets } from './targets.ts';

export interface Scale {
  /** People in the record at each measurement. */
  readonly sizes: readonly number[];
  readonly rows: readonly RequestRow[];
  readonly singles: readonly SingleRow[];
}

const OBSERVATIONS_EACH = 10;
const PEOPLE_A_TRANSACTION = 10;
const WRITERS = 4;

export function scaleRows(settings: Settings): Promise<Scale> {
  return inFolder(async (folder) => {
    const { people: wanted, loadingSeconds } = settings.scale;
    const server = await startServer(folder);
    const floor = await startHttpFloor();
    const sizes: number[] = [];
    const rows = new Map<string, Cell[]>();
    try {
      const targets = await loadTargets(server);
      const measuring: Measuring = { server, floor, settings: { ...settings, connections: [32] } };
      const crowd = new Crowd(targets, loadingSeconds);
      for (const size of wanted) {
        settings.say(`loading ${size.toLocaleString('en-GB')} people`);
        await crowd.growTo(size);
        if (crowd.size === sizes.at(-1)) break;
        await settled(server);
        sizes.push(crowd.size);
        for (const subject of subjects(targets, crowd)) {
          settings.say(`${subject.name}, among ${crowd.size.toLocaleString('en-GB')} people`);
          const { cells } = await rowOf(subject, targets, measuring);
          rows.set(subject.name, [...(rows.get(subject.name) ?? []), ...cells]);
        }
      }
    } finally {
      await floor.end();
      await server.end();
    }
    const singles = sizeRows(folder, sizes.at(-1) ?? 0);
    return { sizes, rows: [...rows].map(([name, cells]) => ({ name, cells })), singles };
  });
}

/** People with a name of their own, a date of birth and some Observations. */
class Crowd {
  size = 0;
  readonly #targets: Targets;
  #millisecondsLeft: number;

  constructor(targets: Targets, loadingSeconds: number) {
    this.#targets = targets;
    this.#millisecondsLeft = loadingSeconds * 1000;
  }

  /** Stops before the size is reached when the time for loading is used up. */
  async growTo(size: number): Promise<void> {
    const begun = performance.now();
    const until = begun + this.#millisecondsLeft;
    let next = this.size;
    const writers = Array.from({ length: WRITERS }, async () => {
      while (next < size && performance.now() < until) {
        const from = next;
        next += PEOPLE_A_TRANSACTION;
        const { base, token } = this.#targets;
        await send(base, token, 'POST', '', arrivals(from, Math.min(size - from, PEOPLE_A_TRANSACTION)));
        this.size += Math.min(size - from, PEOPLE_A_TRANSACTION);
      }
    });
    await Promise.all(writers);
    this.#millisecondsLeft -= performance.now() - begun;
  }
}

const familyOf = (index: number): string => `Crowd${index.toString(36)}`;
const birthDateOf = (index: number): string =>
  new Date(Date.UTC(1930, 0, 1 + (index % 30_000))).toISOString().slice(0, 10);

function arrivals(from: number, count: number) {
  const entry = Array.from({ length: count }, (_, offset) => {
    const index = from + offset;
    const fullUrl = `urn:uuid:00000000-0000-4000-8000-${String(index).padStart(12, '0')}`;
    const name = [{ family: familyOf(index), given: ['Ada'] }];
    const patient = { ...person(index), name, birthDate: birthDateOf(index) };
    const observations = Array.from({ length: OBSERVATIONS_EACH }, (_, at) => ({
      resource: { ...observation('', index + at), subject: { reference: fullUrl } },
      request: { method: 'POST', url: 'Observation' },
    }));
    return [{ fullUrl, resource: patient, request: { method: 'POST', url: 'Patient' } }, ...observations];
  });
  return { resourceType: 'Bundle', type: 'transaction', entry: entry.flat() };
}

const SAMPLES = 200;

function subjects({ read, search, everything, observation: body }: Targets, { size }: Crowd): Subject[] {
  const sample = Array.from({ length: SAMPLES }, (_, at) => Math.floor((at * size) / SAMPLES));
  const named = sample.map((index) => `/Patient?family=${familyOf(index)}&birthdate=${birthDateOf(index)}`);
  const latest = ['/Observation?_sort=-_lastUpdated&_count=50'];
  const coded = ['/Observation?code=http://loinc.org%7C8867-4&_count=50'];
  return [
    { name: 'read', method: 'GET', paths: read },
    { name: 'search, 50 of 100 among 501 of one person', method: 'GET', paths: search },
    { name: '`$everything` of 502', method: 'GET', paths: everything },
    { name: 'one person by name and date of birth', method: 'GET', paths: named },
    { name: 'the 50 latest Observations of all', method: 'GET', paths: latest },
    { name: '50 Observations of a code, of all', method: 'GET', paths: coded },
    { name: 'single durable POST', method: 'POST', paths: ['/Observation'], body },
  ];
}

/** What the index holds for each resource. */
function sizeRows(folder: string, people: number): SingleRow[] {
  const { record } = dataPaths(folder);
  const db = new DatabaseSync(record, { readOnly: true });
  const count = (table: string): number =>
    Number(db.prepare(`SELECT count(*) AS n FROM "${table}"`).get()!['n']);
  const resources = count('resource');
  const rows = Object.keys(INDEX_COLUMNS).reduce((sum, table) => sum + count(table), 0) / resources;
  const { bytes } = db.prepare('SELECT sum(length(body)) AS bytes FROM resource').get() as { bytes: number };
  db.close();
  const measured = (figure: number, floor: number): Cell => ({ kind: 'measured', figure, floor });
  const among = `each resource, among ${people.toLocaleString('en-GB')} people`;
  return [
    {
      name: `index rows, ${among}`,
      unit: 'rows',
      cell: measured(rows, 1),
      floor: 'the row of the resource itself',
    },
    { name: `record view, ${among}`, unit: 'bytes', cell: measured(statSync(record).size / resources, bytes / resources), floor: 'its JSON' }, // prettier-ignore
  ];
}
