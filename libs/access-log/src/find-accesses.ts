/** Looks records up in the access log, newest first. */
import type { EventStore } from '@carelog/event-store';
import type { Keyring } from '@carelog/keyring';
import { agentsOf, type AccessIndex, type Term } from './access-index.ts';
import { isHiddenFromPatients, type RecordedAccess } from './access-record.ts';
import { recordsOf } from './take-over.ts';

export interface AccessQuery {
  /** Id of the Patient that it is about. */
  readonly patient?: string;
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
  /** Only what comes after this place. */
  readonly after?: AccessPlace;
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
  /** How many there are in all, where that is known. */
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
  const { index } = reading;
  const found: FoundAccess[] = [];
  let last: AccessPlace | undefined = query.after;
  let opened = 0;
  for (const event of candidates(index, query)) {
    const span = index.span(event);
    if (span === undefined || span.last < (query.since ?? 0) || span.first > (query.until ?? Infinity)) continue; // prettier-ignore
    if (opened === OPENED_MAX) return { found, ...(last !== undefined && { next: last }) };
    opened += 1;
    for (const access of accessesOf(await recordsAt(reading, event), query)) {
      if (found.length === query.count) return { found, ...(last !== undefined && { next: last }), ...totalOf(index, query) }; // prettier-ignore
      found.push(access);
      last = placeOf(access);
    }
    // Where nothing of this event is left, the page after begins below it.
    last = [event, -1, -1];
  }
  return { found, ...totalOf(index, query) };
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
function termsIn({ patient, agent, interaction, hiddenToo }: AccessQuery): Term[] {
  if (patient !== undefined) return hiddenToo ? [`patient ${patient}`, `hidden ${patient}`] : [`patient ${patient}`]; // prettier-ignore
  if (interaction !== undefined) return [`interaction ${interaction}`];
  return agent === undefined ? [] : [`agent ${agent.toLowerCase()}`];
}

function totalOf(index: AccessIndex, query: AccessQuery): { total?: number } {
  const { patient, agent, interaction, since, until } = query;
  if (patient === undefined || [agent, interaction, since, until].some((it) => it !== undefined)) return {};
  return { total: termsIn(query).reduce((sum, term) => sum + index.count(term), 0) };
}

/** Last ones first. */
function* accessesOf(records: readonly RecordedAccess[], query: AccessQuery): Generator<FoundAccess> {
  for (const record of records.toReversed()) {
    if (!isAsked(record, query)) continue;
    for (let index = Math.max(1, record.patients.length) - 1; index >= 0; index -= 1) {
      if (query.patient !== undefined && record.patients[index] !== query.patient) continue;
      if (query.after === undefined || isAfter(placeOf({ record, index }), query.after))
        yield { record, index };
    }
  }
}

function isAsked(record: RecordedAccess, query: AccessQuery): boolean {
  const { at, who, patients, interaction } = record;
  if (at < (query.since ?? 0) || at > (query.until ?? Infinity)) return false;
  if (query.patient !== undefined && !patients.includes(query.patient)) return false;
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
