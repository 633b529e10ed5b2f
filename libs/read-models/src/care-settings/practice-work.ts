/**
 * What waits for the practice: letters and abnormal results that nobody has dealt with, referrals that nobody has answered,
 * appointments that were missed. What answers each is said in docs/reference/care-settings.md
 */
import type { Placed, WorkItem, Worklist } from './care-setting.ts';
import { isLetter, isSigned, lettersIn } from './letters.ts';
import { saidAt, type Told } from './matching.ts';
import { abnormalityOf, isAbnormal, resultsIn, type Result } from './results.ts';
import { DAY_MS, isCoded, ofKind, timeOf } from './sections.ts';

/** Letters of others that no finished Task has as its focus; `in-hand` where a Task was begun. */
export const lettersNotFiled: Worklist = {
  name: 'letters-not-filed',
  title: 'Letters not filed',
  kinds: new Set(['person', 'document', 'task']),
  items: (facts) =>
    lettersIn(facts).flatMap((letter) => {
      if (!isLetter(letter) || !isSigned(letter) || isOwn(letter, facts)) return [];
      const state = answerTo(letter, facts);
      return state === 'done' ? [] : [itemOf(letter[0], state, facts)];
    }),
};

/** Final abnormal results of those who are not in hospital, which nothing answers that was written after them. */
export const resultsNotActedOn: Worklist = {
  name: 'results-not-acted-on',
  title: 'Abnormal results not acted on',
  kinds: new Set(['person', 'result', 'observation', 'task', 'message', 'referral', 'encounter']),
  concerns: (fact) => fact.kind !== 'observation' || isAbnormal(fact),
  items: (facts) =>
    resultsIn(facts).flatMap((result) => {
      const abnormality = abnormalityToAct(result, facts);
      if (abnormality === undefined) return [];
      const state = answerTo(result, facts);
      if (state === 'done') return [];
      const due = abnormality === 'critical' ? DAY_MS : undefined;
      return [itemOf(result[0], state === 'waiting' ? abnormality : state, facts, due)];
    }),
};

/** Active referrals for which nothing is booked; `cancelled` where something was. */
export const referralsWithoutAppointment: Worklist = {
  name: 'referrals-without-appointment',
  title: 'Referrals without appointment',
  kinds: new Set(['person', 'referral', 'appointment', 'encounter']),
  items: (facts) =>
    ofKind(facts, 'referral').flatMap((referral) => {
      if (!isReferral(referral)) return [];
      const answers = basedOn(referral, ofKind(facts, 'appointment', 'encounter'));
      if (answers.some(({ fact }) => !NOT_BOOKED.has(fact.status))) return [];
      const isCancelled = answers.some(({ fact }) => fact.status === 'cancelled');
      const wait = URGENT.has(referral.fact.grade ?? '') ? URGENT_WAIT : ROUTINE_WAIT;
      return [itemOf(referral, isCancelled ? 'cancelled' : 'no-appointment', facts, wait)];
    }),
};

/** Appointments that the person did not come to, without another one since. */
export const appointmentsMissed: Worklist = {
  name: 'appointments-missed',
  title: 'Appointments missed',
  kinds: new Set(['person', 'appointment', 'task']),
  items: (facts) => {
    const appointments = ofKind(facts, 'appointment');
    return appointments.flatMap((missed) => {
      if (missed.fact.status !== 'noshow') return [];
      if (appointments.some((it) => isInsteadOf(it, missed))) return [];
      const state = answerTo([missed], facts);
      return state === 'done' ? [] : [itemOf(missed, state === 'waiting' ? 'missed' : state, facts)];
    });
  },
};

function itemOf(about: Placed, state: string, facts: readonly Placed[], wait?: number): WorkItem {
  const since = about.fact.kind === 'appointment' ? timeOf(about) : saidAt(about);
  const owner = practiceOf(facts)[0];
  return {
    stream: about.stream,
    since: new Date(since).toISOString(),
    state,
    text: about.fact.text === '' ? about.fact.type : about.fact.text,
    ...(wait !== undefined && { due: new Date(since + wait).toISOString() }),
    ...(owner !== undefined && { owner }),
  };
}

const practiceOf = (facts: readonly Placed[]) =>
  ofKind(facts, 'person').flatMap(({ fact }) => fact.refs['practice'] ?? []);

/** Whether the person's own practice wrote it. */
export function isOwn(letter: Told, facts: readonly Placed[]): boolean {
  const practice = practiceOf(facts);
  return letter.some(({ fact }) => [...(fact.refs['organisation'] ?? []), ...(fact.refs['author'] ?? [])].some((it) => practice.includes(it))); // prettier-ignore
}

