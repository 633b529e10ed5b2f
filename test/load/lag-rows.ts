/** How soon what is recorded is in the record view and in every care setting's, while events come at a steady rate. */
import { defaultPolicy } from '@carelog/access';
import { encodeEnvelope, openSqliteEventStore, type StreamAppend } from '@carelog/event-store';
import { openKeyring } from '@carelog/keyring';
import { startCareSettings, startProjector } from '@carelog/projector';
import { createLog } from '@carelog/service-kit';
import { generatePopulation } from '@carelog/synthetic';
import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { dataPaths } from '../../apps/carelog/src/paths.ts';
import { caller, writerOn } from './bench-writer.ts';
import { startBareFollower } from './bare-follower.ts';
import { inFolder } from './folder.ts';
import { cellsOf, percentile, type SingleRow } from './report.ts';
import type { Settings } from './settings.ts';
import { observation, person } from './targets.ts';

const EVENTS_PER_SECOND = 3_200;
/** Resources of a transaction, where all are of one kind. */
const TRANSACTION = 16;
const FLOOR_SECONDS = 10;
/** Where the care settings fall behind, what they hold is looked for. */
const CARE_SETTING_RATES = [3_200, 2_400, 1_600, 1_200];
const CARE_SETTING_LAG_MAX_MS = 100;

export async function lagRows(settings: Settings): Promise<SingleRow[]> {
  const rows = await rowsOf('record', EVENTS_PER_SECOND, settings);
  for (const perSecond of CARE_SETTING_RATES) {
    const tried = await rowsOf('every care setting', perSecond, settings);
    rows.push(...tried);
    const p99 = tried.at(-1)!.cell;
    if (p99.kind === 'failed' || p99.figure <= CARE_SETTING_LAG_MAX_MS) break;
  }
  return rows;
}

type Target = 'record' | 'every care setting';

async function rowsOf(
  target: Target,
  perSecond: number,
  { say, lagSeconds }: Settings,
): Promise<SingleRow[]> {
  const name = `log → ${target} at ${perSecond.toLocaleString('en-GB')} events/s for ${lagSeconds} s`;
  say(name);
  const cells = await cellsOf(['p50', 'p99'], async () => {
    const { lags, eventBytes } = await inFolder((folder) => lagsOf(target, folder, perSecond, lagSeconds));
    const floors = await inFolder((folder) =>
      bareLags(folder, perSecond, Math.min(lagSeconds, FLOOR_SECONDS), eventBytes),
    );
    const at = (share: number) => ({
      figures: [percentile(lags, share)],
      floors: [percentile(floors, share)],
    });
    return { p50: at(0.5), p99: at(0.99) };
  });
  const floor = 'a thread that copies the same bytes from one SQLite table to another, woken the same way';
  return [
    { name: `${name}, p50`, unit: 'ms', cell: cells.p50, floor },
    { name: `${name}, p99`, unit: 'ms', cell: cells.p99, floor },
  ];
}

async function bareLags(
  folder: string,
  perSecond: number,
  seconds: number,
  eventBytes: number,
): Promise<number[]> {
  // prettier-ignore
  const rows = Array.from({ length: TRANSACTION }, () => randomBytes(eventBytes));
  const follower = await startBareFollower(folder);
  try {
    return await paced(seconds, perSecond, async () => {
      const position = follower.insert(rows);
      return { events: TRANSACTION, committedAt: performance.now(), followed: follower.waitFor(position) };
    });
  } finally {
    await follower.stop();
  }
}

/**
 * Transactions through the activity writer; from the commit until the view has passed it. The record is kept meanwhile
 * whatever is looked at, as it is in the product.
 */
