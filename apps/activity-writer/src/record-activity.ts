/**
 * The writer behind the `RecordActivity` port: received → accepted → recorded. Whoever loses a race for a stream or an
 * alias looks again and decides again, so that a client hears of a conflict only when its own resource changed.
 */
import { defaultPolicy, type Policy } from '@carelog/access';
import type {
  RecordActivity,
  RecordedEntry,
  RecordEntry,
  RecordOutcome,
  RecordRequest,
} from '@carelog/activity';
import {
  derivedEventId,
  StoreFault,
  type AppendOutcome,
  type EventStore,
  type Recorded,
} from '@carelog/event-store';
import { toServed, type Problem } from '@carelog/fhir';
import { KeyringFault, type Keyring } from '@carelog/keyring';
import { spanIn } from '@carelog/service-kit';
import { accept, type AcceptedEntry } from './accept.ts';
import { createKnown, type StreamHead } from './known.ts';
import type { Match } from './identify.ts';
import type { AccessFactsFor } from './permit.ts';
import { planRequest, type Plan, type PlanContext, type PlannedAnswer } from './plan.ts';

export interface WriterOptions {
  readonly store: EventStore;
  readonly keyring: Keyring;
  readonly match: Match;
  readonly accessFacts: AccessFactsFor;
  /** By which is decided; that which is shipped unless told. */
  readonly policy?: Policy;
  /** False while the disk is so full that the views could not follow another event. */
  readonly hasRoom: () => boolean;
}

const NO_ROOM: Problem = {
  category: 'storage-full',
  code: 'no-store',
  message:
    'The disk that holds the log has no room left. Nothing was recorded; reading goes on. Send it again once an operator has made room.',
};
const ENDING: Problem = {
  category: 'unavailable',
  code: 'transient',
  message: 'The server is ending. Nothing was recorded; send it again to the next one.',
};
const ERASED: Problem = {
  category: 'gone',
  code: 'deleted',
  message:
    'The record of this person was erased: its key is destroyed, and nothing more is recorded under it. Register the person anew if they are still in care.',
};

/** How often a request looks again after another writer was faster, before it is told to come back. */
const ATTEMPTS_MAX = 50;

export function createRecordActivity({
  store,
  keyring,
  match,
  accessFacts,
  policy = defaultPolicy(),
  hasRoom,
}: WriterOptions): RecordActivity {
  const encoder = new TextEncoder();
  const known = createKnown(store, keyring);
  const context: PlanContext = {
    known,
    match,
    accessFacts,
    policy,
    keyring,
    fingerprint: (partition, content) => keyring.fingerprint(partition, encoder.encode(content)),
  };

  return {
    async record(request) {
      if (request.mode !== 'batch') return [await recordTogether(request)];
      const outcomes = new Array<RecordOutcome>(request.entries.length);
      // https://hl7.org/fhir/R4/http.html#brules: entries do not depend on each other, but deletes come first.
      for (const method of ['DELETE', 'POST', 'PUT'] as const) {
        const indexes = [...request.entries.keys()].filter(
          (index) => request.entries[index]!.method === method,
        );
        await Promise.all(
          indexes.map(async (index) => {
            outcomes[index] = await recordTogether(
              { ...request, mode: 'single', entries: [request.entries[index]!] },
              index,
            );
          }),
        );
      }
      return outcomes;
    },
  };

  async function recordTogether(request: RecordRequest, offset = 0): Promise<RecordOutcome> {
    const acceptance = accept(request, policy, (entry, index) => eventIdOf(request, entry, offset + index));
    if (acceptance.kind === 'refused') return acceptance;
    try {
      return await recordAccepted(request, acceptance.entries);
    } catch (fault) {
      return { kind: 'refused', problems: [refusedByStorage(fault)] };
    }
  }

  async function recordAccepted(
    request: RecordRequest,
    accepted: readonly AcceptedEntry[],
  ): Promise<RecordOutcome> {
    if (!hasRoom()) return { kind: 'refused', problems: [NO_ROOM] };
    let hasLookedAgain = false;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      const accepting = spanIn(request.trace, 'accepted');
      // Whoever was faster may have been this same request on another way.
      const asked = attempt === 0 ? request : again(request);
      const plan = await planRequest(context, asked, accepted);
      accepting.end({ attempt, entries: accepted.length, problems: plan.problems.length });
      if (plan.problems.length > 0) {
        // Recorded between the look for its own events and that at what it changes, it stands in its own way.
        const mayCross = asked.delivery !== 'first' && !hasLookedAgain;
        if (!mayCross || !(await isRecorded(accepted))) return refusal(plan);
        hasLookedAgain = true;
        continue;
      }
      const recording = spanIn(request.trace, 'recorded');
      const outcome: AppendOutcome =
        plan.appends.length === 0 ? { kind: 'appended', events: [] } : await store.append(plan.appends);
      recording.end({ attempt, outcome: outcome.kind, appends: plan.appends.length });
      if (outcome.kind === 'appended') return recorded(request, accepted, plan, outcome.events);
    }
    const message =
      'Others keep changing the same resources. Nothing was recorded; send it again in a moment.';
    return { kind: 'refused', problems: [{ category: 'busy', code: 'throttled', message }] };
  }

  async function isRecorded(accepted: readonly AcceptedEntry[]): Promise<boolean> {
    for (const { eventId } of accepted) {
      if (eventId !== undefined && (await known.event(eventId)) !== undefined) return true;
    }
    return false;
  }

  function recorded(
    { delivery }: RecordRequest,
    accepted: readonly AcceptedEntry[],
    plan: Plan,
    events: readonly Recorded[],
  ): RecordOutcome {
    const byStream = new Map(events.map((event) => [event.stream, event]));
    const byAnswer = plan.answers.map((answer, index) => ({
      ...asAnswered(
        answer,
        delivery,
        entryOf(answer, byStream, plan, accepted[index]!.type, plan.notes[index]!),
      ),
      basis: plan.bases[index]!,
    }));
    const position = events.at(-1)?.position ?? Math.max(0, ...byAnswer.map((entry) => entry.position));
    return { kind: 'recorded', entries: byAnswer, position };
  }

  function entryOf(
    answer: PlannedAnswer,
    events: ReadonlyMap<string, Recorded>,
    plan: Plan,
    type: string,
    notes: readonly Problem[],
  ): Omit<RecordedEntry, 'basis'> {
    const id = answer.stream.slice(type.length + 1);
    const event = events.get(answer.stream);
    if (answer.kind === 'existing') return { kind: 'existing', type, id, notes, ...standing(answer.head) };
    if (answer.kind === 'same-as') {
      const content = plan.answers.find((other) => other.stream === answer.stream && 'content' in other);
      const body = content !== undefined && 'content' in content ? content.content : undefined;
      return { kind: 'existing', type, id, notes, ...(event && fresh(event, body)) } as Omit<
        RecordedEntry,
        'basis'
      >;
    }
    if (answer.kind === 'deleted') {
      if (event !== undefined) return { kind: 'deleted', type, id, notes, ...fresh(event) };
      if (answer.head !== undefined)
        return { kind: 'deleted', type, id, notes, ...standing({ ...answer.head, content: undefined }) };
      return { kind: 'deleted', type, id, notes, versionId: 0, lastUpdated: '', position: 0 };
    }
    return { kind: answer.kind, type, id, notes, ...fresh(event!, answer.content) };
  }
}

