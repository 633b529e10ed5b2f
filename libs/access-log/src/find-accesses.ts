/**
 * Looks records up in the access log, newest first by the time that each has. Events of several gateways lie over each other in
 * time, so what was opened waits until no event that is still to come may hold something newer.
 */
import type { EventStore } from '@carelog/event-store';
import type { Keyring } from '@carelog/keyring';
import { agentsOf, type AccessIndex, type IndexedEvent, type Term } from './access-index.ts';
import { isHiddenFromPatients, type RecordedAccess } from './access-record.ts';
import { recordsOf } from './take-over.ts';

export interface AccessQuery {
  /** Ids of the Patients that it is about: accesses of any of them. */
  readonly patients?: readonly string[];
  /** Subject of the caller, or the organisation acted for. */
  readonly agent?: string;
  readonly interaction?: 'break-glass';
  /** Milliseconds since 1970, both inclusive. */
  readonly since?: number;
  readonly until?: number;
  /** Also what the patient is not to see. */
  readonly hiddenToo: boolean;
  /** At most so many. */
  readonly count: number;
  /** The total is wanted even where it takes looking through what is found. */
  readonly counted?: boolean;
  /** Only what comes after the end of this page. */
  readonly after?: AccessCursor | undefined;
}

/** One access of one patient: a record that is about several is found once for each, one about nobody once. */
export interface FoundAccess {
  readonly record: RecordedAccess;
  /** Which of `record.patients`; 0 where there is none. */
  readonly index: number;
}

/** Event, ordinal and index. */
export type AccessPlace = readonly [number, number, number];

/** Where a page ended: the time of an access, in milliseconds, and its place. */
export type AccessCursor = readonly [number, ...AccessPlace];

export interface FoundAccesses {
  readonly found: readonly FoundAccess[];
  /** There may be more: after this one. */
  readonly next?: AccessCursor;
  /** How many there are in all, where that is known without looking through too much. */
  readonly total?: number;
}

export interface AccessReading {
  readonly store: Pick<EventStore, 'readAll'>;
  readonly keyring: Pick<Keyring, 'open' | 'know'>;
  readonly index: AccessIndex;
}

/** So many events are opened for a page; then it ends, and goes on in the next. */
const OPENED_MAX = 200;

export async function findAccesses(reading: AccessReading, query: AccessQuery): Promise<FoundAccesses> {
  const { found, next } = await pageOf(reading, query);
  const total = await totalOf(reading, query);
  return { found, ...(next !== undefined && { next }), ...(total !== undefined && { total }) };
}

async function pageOf(reading: AccessReading, query: AccessQuery): Promise<Omit<FoundAccesses, 'total'>> {
  const found: FoundAccess[] = [];
  if (query.count === 0 || query.patients?.length === 0) return { found };
  /** Opened and not given yet, newest last. */
  const waiting: FoundAccess[] = [];
  const isFull = (floor: AccessCursor): boolean => {
    while (waiting.length > 0 && isAfter(floor, cursorOf(waiting.at(-1)!))) {
      if (found.length === query.count) return true;
      found.push(waiting.pop()!);
    }
    return false;
  };
  const more = () => ({ found, next: cursorOf(found.at(-1)!) });
  let opened = 0;
  for (const event of candidates(reading.index, query)) {
    const top: AccessCursor = [event.last, event.event, ANY, ANY];
    if (isFull(top)) return more();
    // What reaches up into the page before is opened again, and does not count: so each page comes further than the last.
    const isNew = query.after === undefined || isAfter(top, query.after);
    if (isNew && opened === OPENED_MAX) return { found, next: top };
    opened += Number(isNew);
    waiting.push(...accessesOf(await recordsAt(reading, event.event), query));
    waiting.sort((one, other) => (isAfter(cursorOf(one), cursorOf(other)) ? -1 : 1));
  }
  return isFull(END) ? more() : { found };
}

/** Above every ordinal and every index; and below everything that there is. */
const ANY = Number.MAX_SAFE_INTEGER;
const END: AccessCursor = [-1, -1, -1, -1];

/** One access by its place; undefined where there is none. */
export async function readAccess(
  reading: AccessReading,
  [event, ordinal, index]: AccessPlace,
): Promise<FoundAccess | undefined> {
  const record = (await recordsAt(reading, event))[ordinal];
  if (record === undefined || index >= Math.max(1, record.patients.length)) return undefined;
  return { record, index };
}

const cursorOf = ({ record: { at, event, ordinal }, index }: FoundAccess): AccessCursor => [at, event, ordinal, index]; // prettier-ignore

const AT_ONCE = 100;