function answerTo(about: Told | Result, facts: readonly Placed[]): 'done' | 'in-hand' | 'waiting' {
  const statuses = answersTo(about, facts).map(statusOf);
  if (statuses.includes('completed')) return 'done';
  return statuses.some((it) => it !== undefined && IN_HAND.has(it)) ? 'in-hand' : 'waiting';
}

/** When it was dealt with first, in milliseconds UTC; undefined while it waits. */
export function answeredAt(about: Told | Result, facts: readonly Placed[]): number | undefined {
  const done = answersTo(about, facts).filter((it) => statusOf(it) === 'completed');
  return done.length === 0 ? undefined : Math.min(...done.map(saidAt));
}

/** What was written after it and deals with it: a Task about it, a message about it, a referral because of it. */
function answersTo(about: Told | Result, facts: readonly Placed[]): readonly Placed[] {
  const streams = new Set(about.map(({ stream }) => stream));
  const [told, ...more] = about;
  // What is measured as usual, and comes later, makes nobody look again.
  const written = Math.max(...[told, ...more.filter((it) => it.fact.kind !== 'observation' || isAbnormal(it.fact))].map(saidAt)); // prettier-ignore
  return ofKind(facts, 'task', 'message', 'referral').filter(
    (it) => saidAt(it) >= written && namesOf(it).some((ref) => streams.has(ref)),
  );
}

const statusOf = ({ fact: { kind, status } }: Placed) => kind === 'referral' ? ANSWER_OF_REFERRAL.get(status) : status; // prettier-ignore

const namesOf = ({ fact: { refs } }: Placed) => [...(refs['focus'] ?? []), ...(refs['about'] ?? []), ...(refs['reason'] ?? [])]; // prettier-ignore
/** https://hl7.org/fhir/R4/valueset-task-status.html */
const IN_HAND = new Set(['accepted', 'in-progress']);
/** To refer is to act. */
const ANSWER_OF_REFERRAL = new Map([
  ['active', 'completed'],
  ['completed', 'completed'],
]);

/** How abnormal a result is that somebody outside hospital has to act on; undefined where nobody has to. */
export function abnormalityToAct(
  result: Result,
  facts: readonly Placed[],
): 'critical' | 'abnormal' | undefined {
  return FINAL.has(result[0].fact.status) && !isOfHospital(result, facts) ? abnormalityOf(result) : undefined;
}

const FINAL = new Set(['final', 'amended', 'corrected', 'appended']);

/** Of a stay in hospital: those who care for it there act on it. */
function isOfHospital([{ fact }]: Result, facts: readonly Placed[]): boolean {
  const during = fact.refs['encounter'] ?? [];
  return facts.some((it) => during.includes(it.stream) && IN_HOSPITAL.has(it.fact.grade ?? ''));
}
const IN_HOSPITAL = new Set(['IMP', 'ACUTE', 'NONAC', 'SS', 'OBSENC', 'EMER']);

/** To a service, rather than for a test. https://hl7.org/fhir/R4/valueset-servicerequest-category.html */
const isReferral = ({ fact: { status, note, categories } }: Placed) =>
  status === 'active' && ORDERED.has(note ?? '') && !isCoded(categories, FOR_TESTS);
const ORDERED = new Set(['order', 'original-order', 'filler-order', 'instance-order']);
const FOR_TESTS = new Set(['108252007', '363679005', '103693007']);
const URGENT = new Set(['urgent', 'asap', 'stat']);
const URGENT_WAIT = 14 * DAY_MS;
/** Of the NHS Constitution: 18 weeks from referral to treatment. https://www.england.nhs.uk/rtt/ */
const ROUTINE_WAIT = 126 * DAY_MS;

const basedOn = ({ stream }: Placed, answers: readonly Placed[]) =>
  answers.filter(({ fact }) => fact.refs['basedOn']?.includes(stream) === true);

/** https://hl7.org/fhir/R4/valueset-appointmentstatus.html */
const NOT_BOOKED = new Set(['proposed', 'waitlist', 'cancelled']);

/** Booked for later, for the same referral or the same service, or in so many words. */
function isInsteadOf(it: Placed, missed: Placed): boolean {
  if (it.stream === missed.stream || NOT_BOOKED.has(it.fact.status)) return false;
  if (it.fact.refs['replaces']?.includes(missed.stream) === true) return true;
  if (timeOf(it) <= timeOf(missed)) return false;
  const referrals = missed.fact.refs['basedOn'] ?? [];
  if (referrals.length > 0) return it.fact.refs['basedOn']?.some((ref) => referrals.includes(ref)) === true;
  return isCoded(it.fact.codes, new Set(missed.fact.codes.map(({ code }) => code)));
}
