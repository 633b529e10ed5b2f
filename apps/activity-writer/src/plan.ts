/**
 * accepted → what to append. One plan is one look at the log: who each entry is, whom it is about, what it points at, and
 * the events that follow from that. If another writer was faster, the append says so and the plan is made again.
 */
import type { AccessBasis, Policy } from '@carelog/access';
import {
  canonicalContent,
  decide,
  type Decision,
  type RecordRequest,
  type Withheld,
} from '@carelog/activity';
import { newEventId, type StreamAppend } from '@carelog/event-store';
import {
  encodeContent,
  isNhsNumber,
  isNhsNumberSystem,
  patientOf,
  type IdentifiedResource,
  type Problem,
  type ReferenceElement,
} from '@carelog/fhir';
import type { Keyring } from '@carelog/keyring';
import { placed, type AcceptedEntry } from './accept.ts';
import { refusedAddress } from './address.ts';
import { createClaims } from './claims.ts';
import { createEvents, registeredPerson, type PendingEvent } from './events.ts';
import { identifyEntries, type Identity, type IdentifyContext, type Match } from './identify.ts';
import { saysTheSame, type StreamHead } from './known.ts';
import { mayRecord, mayRegister, nobodyKnown, type AccessFacts, type AccessFactsFor } from './permit.ts';
import { literalTarget, notArrived, unknownPatient } from './references.ts';

export type PlannedAnswer =
  | { readonly kind: 'created' | 'updated'; readonly stream: string; readonly content: string }
  | { readonly kind: 'deleted'; readonly stream: string; readonly head?: StreamHead }
  | (Identity & { readonly kind: 'existing' })
  | { readonly kind: 'same-as'; readonly stream: string };

export interface Plan {
  readonly problems: readonly Problem[];
  /** Of the resource that stands in the way, when one does. */
  readonly location?: string;
  /** Where the decision point refused. */
  readonly withheld?: Withheld;
  readonly answers: readonly PlannedAnswer[];
  /** Why the caller may record each of them. */
  readonly bases: readonly AccessBasis[];
  readonly appends: readonly StreamAppend[];
  /** References to resources that have not arrived, by entry. */
  readonly notes: readonly (readonly Problem[])[];
}

export interface PlanContext extends Pick<IdentifyContext, 'known' | 'fingerprint'> {
  readonly keyring: Keyring;
  readonly match: Match;
  readonly accessFacts: AccessFactsFor;
  readonly policy: Policy;
}