/** Events that may hold what is asked for, those first that reach up to the latest. */
function* candidates(index: AccessIndex, query: AccessQuery): Generator<IndexedEvent> {
  const terms = termsIn(query);
  const about = terms.length === 0 ? [undefined] : terms;
  const { since = 0, until = ANY, after } = query;
  const upTo = Math.min(until, after?.[0] ?? ANY);
  for (let below: IndexedEvent | undefined; ;) {
    const lists = about.map((term) => index.events(term, since, upTo, below, AT_ONCE));
    const ends = lists.flatMap((list) => (list.length === AT_ONCE ? list.at(-1)! : []));
    // Below the end of a list that was cut another one may have more.
    const floor = ends.sort(byLast)[0];
    const events = new Map(lists.flat().map((event) => [event.event, event]));
    yield* [...events.values()].filter((event) => floor === undefined || byLast(event, floor) <= 0).sort(byLast); // prettier-ignore
    if (floor === undefined) return;
    below = floor;
  }
}

const byLast = (one: IndexedEvent, other: IndexedEvent): number =>
  other.last - one.last || other.event - one.event;

/** Those of which every record that is asked for has one; none where all events have to be looked at. */
function termsIn({ patients, agent, interaction, hiddenToo }: AccessQuery): Term[] {
  if (patients !== undefined) {
    return patients.flatMap((id): Term[] =>
      hiddenToo ? [`patient ${id}`, `hidden ${id}`] : [`patient ${id}`],
    );
  }
  if (interaction !== undefined) return [`interaction ${interaction}`];
  return agent === undefined ? [] : [`agent ${agent.toLowerCase()}`];
}

/** So many events are opened to count what is in them. */
const COUNTED_MAX = 2_000;

async function totalOf(reading: AccessReading, query: AccessQuery): Promise<number | undefined> {
  const { index } = reading;
  const { patients, agent, interaction, since = 0, until = Number.MAX_SAFE_INTEGER, hiddenToo } = query;
  const isTimed = query.since !== undefined || query.until !== undefined;
  const isCheap = patients !== undefined && agent === undefined && interaction === undefined && !isTimed;
  if (query.counted !== true && !isCheap) return undefined;
  const parts = [patients, agent, interaction].filter((it) => it !== undefined).length;
  // Of two conditions, or of one that says nothing of what is hidden, the index alone does not know who meets both.
  const isKnown = parts <= 1 && (hiddenToo || patients !== undefined);
  const terms = parts === 0 ? [undefined] : termsIn(query);
  const counted = isKnown ? terms.map((term) => index.count(term, since, until, COUNTED_MAX + 1)) : [];
  const events = isKnown
    ? new Set(counted.flatMap(({ inPart }) => inPart))
    : candidates(index, { ...query, after: undefined }).map(({ event }) => event);
  let total = counted.reduce((sum, { count }) => sum + count, 0);
  let opened = 0;
  for (const event of events) {
    if (opened === COUNTED_MAX) return undefined;
    opened += 1;
    total += [...accessesOf(await recordsAt(reading, event), { ...query, after: undefined })].length;
  }
  return total;
}

function* accessesOf(records: readonly RecordedAccess[], query: AccessQuery): Generator<FoundAccess> {
  for (const record of records) {
    if (!isAsked(record, query)) continue;
    for (let index = 0; index < Math.max(1, record.patients.length); index += 1) {
      if (query.patients !== undefined && !query.patients.includes(record.patients[index]!)) continue;
      if (query.after === undefined || isAfter(cursorOf({ record, index }), query.after))
        yield { record, index };
    }
  }
}

function isAsked(record: RecordedAccess, query: AccessQuery): boolean {
  const { at, who, patients, interaction } = record;
  if (at < (query.since ?? 0) || at > (query.until ?? Infinity)) return false;
  if (query.patients?.some((id) => patients.includes(id)) === false) return false;
  if (query.agent !== undefined && !agentsOf(who).has(query.agent.toLowerCase())) return false;
  if (query.interaction !== undefined && interaction !== query.interaction) return false;
  return query.hiddenToo || !isHiddenFromPatients(record);
}

/** Newest first: what comes after is older, or lies at a lower place. */
function isAfter(cursor: AccessCursor, after: AccessCursor): boolean {
  for (const [i, number] of cursor.entries()) if (number !== after[i]) return number < after[i]!;
  return false;
}

async function recordsAt(
  { store, keyring }: AccessReading,
  event: number,
): Promise<readonly RecordedAccess[]> {
  const [recorded] = await store.readAll({ after: event - 1, limit: 1 });
  if (recorded?.position !== event) return [];
  await keyring.know([recorded.partition]);
  return recordsOf(recorded, keyring) ?? [];
}
