/**
 * Who is deteriorating: the NEWS2 that waits for somebody to come. It waits once for as long as the score stays high, however
 * often it is measured, until it falls, is answered, or the person has gone home.
 */
import type { Placed, Worklist, WorkItem } from './care-setting.ts';
import type { Fact, Kind } from './fact.ts';
import { spells } from './discharge-clock.ts';
import { isForScore, observationSets, type ObservationSet } from './news2-sets.ts';
import { PARTS, type Response } from './news2.ts';
import { DAY_MS, timeOf } from './sections.ts';

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
  const sets = observationSets(facts, daysBeforeNewest(facts)).filter(isTelling);
  const newest = sets[0];
  if (newest?.response !== response || isOver(facts, newest)) return [];
  const run = unanswered(facts, whileHigh(sets, response));
  const first = run.at(-1);
  if (first === undefined) return [];
  const [told] = alertsOf(facts, run, response);
  const isQuiet = told !== undefined || (response === 'urgent' && alertsOf(facts, run, 'emergency').length > 0); // prettier-ignore
  const owner = newest.sources[0].source.organisation;
  const missing = newest.score.missing.map((part) => PARTS[part]);
  const text = `NEWS2 ${newest.total}${missing.length > 0 ? `; not measured: ${missing.join(', ')}` : ''}`;
  const until = new Date(newest.at + STANDS_MS).toISOString();
  const alertsUntil = new Date(newest.at + ALERTS_MS).toISOString();
  return [{ stream: told ?? first.stream, since: new Date(first.at).toISOString(), until, alertsUntil, owner, state: response, text, cause: firstRecorded(run), because: streamsOf([newest, first]), ...(isQuiet && { isQuiet }) }]; // prettier-ignore
}

const streamsOf = (sets: readonly ObservationSet[]) => [...new Set(sets.flatMap((set) => set.sources.map((it) => it.stream)))].toSorted(); // prettier-ignore

/** Of the run: what arrives late is recorded later, so that it stays the same while older measurements of the run come. */
function firstRecorded(run: readonly ObservationSet[]): string {
  return run.flatMap((set) => set.sources).reduce((a, b) => (b.source.position < a.source.position ? b : a)).stream; // prettier-ignore
}

/** What was alerted of in this run: it goes on being about that, though older measurements of the run may come later. */
function alertsOf(
  facts: readonly Placed[],
  run: readonly ObservationSet[],
  response: Exclude<Response, 'routine'>,
): readonly string[] {
  const streams = new Set(streamsOf(run));
  const { code, system } = CODES[response];
  const alerts = facts.filter(({ fact }) => fact.kind === 'task' && fact.codes.some((it) => it.code === code && it.system === system)); // prettier-ignore
  return alerts.flatMap(({ fact }) => fact.refs['focus'] ?? []).filter((it) => streams.has(it)).toSorted(); // prettier-ignore
}

/** What is measured in part and is not high says nothing of what was high before. */
const isTelling = ({ score, response, recorded }: ObservationSet) =>
  response !== 'routine' || score.missing.length === 0 || recorded !== undefined;

/** What was measured longer ago is no part of how somebody is now. */
const STANDS_MS = 3 * DAY_MS;
/** The College has nobody measured less often than every twelve hours: after four times as long a score says how somebody was. */
const ALERTS_MS = 2 * DAY_MS;
const daysBeforeNewest = (facts: readonly Placed[]) =>
  facts.reduce((at, it) => (it.fact.kind === 'observation' && isForScore(it.fact) ? Math.max(at, timeOf(it)) : at), 0) - STANDS_MS; // prettier-ignore

/** Dead, or home: a hospital spell ended since and no other goes on. */
function isOver(facts: readonly Placed[], { at }: ObservationSet): boolean {
  if (facts.some(({ fact }) => fact.kind === 'person' && fact.to !== undefined)) return true;
  const all = spells(facts);
  const isIn = all.some((it) => it.state === 'admitted');
  return !isIn && all.some((it) => it.endedAt !== undefined && it.endedAt >= at);
}

/** As far back as the score was never below. */
function whileHigh(sets: readonly ObservationSet[], response: Response): readonly ObservationSet[] {
  const below = sets.findIndex((set) => set.response !== response && set.response !== 'emergency');
  return below < 0 ? sets : sets.slice(0, below);
}

/** Somebody came, as a task about one of the observations says: from then on only what is worse than they found waits. */
function unanswered(facts: readonly Placed[], run: readonly ObservationSet[]): readonly ObservationSet[] {
  const streams = new Set(streamsOf(run));
  const answers = facts.filter(({ fact }) => fact.kind === 'task' && DONE.has(fact.status) && (fact.refs['focus'] ?? []).some((it) => streams.has(it))); // prettier-ignore
  if (answers.length === 0) return run;
  const at = Math.max(...answers.map(answeredAt));
  const found = Math.max(...run.filter((set) => set.at <= at).map((set) => set.total));
  return run.filter((set) => set.at > at && set.total > found);
}

const answeredAt = ({ fact, source }: Placed) => Date.parse(fact.issued ?? source.occurredAt);

const DONE = new Set(['completed', 'cancelled', 'rejected']);