/** What a full disk, a shutdown, an erased person or a limit of the log refuses is an answer; every other fault is thrown on. */
function refusedByStorage(fault: unknown): Problem {
  if (!(fault instanceof StoreFault || fault instanceof KeyringFault)) throw fault;
  if (fault.code === 'full') return NO_ROOM;
  if (fault.code === 'closed') return ENDING;
  if (fault.code === 'erased') return ERASED;
  if (fault.code === 'invalid') return { category: 'too-large', code: 'too-long', message: fault.message };
  throw fault;
}

const again = ({ delivery: _delivery, ...request }: RecordRequest): RecordRequest => request;

const OUTCOMES = { new: 'created', amend: 'updated', retract: 'deleted' } as const;

/** What an earlier try recorded, whose answer got lost, is answered as it would have been then. */
function asAnswered<Entry extends Pick<RecordedEntry, 'kind'>>(
  answer: PlannedAnswer,
  delivery: RecordRequest['delivery'],
  entry: Entry,
): Entry {
  if (answer.kind !== 'existing' || answer.own === undefined || delivery !== 'again') return entry;
  return { ...entry, kind: OUTCOMES[answer.own] };
}

function eventIdOf(request: RecordRequest, entry: RecordEntry, index: number): string | undefined {
  if (entry.eventId !== undefined) return entry.eventId;
  const { organisation, system } = request.caller;
  const publisher = `${organisation}|${system}`;
  // A namespace of its own: no Idempotency-Key can be chosen so that it names an event of somebody's.
  if (entry.publishedAs !== undefined) return derivedEventId(`published|${publisher}`, entry.publishedAs);
  if (request.idempotencyKey === undefined) return undefined;
  return derivedEventId(publisher, `${request.idempotencyKey}|${index}`);
}

function refusal(plan: Plan): RecordOutcome {
  const { problems, location, withheld } = plan;
  const known = { ...(location !== undefined && { location }), ...(withheld !== undefined && { withheld }) };
  return { kind: 'refused', problems, ...known };
}

function standing(head: Omit<StreamHead, 'content'> & { content?: string | undefined }) {
  return fresh(head, head.content);
}

function fresh(event: Pick<Recorded, 'revision' | 'recordedAt' | 'position'>, content?: string) {
  const versionId = event.revision;
  const lastUpdated = event.recordedAt;
  const facts = { versionId, lastUpdated, position: event.position };
  return content === undefined
    ? facts
    : { ...facts, body: toServed(content, { versionId: String(versionId), lastUpdated }) };
}