/** Throws only on faults. A plan with problems must not be appended. */
export async function planRequest(
  context: PlanContext,
  request: RecordRequest,
  accepted: readonly AcceptedEntry[],
): Promise<Plan> {
  const { known, keyring, fingerprint, policy } = context;
  const { caller } = request;
  const claims = createClaims(known);
  const access = context.accessFacts(caller);
  const mayKnow = async (stream: string) => access === undefined || (await isSeen(access, stream));
  const match = (type: string, criteria: string) => context.match(type, criteria, caller);
  let withheld: Withheld | undefined;
  const isFirst = request.delivery === 'first';
  const identifying = { known, fingerprint, match, mayKnow, addressProblems, isFirst };
  const { identities, problems: refused, location } = await identifyEntries(identifying, accepted, claims);
  const problems: Problem[] = [...refused];
  const bases = accepted.map(({ basis }) => basis);
  const answers = new Array<PlannedAnswer>(accepted.length);
  const notes: Problem[][] = accepted.map(() => []);
  const pending: PendingEvent[] = [];
  const partitions = new Map<string, string>();
  const streams = new Set(identities.flatMap((identity) => ('stream' in identity ? [identity.stream] : [])));

  // Streams were looked at before, so what is asked of the record from here on is at least as new.
  if (access !== undefined && problems.length === 0) problems.push(...(await access.ready()));
  if (problems.length === 0) for (const index of peopleFirst(accepted)) await planEntry(index);
  if (problems.length > 0) {
    const place = {
      ...(location !== undefined && { location }),
      ...(withheld !== undefined && { withheld }),
    };
    return { problems, answers: [], appends: [], notes: [], bases: [], ...place };
  }
  for (const { alias, target } of claims.all()) {
    const partition = partitions.get(target);
    if (partition !== undefined) pending.push({ kind: 'alias', alias, target, partition });
  }
  return { problems, answers, notes, bases, appends: await createEvents(keyring, request, pending) };

  function refuse(index: number, problem: Problem): undefined {
    problems.push(placed(problem, accepted[index]!.entry));
  }

  async function planEntry(index: number): Promise<void> {
    const identity = identities[index]!;
    if (identity.kind === 'refused') return;
    if (access !== undefined && !(await isPermitted(access, index, identity))) return;
    if (identity.kind !== 'write') {
      answers[index] = identity;
      return;
    }
    const { parsed, type } = accepted[index]!;
    const { stream, head } = identity;
    if (parsed !== undefined) parsed.value['id'] = stream.slice(type.length + 1);
    const content =
      parsed === undefined
        ? undefined
        : encodeContent(parsed.value as unknown as IdentifiedResource, parsed.exact);
    const decision = decideEntry(index, head, content);
    if (decision.kind === 'refuse') return refuse(index, decision.problem);
    if (decision.kind === 'stands') {
      answers[index] =
        decision.answer === 'existing'
          ? { kind: 'existing', stream, head: head! }
          : { kind: 'deleted', stream, ...(head !== undefined && { head }) };
      return;
    }
    const partition = await partitionFor(index, stream, head);
    if (partition === undefined) return;
    partitions.set(stream, partition);
    pending.push(pendingEvent(index, { stream, partition, decision, head, content }));
    answers[index] =
      decision.answer === 'deleted'
        ? { kind: 'deleted', stream }
        : { kind: decision.answer, stream, content: content! };
  }

  async function addressProblems(
    index: number,
    stream: string,
    stands: boolean,
  ): Promise<readonly Problem[]> {
    if (access === undefined) return [];
    // After the stream was looked at, so that the record is at least as new.
    const behind = await access.ready();
    if (behind.length > 0) return behind;
    const { type, entry } = accepted[index]!;
    const refusal = await refusedAddress(caller, access, policy, {
      type,
      method: entry.method,
      stream,
      stands,
    });
    if (refusal === undefined) return [];
    withheld ??= { reason: refusal.reason, patients: refusal.patients };
    return [refusal.problem];
  }

  async function isPermitted(
    facts: AccessFacts,
    index: number,
    identity: Exclude<Identity, { kind: 'refused' }>,
  ): Promise<boolean> {
    const { type, parsed } = accepted[index]!;
    const named = parsed === undefined ? undefined : await personOfNumber(index, parsed.value);
    const decision =
      named === 'nobody'
        ? mayRegister(caller, policy)
        : await mayRecord(caller, facts, policy, {
            type,
            stream: identity.stream,
            stands: identity.kind === 'write' && identity.head !== undefined,
            registering: new Set(identities.flatMap(registeredBy)),
            ...(parsed !== undefined && { resource: parsed.value }),
            ...(named !== undefined && { named }),
          });
    if (decision.permit) bases[index] = decision.basis;
    else {
      withheld ??= { reason: decision.reason, patients: decision.patients };
      refuse(index, decision.problem);
    }
    return decision.permit;
  }

  function registeredBy(identity: Identity, index: number): string[] {
    const isNew = identity.kind === 'write' && identity.head === undefined;
    return isNew && accepted[index]!.type === 'Patient' ? [identity.stream] : [];
  }

  /** `Patient/id` of whom the entry is about, where it names them by number alone; `nobody` where nobody has that number yet. */
  async function personOfNumber(index: number, resource: object): Promise<string | undefined> {
    const { reference, identifier } = patientOf(resource)?.reference ?? {};
    if (reference !== undefined && literalTarget(reference) !== undefined) return undefined;
    if (!isNhsNumberSystem(identifier?.system) || !isNhsNumber(identifier?.value ?? '')) return undefined;
    const alias = await known.alias('nhs-number', identifier!.value!);
    return claims.takenBy(alias) ?? (await claims.holder(alias)) ?? 'nobody';
  }

  function decideEntry(index: number, head: StreamHead | undefined, content: string | undefined): Decision {
    const { entry, parsed, type } = accepted[index]!;
    const { ifMatch, ifNoneMatch, method } = entry;
    const unchanged =
      head?.content !== undefined &&
      content !== undefined &&
      (head.content === content || saysTheSame(head.content, canonicalContent(parsed!.value, parsed!.exact)));
    const conditions = { ...(ifMatch !== undefined && { ifMatch }), ...(ifNoneMatch && { ifNoneMatch }) };
    return decide({ method, type, unchanged, ...conditions }, head);
  }

  function pendingEvent(index: number, planned: PlannedWrite): PendingEvent {
    const { parsed, eventId, receivedContent } = accepted[index]!;
    const { stream, partition, decision, head, content } = planned;
    const { action, expectedRevision } = decision;
    return {
      kind: 'resource',
      stream,
      partition,
      action,
      expectedRevision,
      type: head?.type ?? '',
      ...(content !== undefined && { content, resource: parsed!.value }),
      ...(eventId !== undefined && { id: eventId }),
      ...(receivedContent !== undefined && { receivedContent }),
    };
  }

  /** `undefined` where the entry was refused. */
  async function partitionFor(
    index: number,
    stream: string,
    head: StreamHead | undefined,
  ): Promise<string | undefined> {
    const { parsed, type } = accepted[index]!;
    if (parsed === undefined) return head!.partition;
    if (!(await checkLiterals(index, head))) return undefined;
    if (type === 'Patient') return head?.partition ?? partitions.get(stream) ?? newEventId();
    const subject = patientOf(parsed.value);
    if (subject === undefined) return head?.partition ?? 'shared';
    const outcome = await partitionOfSubject(index, subject);
    if (outcome === 'refused') return undefined;
    return outcome ?? head?.partition ?? newEventId();
  }

  /** Refuses references to people nobody registered; notes references to other resources that have not arrived. */
  async function checkLiterals(index: number, head: StreamHead | undefined): Promise<boolean> {
    // Whoever may change what stands may leave in it whom it names, though they are shown no more of them than that.
    const isNamed = (target: string) => head?.content?.includes(`"reference":"${target}"`) === true;
    const before = problems.length;
    for (const place of accepted[index]!.references.literal) {
      const target = literalTarget(place.asReceived)!;
      if (streams.has(target)) continue;
      if (target.startsWith('Patient/')) {
        if (access !== undefined && !isNamed(target) && !(await access.sees(target)))
          refuse(index, nobodyKnown(place.expression));
        else if ((await known.partitionOf(target)) === undefined)
          refuse(index, unknownPatient(place.expression));
      } else if (request.wantsNotes === true && !(await hasArrived(target))) {
        notes[index]!.push(notArrived(place.expression));
      }
    }
    return problems.length === before;
  }

  // That something arrived is not to be told to whom it is not shown.
  async function hasArrived(target: string): Promise<boolean> {
    return access === undefined ? (await known.head(target)) !== undefined : access.sees(target);
  }

  /** `undefined` where the subject names nobody that could be registered: it keeps a partition of its own. */
  async function partitionOfSubject(
    index: number,
    subject: { readonly element: string; readonly reference: ReferenceElement },
  ): Promise<string | 'refused' | undefined> {
    const { reference, identifier } = subject.reference;
    const expression = `${accepted[index]!.type}.${subject.element}`;
    const target = reference === undefined ? undefined : literalTarget(reference);
    if (target?.startsWith('Patient/')) return partitions.get(target) ?? (await known.partitionOf(target));
    if (!isNhsNumberSystem(identifier?.system) || identifier?.value === undefined) {
      if (reference === undefined) return undefined;
      refuse(index, unknownPatient(expression));
      return 'refused';
    }
    if (!isNhsNumber(identifier.value)) {
      refuse(index, { ...NOT_A_PERSON, expression: `${expression}.identifier.value` });
      return 'refused';
    }
    return partitionOfNumber(identifier.value);
  }

  /** Of the person with this number, who is registered along with the entry if nobody was before. */
  async function partitionOfNumber(number: string): Promise<string | undefined> {
    const stream = `Patient/${newEventId()}`;
    const holder = await claims.number(number, stream);
    if (holder !== undefined) return partitions.get(holder) ?? (await known.partitionOf(holder));
    const partition = newEventId();
    partitions.set(stream, partition);
    const resource = registeredPerson(stream.slice('Patient/'.length), number);
    const place = { stream, partition, action: 'new', expectedRevision: 'no-stream' } as const;
    pending.unshift({ kind: 'resource', ...place, type: '', content: encodeContent(resource), resource });
    return partition;
  }
}

async function isSeen(access: AccessFacts, stream: string): Promise<boolean> {
  return (await access.ready()).length === 0 && access.sees(stream);
}

interface PlannedWrite {
  readonly stream: string;
  readonly partition: string;
  readonly decision: Decision & { readonly kind: 'record' };
  readonly head: StreamHead | undefined;
  readonly content: string | undefined;
}

const NOT_A_PERSON: Problem = {
  category: 'rejected',
  code: 'value',
  message:
    'The person is named by something that is not an NHS number: it must be 10 digits without spaces, ending in their modulus 11 check digit. Correct the number.',
};

// So that no event comes before that of the person it is about.
function peopleFirst(accepted: readonly AcceptedEntry[]): readonly number[] {
  const rank = ({ type, entry }: AcceptedEntry): number =>
    type === 'Patient' && entry.method !== 'DELETE' ? 0 : 1;
  return [...accepted.keys()].sort((a, b) => rank(accepted[a]!) - rank(accepted[b]!));
}
