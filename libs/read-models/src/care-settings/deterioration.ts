/**
 * Who is deteriorating: the NEWS2 that waits for somebody to come. It waits once for as long as the score stays high, however
 * often it is measured, until it falls, is answered, or the person has gone home.
 */
import type { Placed, Worklist, WorkItem } from './care-setting.ts';
import { hasDied } from './death.ts';
import type { Fact, Kind } from './fact.ts';
import { spells } from './discharge-clock.ts';
import { isForScore, sayingOf } from './news2-observations.ts';
import { isAtLeast, observationSets, recordedEarlier, type ObservationSet } from './news2-sets.ts';
import { PARTS, PART_NAMES, type Response } from './news2.ts';
import { DAY_MS } from './sections.ts';
import { PLATFORM } from './withdrawn-alerts.ts';

const KINDS: ReadonlySet<Kind> = new Set(['observation', 'encounter', 'person', 'task']);

const TASK = 'https://fhir.carelog.example/CodeSystem/task';
const CODES = {
  urgent: { system: TASK, code: 'news2-urgent', display: 'NEWS2 asks for an urgent response' },
  emergency: { system: TASK, code: 'news2-emergency', display: 'NEWS2 asks for an emergency response' },
};

/** Five or six, or a single three. */
export const urgentResponse: Worklist = {
  name: 'news2-urgent',
  title: 'NEWS2: urgent response',
  kinds: KINDS,
  concerns: isOfConcern,
  items: (facts) => deteriorating(facts, 'urgent'),
  alert: { code: CODES.urgent, priority: 'urgent', isHiddenFromPatient: false }, // prettier-ignore
};

/** Seven and more. */
export const emergencyResponse: Worklist = {
  name: 'news2-emergency',
  title: 'NEWS2: emergency response',
  kinds: KINDS,
  concerns: isOfConcern,
  items: (facts) => deteriorating(facts, 'emergency'),
  alert: { code: CODES.emergency, priority: 'stat', isHiddenFromPatient: false }, // prettier-ignore
};

function isOfConcern(fact: Fact): boolean {
  return fact.kind !== 'observation' || isForScore(fact);
}

function deteriorating(
  facts: readonly Placed[],
  response: Exclude<Response, 'routine'>,
): readonly WorkItem[] {
  const { all, sets } = scoresOf(facts);
  const newest = sets[0];
  if (newest?.response !== response || isOver(facts, newest)) return [];
  const run = unanswered(facts, whileHigh(sets, response));
  const first = run.at(-1);
  if (first === undefined) return [];
  const [told] = alertsOf(facts, run, response);
  const isQuiet = told !== undefined || (response === 'urgent' && alertsOf(facts, run, 'emergency').length > 0); // prettier-ignore
  const owner = newest.sources[0].source.organisation;
  const missing = newest.score.missing.map((part) => PARTS[part]);
  const text = `NEWS2 ${isAtLeast(newest) ? 'at least ' : ''}${newest.total}${missing.length > 0 ? `; not measured: ${missing.join(', ')}` : ''}`;
  const until = new Date(all.find((it) => it.response !== 'routine')!.at + STANDS_MS).toISOString();
  const alertsUntil = new Date(newest.at + ALERTS_MS).toISOString();
  return [{ stream: told ?? first.stream, since: new Date(first.at).toISOString(), until, alertsUntil, owner, state: response, text, cause: causeOf(run, facts, response), because: streamsOf([newest, first]), ...(isQuiet && { isQuiet }) }]; // prettier-ignore
}

/** Both lists look at the same facts, one after the other. */
let last: { readonly facts: readonly Placed[]; readonly scores: Scores } | undefined;

function scoresOf(facts: readonly Placed[]): Scores {
  if (last?.facts === facts) return last.scores;
  const all = observationSets(facts, daysBeforeNewest(facts));
  const scores = { all, sets: telling(all) };
  last = { facts, scores };
  return scores;
}

type Scores = Record<'all' | 'sets', readonly ObservationSet[]>;

const streamsOf = (sets: readonly ObservationSet[]) => [...new Set(sets.flatMap((set) => set.sources.map((it) => it.stream)))].toSorted(); // prettier-ignore

/**
 * Of the run: what arrives late is recorded later, so that it stays the same while older measurements of the run come. Where the
 * platform took an alert back, because what it was about was withdrawn, what goes on waiting is alerted of anew.
 */
function causeOf(
  run: readonly ObservationSet[],
  facts: readonly Placed[],
  response: Exclude<Response, 'routine'>,
): string {
  const first = run.map((set) => set.recordedFirst).reduce(recordedEarlier);
  const takenBack = alertsIn(facts, response).filter(({ fact, source }) => fact.status === 'cancelled' && source.organisation === PLATFORM); // prettier-ignore
  return [first, ...takenBack].map(({ stream }) => stream).toSorted().join(' '); // prettier-ignore
}