async function lagsOf(
  target: Target,
  folder: string,
  perSecond: number,
  seconds: number,
): Promise<{ lags: number[]; eventBytes: number }> {
  const paths = dataPaths(folder);
  const store = openSqliteEventStore({ path: paths.log });
  const keyring = openKeyring(paths.keyring);
  const { headSignal } = store;
  const log = createLog('error');
  const projector = await startProjector({ paths, headSignal, log });
  const settings = target === 'record' ? undefined : await startCareSettings({ paths, policy: defaultPolicy(), headSignal, log }); // prettier-ignore
  const view = settings ?? projector;
  try {
    const committed = new Map<number, { readonly at: number; readonly events: number }>();
    const append = store.append.bind(store);
    Object.assign(store, {
      async append(streams: readonly StreamAppend[]) {
        const outcome = await append(streams);
        if (outcome.kind === 'appended')
          committed.set(outcome.events.at(-1)!.position, {
            at: performance.now(),
            events: outcome.events.length,
          });
        return outcome;
      },
    });
    const { record } = writerOn({ store, keyring });
    const write = async (entries: readonly Sent[]) => {
      const [outcome] = await record({ caller, mode: 'transaction', entries });
      if (outcome?.kind !== 'recorded') throw new Error(`Refused: ${JSON.stringify(outcome?.problems)}`);
      return outcome;
    };
    const next = target === 'record' ? await observations(write) : await messages(write);
    const before = store.head().position;
    const ofPlace = new Map<number, Promise<unknown>>();
    const lags = await paced(seconds, perSecond, async () => {
      const { value } = next.next() as IteratorYieldResult<Message>;
      // What is told of a person goes off when what was told before is recorded.
      const written = (ofPlace.get(value.place) ?? Promise.resolve()).then(() => write(value.entries));
      ofPlace.set(value.place, written);
      const { position } = await written;
      // What was told before is recorded no second time.
      const { at: committedAt, events } = committed.get(position) ?? { at: performance.now(), events: 0 };
      return { events, committedAt, followed: view.waitFor(position, 60_000) };
    });
    const [event] = await store.readAll({ after: before, limit: 1 });
    return { lags, eventBytes: encodeEnvelope(event!).length + event!.content.length };
  } finally {
    await settings?.stop();
    await projector.stop();
    await store.close();
    keyring.close();
  }
}

interface Sent {
  readonly method: 'PUT' | 'POST';
  readonly type: string;
  readonly id?: string;
  readonly fullUrl?: string;
  readonly resource: string;
}

interface Message {
  readonly entries: readonly Sent[];
  /** Those of one place are sent one after the other. */
  readonly place: number;
}

/** One person's Observations after another's. */
async function observations(
  write: (entries: readonly Sent[]) => Promise<{ readonly entries: readonly { readonly id: string }[] }>,
): Promise<Iterator<Message>> {
  const sent = (resource: { readonly resourceType: string }): Sent => ({ method: 'POST', type: resource.resourceType, resource: JSON.stringify(resource) }); // prettier-ignore
  const { entries: people } = await write(Array.from({ length: 20 }, (_, index) => sent(person(index))));
  return (function* () {
    for (let turn = 0; ; turn += 1) {
      const { id } = people[turn % people.length]!;
      const entries = Array.from({ length: TRANSACTION }, (_, index) => sent(observation(id, turn + index)));
      yield { entries, place: turn };
    }
  })();
}

/** Whom messages come of at the same time. */
const CROWD = 200;

/** The messages of a population as organisations send them, of many people in turn. */
async function messages(write: (entries: readonly Sent[]) => Promise<unknown>): Promise<Iterator<Message>> {
  const population = generatePopulation({ seed: 7, people: 1_000_000 });
  const told = () => (population.next().value ?? []).map(({ entry }) => entry.map(sentAs));
  for (const entries of told()) await write(entries);
  return (function* () {
    const crowd: (readonly (readonly Sent[])[])[] = [];
    for (let turn = 0; ; turn += 1) {
      const place = turn % CROWD;
      const left = crowd[place] ?? [];
      const [entries, ...rest] = left.length > 0 ? left : told();
      crowd[place] = rest;
      if (entries !== undefined) yield { entries, place };
    }
  })();
}

interface Entry {
  readonly fullUrl: string;
  readonly resource: { readonly resourceType: string };
  readonly request: { readonly method: 'PUT' | 'POST'; readonly url: string };
}

function sentAs({ fullUrl, resource, request: { method, url } }: Entry): Sent {
  const id = method === 'PUT' ? { id: url.slice(url.indexOf('/') + 1) } : {};
  return { method, type: resource.resourceType, fullUrl, resource: JSON.stringify(resource), ...id };
}

interface Written {
  readonly events: number;
  readonly committedAt: number;
  readonly followed: Promise<unknown>;
}

/** An open loop: the next transaction goes off when it is due, whatever became of the ones before. Milliseconds. */
async function paced(seconds: number, perSecond: number, write: () => Promise<Written>): Promise<number[]> {
  const lags: number[] = [];
  const all: Promise<void>[] = [];
  // How large a transaction is shows when it is written; until then it counts as one of the usual size.
  let events = 0;
  const one = async (): Promise<void> => {
    events += TRANSACTION;
    const written = await write();
    events += written.events - TRANSACTION;
    await written.followed;
    lags.push(performance.now() - written.committedAt);
  };
  const begun = performance.now();
  for (let now = 0; now < seconds;) {
    while (events < now * perSecond) {
      const sent = one();
      // Heard of below.
      sent.catch(() => {});
      all.push(sent);
    }
    await wait(1);
    now = (performance.now() - begun) / 1_000;
  }
  await Promise.all(all);
  return lags;
}
