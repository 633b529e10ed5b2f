/** Looks records up in the access log, newest first. */
import type { EventStore } from '@carelog/event-store';
import type { Keyring } from '@carelog/keyring';
import { agentsOf, type AccessIndex, type Term } from './access-index.ts';
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
  /** Only what comes after this place. */
  readonly after?: AccessPlace | undefined;
}

/** One access of one patient: a record that is about several is found once for each, one about nobody once. */
export interface FoundAccess {
  readonly record: RecordedAccess;
  /** Which of `record.patients`; 0 where there is none. */
  readonly index: number;
}

/** Event, ordinal and index. */
export type AccessPlace = readonly [number, number, number];

export interface FoundAccesses {
  readonly found: readonly FoundAccess[];
  /** There may be more: after this place. */
  readonly next?: AccessPlace;
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
  const { index } = reading;
  const found: FoundAccess[] = [];
  if (query.count === 0 || query.patients?.length === 0) return { found };
  let last: AccessPlace | undefined = query.after;
  let opened = 0;
  const more = () => ({ found, ...(last !== undefined && { next: last }) });
  for (const event of candidates(index, query)) {
    if (!isWithin(index, event, query)) continue;
    if (opened === OPENED_MAX) return more();
    opened += 1;
    for (const access of accessesOf(await recordsAt(reading, event), query)) {
      if (found.length === query.count) return more();
      found.push(access);
      last = placeOf(access);
    }
    // Where nothing of this event is left, the page after begins below it.
    last = [event, -1, -1];
  }
  return { found };
}

function isWithin(index: AccessIndex, event: number, { since = 0, until = Infinity }: AccessQuery): boolean {
  const span = index.span(event);
  return span !== undefined && span.last >= since && span.first <= until;
}

/** One access by its place; undefined where there is none. */
export async function readAccess(
  reading: AccessReading,
  [event, ordinal, index]: AccessPlace,
): Promise<FoundAccess | undefined> {
  const record = (await recordsAt(reading, event))[ordinal];
  if (record === undefined || index >= Math.max(1, record.patients.length)) return undefined;
  return { record, index };
}

export const placeOf = ({ record, index }: FoundAccess): AccessPlace => [record.event, record.ordinal, index];

const AT_ONCE = 100;

/** Events that may hold what is asked for, newest first. */
function* candidates(index: AccessIndex, query: AccessQuery): Generator<number> {
  const terms = termsIn(query);
  let from = query.after?.[0] ?? Number.MAX_SAFE_INTEGER;
  for (;;) {
    const lists = terms.length === 0
      ? [index.events(query.since ?? 0, query.until ?? Number.MAX_SAFE_INTEGER, from, AT_ONCE)]
      : terms.map((term) => index.postings(term, from, AT_ONCE).map((posting) => posting.event)); // prettier-ignore
    const full = lists.filter((list) => list.length === AT_ONCE);
    // Below the end of a list that was cut another one may have more.
    const floor = full.length === 0 ? 0 : Math.max(...full.map((list) => list.at(-1)!));
    yield* [...new Set(lists.flat())].filter((event) => event >= floor).sort((a, b) => b - a);
    if (full.length === 0) return;
    from = floor - 1;
  }
}

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
    : candidates(index, { ...query, after: undefined });
  let total = counted.reduce((sum, { count }) => sum + count, 0);
  let opened = 0;
  for (const event of events) {
    if (!isWithin(index, event, query)) continue;
    if (opened === COUNTED_MAX) return undefined;
    opened += 1;
    total += [...accessesOf(await recordsAt(reading, event), { ...query, after: undefined })].length;
  }
  return total;
}

/** Last ones first. */
function* accessesOf(records: readonly RecordedAccess[], query: AccessQuery): Generator<FoundAccess> {
  for (const record of records.toReversed()) {
    if (!isAsked(record, query)) continue;
    for (let index = Math.max(1, record.patients.length) - 1; index >= 0; index -= 1) {
      if (query.patients !== undefined && !query.patients.includes(record.patients[index]!)) continue;
      if (query.after === undefined || isAfter(placeOf({ record, index }), query.after))
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

/** Newest first: what comes after lies at a lower place. */
function isAfter(place: AccessPlace, after: AccessPlace): boolean {
  for (const [i, number] of place.entries()) if (number !== after[i]) return number < after[i]!;
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