/** Streams of all that tells of the run. */
const toldIn = (run: readonly ObservationSet[]) => new Set(run.flatMap((set) => set.streams));

/** Tasks of this list. */
function alertsIn(facts: readonly Placed[], response: Exclude<Response, 'routine'>): readonly Placed[] {
  const { code, system } = CODES[response];
  return facts.filter(({ fact }) => fact.kind === 'task' && fact.codes.some((it) => it.code === code && it.system === system)); // prettier-ignore
}

/** What was alerted of in this run: it goes on being about that, though older measurements of the run may come later. */
function alertsOf(
  facts: readonly Placed[],
  run: readonly ObservationSet[],
  response: Exclude<Response, 'routine'>,
): readonly string[] {
  const streams = toldIn(run);
  return alertsIn(facts, response).flatMap(({ fact }) => fact.refs['focus'] ?? []).filter((it) => streams.has(it)).toSorted(); // prettier-ignore
}

/**
 * Of all sets, newest first, those that tell how somebody is. What is measured in part tells that it is as bad as before or
 * worse; that it is better only where it measures again everything that was amiss.
 */
function telling(sets: readonly ObservationSet[]): readonly ObservationSet[] {
  const told: ObservationSet[] = [];
  for (const set of sets.toReversed()) {
    const last = told.at(-1);
    if (!isAtLeast(set) || isAsBad(set, last) || isMeasuredAgain(set, last)) told.push(set);
  }
  return told.reverse();
}

const RANK: Readonly<Record<Response, number>> = { routine: 0, urgent: 1, emergency: 2 };

function isAsBad(set: ObservationSet, last: ObservationSet | undefined): boolean {
  if (set.response === 'routine') return false;
  if (last === undefined || RANK[set.response] > RANK[last.response]) return true;
  return set.response === last.response && (set.total >= last.total || hasNewThree(set, [last]));
}

function isMeasuredAgain({ score: { parts } }: ObservationSet, last: ObservationSet | undefined): boolean {
  if (last === undefined || last.response === 'routine' || last.total !== last.score.total) return false;
  return PART_NAMES.every((part) => (last.score.parts[part] ?? 0) === 0 || parts[part] !== undefined);
}

const hasNewThree = (set: ObservationSet, before: readonly ObservationSet[]) =>
  PART_NAMES.some((part) => set.score.parts[part] === 3 && before.every((it) => it.score.parts[part] !== 3));

/** What was measured longer ago is no part of how somebody is now. */
const STANDS_MS = 3 * DAY_MS;
/** The College has nobody measured less often than every twelve hours: after four times as long a score says how somebody was. */
const ALERTS_MS = 2 * DAY_MS;
const daysBeforeNewest = (facts: readonly Placed[]) =>
  facts.reduce((at, it) => Math.max(at, sayingOf(it)?.at ?? 0), 0) - STANDS_MS;

/** Dead, or home: a hospital spell ended since and no other goes on. */
function isOver(facts: readonly Placed[], { at }: ObservationSet): boolean {
  if (hasDied(facts)) return true;
  const all = spells(facts);
  const isIn = all.some((it) => it.state === 'admitted');
  return !isIn && all.some((it) => it.endedAt !== undefined && it.endedAt >= at);
}

/** As far back as the score was never below. */
function whileHigh(sets: readonly ObservationSet[], response: Response): readonly ObservationSet[] {
  const below = sets.findIndex((set) => set.response !== response && set.response !== 'emergency');
  return below < 0 ? sets : sets.slice(0, below);
}

/**
 * Somebody comes or came, as a task about one of the observations says: from then on only what is worse than they found waits.
 * That it was cancelled or rejected says that nobody does.
 */
function unanswered(facts: readonly Placed[], run: readonly ObservationSet[]): readonly ObservationSet[] {
  const streams = toldIn(run);
  const answers = facts.filter(({ fact }) => fact.kind === 'task' && ANSWERED.has(fact.status) && (fact.refs['focus'] ?? []).some((it) => streams.has(it))); // prettier-ignore
  if (answers.length === 0) return run;
  const at = Math.max(...answers.map(answeredAt));
  const found = run.filter((set) => set.at <= at);
  const most = found.reduce((total, set) => Math.max(total, set.total), -Infinity);
  return run.filter(
    (set) => set.at > at && (set.total > most || (isAtLeast(set) && hasNewThree(set, found))),
  );
}

const answeredAt = ({ fact, source }: Placed) => Date.parse(fact.issued ?? source.occurredAt);

const ANSWERED = new Set(['accepted', 'in-progress', 'completed']);
