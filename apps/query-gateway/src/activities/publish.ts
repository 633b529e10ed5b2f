/** Records events that a provider published, and says what became of each. */
import type { RecordedEntry, RecordEntry, RecordOutcome } from '@carelog/activity';
import { operationOutcome, type Problem } from '@carelog/fhir';
import { allow } from '../access.ts';
import { room } from '../consistency.ts';
import { Refusal, type FhirAnswer, type FhirRequest, type Gateway } from '../gateway.ts';
import { accounted, askedBy, together } from '../interactions/bundle.ts';
import { locationOf, refusalOf, shownByWriting } from '../interactions/write.ts';
import { statusOfProblems } from '../status.ts';
import { checkEvent, type CheckedEvent } from './event-entry.ts';
import { roundsOf } from './rounds.ts';
import { sentEvents } from './sent-events.ts';

/** A refusal of the whole where nothing was recorded; in a batch each event has its own answer. */
export async function publish(
  gateway: Gateway,
  request: FhirRequest,
  bytes: Buffer,
): Promise<FhirAnswer | Refusal> {
  const allowed = mayPublish(gateway, request);
  if (allowed instanceof Refusal) return allowed;
  const sent = sentEvents(request.headers, bytes);
  if (sent instanceof Refusal) return sent;
  const checked = sent.events.map((it, index) => checkEvent(it, sent.isBatch ? `[${index}].` : ''));
  const [single] = checked;
  if (!sent.isBatch && single?.kind === 'wrong') return new Refusal(single.problems);
  const full = await room(gateway);
  if (full !== undefined) return full;
  const outcomes = await recordInRounds(gateway, request, checked);
  return sent.isBatch
    ? answerToBatch(gateway, request, checked, outcomes)
    : answerToOne(request, single as CheckedEvent & { kind: 'entry' }, outcomes[0]!);
}

/** Somebody who may record something; which, is decided event by event. */
function mayPublish(gateway: Gateway, { caller }: FhirRequest) {
  const create = allow(gateway, caller, 'create');
  return create instanceof Refusal && !(allow(gateway, caller, 'update') instanceof Refusal)
    ? undefined
    : create;
}

/** By index; undefined where an event asks for nothing that could be recorded. */
async function recordInRounds(
  { recordActivity }: Gateway,
  { caller, trace }: FhirRequest,
  checked: readonly CheckedEvent[],
): Promise<readonly (RecordOutcome | undefined)[]> {
  const asked = checked.flatMap((it, index) => (it.kind === 'entry' ? [{ index, entry: it.entry }] : []));
  const outcomes = new Array<RecordOutcome | undefined>(checked.length);
  const waiting = new Set<string>();
  for (const round of roundsOf(asked.map(({ entry }) => entry))) {
    const [held, due] = [[] as number[], [] as number[]];
    for (const at of round) (waiting.has(resourceOf(asked[at]!.entry)) ? held : due).push(at);
    for (const at of held) outcomes[asked[at]!.index] = HELD;
    if (due.length === 0) continue;
    const entries = due.map((at) => asked[at]!.entry);
    const mode = 'batch' as const;
    const answered = await recordActivity.record({
      caller,
      mode,
      entries,
      ...(trace !== undefined && { trace }),
    });
    for (const [at, outcome] of answered.entries()) {
      outcomes[asked[due[at]!]!.index] = outcome;
      if (isPassing(outcome)) waiting.add(resourceOf(entries[at]!));
    }
  }
  return outcomes;
}

/** What has no id is a resource of its own. */
const resourceOf = ({ type, id, publishedAs }: RecordEntry): string =>
  id === undefined ? `event ${publishedAs}` : `${type}/${id}`;

/** Refused for now: what comes after it about the same resource must not overtake it, since it will be sent again. */
function isPassing(outcome: RecordOutcome): boolean {
  const [problem] = outcome.kind === 'refused' ? outcome.problems : [];
  return problem !== undefined && PASSING.has(problem.category);
}
const PASSING: ReadonlySet<Problem['category']> = new Set(['busy', 'unavailable', 'storage-full']);

const HELD: RecordOutcome = {
  kind: 'refused',
  problems: [
    {
      category: 'unavailable',
      code: 'transient',
      message:
        'An earlier event of this batch about the same resource could not be recorded just now. Send both again in a moment, in their order.',
    },
  ],
};

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' } as const;

function answerToOne(
  request: FhirRequest,
  event: CheckedEvent & { readonly kind: 'entry' },
  outcome: RecordOutcome,
): FhirAnswer | Refusal {
  if (outcome.kind === 'refused') return refusalOf(request, [event.entry], outcome);
  const recorded = outcome.entries[0]!;
  const result = resultOf(request, event, recorded);
  const { status, location } = result;
  const headers = { ...JSON_TYPE, location, 'carelog-position': String(outcome.position) };
  const account = { shown: shownByWriting(recorded), basis: recorded.basis, isRecorded: true } as const;
  return { status, headers, ...account, body: JSON.stringify(result) };
}

async function answerToBatch(
  gateway: Gateway,
  request: FhirRequest,
  checked: readonly CheckedEvent[],
  outcomes: readonly (RecordOutcome | undefined)[],
): Promise<FhirAnswer> {
  const told = checked.map(async (event, index) => {
    const outcome = outcomes[index];
    if (outcome?.kind === 'recorded') return resultOf(request, event, outcome.entries[0]!, index);
    if (event.kind === 'wrong') return refusedResult(event, event.problems, index);
    const refusal = refusalOf(request, [event.entry], outcome as RecordOutcome & { kind: 'refused' });
    const answer = await accounted(gateway, askedBy(request, event.entry), refusal);
    return refusedResult(event, (answer as Refusal).problems, index);
  });
  const results = await Promise.all(told);
  const recorded = outcomes.filter((it) => it?.kind === 'recorded');
  const position = recorded.reduce((most, it) => Math.max(most, it.position), 0);
  const headers = { ...JSON_TYPE, ...(position > 0 && { 'carelog-position': String(position) }) };
  const shown = together(recorded.map(({ entries }) => shownByWriting(entries[0]!)));
  const body = JSON.stringify({ results });
  return { status: 200, headers, body, shown, basis: 'entry-by-entry', ...(recorded.length > 0 && { isRecorded: true }) }; // prettier-ignore
}

const nameOf = ({ id, source }: CheckedEvent, index: number | undefined) => ({
  ...(index !== undefined && { index }),
  ...(id !== undefined && { id }),
  ...(source !== undefined && { source }),
});

/** 201 where something was recorded, 200 where it stood already. */
function resultOf({ base }: FhirRequest, event: CheckedEvent, recorded: RecordedEntry, index?: number) {
  const status = recorded.kind === 'existing' ? 200 : 201;
  return { ...nameOf(event, index), status, location: `${base}/${locationOf(recorded)}` };
}

function refusedResult(event: CheckedEvent, problems: readonly Problem[], index: number) {
  const status = statusOfProblems(problems);
  return { ...nameOf(event, index), status, outcome: operationOutcome(problems) };
}
