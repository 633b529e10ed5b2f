/**
 * accepted → what to append. One plan is one look at the log: who each entry is (new, known, or the same thing sent
 * again), whom it is about, what it points at, and the events that follow from that. If another writer was faster, the
 * append says so and the plan is made again from what the log holds then.
 */
import { canonicalContent, decide, type RecordRequest } from '@carelog/activity';
import type { StreamAppend } from '@carelog/event-store';
import { newEventId } from '@carelog/event-store';
import {
  businessIdentifiers,
  encodeContent,
  isNhsNumber,
  isNhsNumberSystem,
  patientOf,
  type IdentifiedResource,
  type Problem,
  type ReferenceElement,
} from '@carelog/fhir';
import { placed, type AcceptedEntry } from './accept.ts';
import { createEvents, registeredPerson, type PendingEvent } from './events.ts';
import { saysTheSame, type AliasHead, type Known, type StreamHead } from './known.ts';
import {
  literalTarget,
  referencesOf,
  unknownPatient,
  type ReferencePlace,
  type References,
} from './references.ts';

/** Ids of the resources of a type that match search criteria in a view that has reached the head of the log. */
export type Match = (
  type: string,
  criteria: string,
) => Promise<
  | { readonly kind: 'matched'; readonly ids: readonly string[] }
  | { readonly kind: 'refused'; readonly problems: readonly Problem[] }
>;

export type PlannedAnswer =
  | { readonly kind: 'created' | 'updated'; readonly stream: string; readonly content: string }
  | { readonly kind: 'deleted'; readonly stream: string; readonly head?: StreamHead }
  | { readonly kind: 'existing'; readonly stream: string; readonly head: StreamHead }
  | { readonly kind: 'same-as'; readonly stream: string };

export interface Plan {
  readonly problems: readonly Problem[];
  /** Of the resource that stands in the way, when one does. */
  readonly location?: string;
  readonly answers: readonly PlannedAnswer[];
  readonly appends: readonly StreamAppend[];
  /** References to resources that have not arrived, by entry. */
  readonly notes: readonly (readonly Problem[])[];
}

type Identity =
  | { readonly kind: 'write'; readonly stream: string; readonly head?: StreamHead }
  | { readonly kind: 'existing'; readonly stream: string; readonly head: StreamHead }
  | { readonly kind: 'same-as'; readonly stream: string }
  | { readonly kind: 'refused' };

interface Claim {
  readonly alias: AliasHead;
  readonly target: string;
}

export interface PlanContext {
  readonly known: Known;
  readonly match: Match;
  readonly seal: Parameters<typeof createEvents>[0];
  /** Fingerprint of received content under a partition's key. */
  readonly fingerprint: (partition: string, content: string) => string;
}

/** Throws only on faults. A plan with problems must not be appended. */
export async function planRequest(
  context: PlanContext,
  request: RecordRequest,
  accepted: readonly AcceptedEntry[],
): Promise<Plan> {
  const { known } = context;
  const problems: Problem[] = [];
  let location: string | undefined;
  const claims = new Map<string, Claim>();
  const identities = new Array<Identity | 'resolving' | undefined>(accepted.length);
  const indexOf = new Map<string, number>();
  for (const [index, { entry }] of accepted.entries()) {
    if (entry.fullUrl !== undefined) indexOf.set(entry.fullUrl, index);
  }
  const references = accepted.map(({ parsed }): References =>
    parsed === undefined ? { toEntries: [], conditional: [], literal: [] } : referencesOf(parsed, indexOf),
  );

  const refuse = (index: number, problem: Problem): { readonly kind: 'refused' } => {
    problems.push(placed(problem, accepted[index]!.entry));
    return { kind: 'refused' };
  };

  for (const [index, found] of references.entries()) {
    for (const place of found.conditional) await resolveConditional(index, place);
  }
  for (const index of accepted.keys()) await identify(index);
  for (const found of references) for (const place of found.toEntries) rewrite(place);
  if (problems.length > 0) return refusedPlan();
  return writePlan();

  function refusedPlan(): Plan {
    return { problems, answers: [], appends: [], notes: [], ...(location !== undefined && { location }) };
  }

  function rewrite(place: ReferencePlace): void {
    const identity = identities[indexOf.get(place.asReceived)!];
    place.holder[place.key] =
      typeof identity === 'object' && 'stream' in identity ? identity.stream : place.asReceived;
  }

  async function resolveConditional(index: number, place: ReferencePlace): Promise<void> {
    const [type, criteria] = split(place.asReceived, '?');
    const number = type === 'Patient' ? nhsNumberCriterion(criteria) : undefined;
    if (number !== undefined) {
      const { target } = await known.alias('nhs-number', number);
      if (target !== undefined) {
        place.holder[place.key] = target;
        return;
      }
    }
    const outcome = await context.match(type, criteria);
    if (outcome.kind === 'refused') {
      for (const problem of outcome.problems) refuse(index, { ...problem, expression: place.expression });
      return;
    }
    if (outcome.ids.length === 1) {
      place.holder[place.key] = `${type}/${outcome.ids[0]}`;
      return;
    }
    const count = outcome.ids.length === 0 ? 'no resource matches' : 'more than one resource matches';
    const message = `The conditional reference cannot be resolved: ${count}. Make the criteria name exactly one, or refer to it as ${type}/<id>.`;
    const category = outcome.ids.length === 0 ? 'rejected' : 'mismatch';
    refuse(index, { category, code: 'not-found', message, expression: `${place.expression}.reference` });
  }

  /** Decides which stream an entry is about. Entries it refers to come first; a circle is cut where it closes. */
  async function identify(index: number): Promise<void> {
    if (identities[index] !== undefined) return;
    identities[index] = 'resolving';
    for (const place of references[index]!.toEntries) {
      await identify(indexOf.get(place.asReceived)!);
      rewrite(place);
    }
    identities[index] = await identityOf(index);
  }

  async function identityOf(index: number): Promise<Identity> {
    const item = accepted[index]!;
    const repeated = await recordedBefore(index);
    if (repeated !== undefined) return repeated;
    if (item.entry.method !== 'POST') return identityOfAddressed(index);
    if (item.entry.ifNoneExist !== undefined) {
      const conditional = await identityByCriteria(index, item.entry.ifNoneExist);
      if (conditional !== undefined) return conditional;
    }
    if (item.nhsNumbers.length > 0) return identityOfPerson(index);
    const target = `${item.type}/${newEventId()}`;
    return (await sameSentBefore(index, target)) ?? { kind: 'write', stream: target };
  }

  /** The same event id again: the same activity if its content is the same, a conflict if it is not. */
  async function recordedBefore(index: number): Promise<Identity | undefined> {
    const { eventId, receivedContent } = accepted[index]!;
    if (eventId === undefined) return undefined;
    const event = await known.event(eventId);
    if (event === undefined) return undefined;
    const head = known.describe(event);
    const same =
      receivedContent === undefined
        ? head.ended
        : event.fingerprint === context.fingerprint(event.partition, receivedContent);
    if (same) return { kind: 'existing', stream: event.stream, head };
    return refuse(index, {
      category: 'conflict',
      code: 'duplicate',
      message:
        'This Idempotency-Key was used before for other content. Use a new key for a new activity, and the same key only to send the same again.',
    });
  }

  async function identityOfAddressed(index: number): Promise<Identity> {
    const { entry, type, nhsNumbers } = accepted[index]!;
    const stream = `${type}/${entry.id}`;
    const head = await known.head(stream);
    for (const number of entry.method === 'PUT' ? nhsNumbers : []) {
      const holder = await claimNumber(number, stream);
      if (holder !== undefined) return numberTaken(index, holder);
    }
    if (entry.method === 'PUT' && nhsNumbers.length === 0) await sameSentBefore(index, stream);
    return { kind: 'write', stream, ...(head !== undefined && { head }) };
  }

  async function identityByCriteria(index: number, criteria: string): Promise<Identity | undefined> {
    const { type } = accepted[index]!;
    const normal = [...new URLSearchParams(criteria)].map((pair) => pair.join('=')).sort().join('&'); // prettier-ignore
    const alias = await known.alias(`criterion:${type}`, normal);
    const taken = claims.get(alias.stream);
    if (taken !== undefined) return { kind: 'same-as', stream: taken.target };
    const outcome = await context.match(type, criteria);
    if (outcome.kind === 'refused') {
      for (const problem of outcome.problems) refuse(index, problem);
      return { kind: 'refused' };
    }
    if (outcome.ids.length > 1) {
      const message = 'If-None-Exist matches more than one resource. Make the criteria name at most one.';
      return refuse(index, { category: 'mismatch', code: 'multiple-matches', message });
    }
    const [id] = outcome.ids;
    if (id !== undefined) {
      const head = await known.head(`${type}/${id}`);
      if (head !== undefined && !head.ended) return { kind: 'existing', stream: `${type}/${id}`, head };
    }
    const target = `${type}/${newEventId()}`;
    claims.set(alias.stream, { alias, target });
    const { nhsNumbers } = accepted[index]!;
    for (const number of nhsNumbers) {
      const holder = await claimNumber(number, target);
      if (holder !== undefined) return numberTaken(index, holder);
    }
    return { kind: 'write', stream: target };
  }

  async function identityOfPerson(index: number): Promise<Identity> {
    const { parsed, nhsNumbers } = accepted[index]!;
    const stream = `Patient/${newEventId()}`;
    for (const number of nhsNumbers) {
      const holder = await claimNumber(number, stream);
      if (holder === undefined) continue;
      if (claimedHere(holder)) return { kind: 'same-as', stream: holder };
      const head = await known.head(holder);
      const canonical = canonicalContent(parsed!.value, parsed!.exact);
      if (head?.content !== undefined && saysTheSame(head.content, canonical)) {
        return { kind: 'existing', stream: holder, head };
      }
      return numberTaken(index, holder);
    }
    return { kind: 'write', stream };
  }

  /** The resource that has the number already, or `undefined` once it is claimed for `target`. */
  async function claimNumber(number: string, target: string): Promise<string | undefined> {
    const alias = await known.alias('nhs-number', number);
    const holder = claims.get(alias.stream)?.target ?? (await livingTarget(alias));
    if (holder !== undefined) return holder === target ? undefined : holder;
    claims.set(alias.stream, { alias, target });
    return undefined;
  }

  function claimedHere(stream: string): boolean {
    return [...claims.values()].some((claim) => claim.target === stream);
  }

  async function livingTarget(alias: AliasHead): Promise<string | undefined> {
    if (alias.target === undefined) return undefined;
    const head = await known.head(alias.target);
    return head === undefined || head.ended ? undefined : alias.target;
  }

  function numberTaken(index: number, holder: string): Identity {
    location = holder;
    return refuse(index, {
      category: 'conflict',
      code: 'duplicate',
      message: `A Patient with this NHS number is registered as ${holder}, with other content. Change that one with PUT ${holder}, or send If-None-Exist with the identifier to get the existing one.`,
      expression: 'Patient.identifier',
    });
  }

  /** Claims the digest of a resource that has a business identifier; finds the resource that was sent before with the same content. */
  async function sameSentBefore(index: number, target: string): Promise<Identity | undefined> {
    const { parsed, type, entry } = accepted[index]!;
    if (parsed === undefined || businessIdentifiers(parsed.value).length === 0) return undefined;
    const alias = await known.alias(`content:${type}`, canonicalContent(parsed.value, parsed.exact));
    const taken = claims.get(alias.stream);
    if (taken !== undefined) return { kind: 'same-as', stream: taken.target };
    if (alias.target !== undefined && entry.method === 'PUT') return undefined;
    const holder = await livingTarget(alias);
    if (holder !== undefined) {
      return { kind: 'existing', stream: holder, head: (await known.head(holder))! };
    }
    claims.set(alias.stream, { alias, target });
    return undefined;
  }

  /** Everybody is known: decide each entry, place it in its partition, and make the events. */
  async function writePlan(): Promise<Plan> {
    const answers = new Array<PlannedAnswer>(accepted.length);
    const notes: Problem[][] = accepted.map(() => []);
    const pending: PendingEvent[] = [];
    const partitions = new Map<string, string>();
    const order = [...accepted.keys()].sort((a, b) => rank(accepted[a]!) - rank(accepted[b]!));
    for (const index of order) await writeEntry(index);
    if (problems.length > 0) return refusedPlan();
    for (const { alias, target } of claims.values()) {
      const partition = partitions.get(target);
      if (partition !== undefined) pending.push({ kind: 'alias', alias, target, partition });
    }
    const appends = await createEvents(context.seal, request, pending);
    return { problems, answers, appends, notes };

    async function writeEntry(index: number): Promise<void> {
      const { entry, parsed, type, eventId, receivedContent } = accepted[index]!;
      const identity = identities[index] as Identity;
      if (identity.kind === 'refused') return;
      if (identity.kind !== 'write') {
        answers[index] = identity;
        return;
      }
      const { stream, head } = identity;
      if (parsed !== undefined) parsed.value['id'] = stream.slice(type.length + 1);
      const content =
        parsed === undefined
          ? undefined
          : encodeContent(parsed.value as IdentifiedResource & Record<string, unknown>, parsed.exact);
      const unchanged = content !== undefined && isUnchanged(content, parsed!, head);
      const { ifMatch, ifNoneMatch, method } = entry;
      const asked = {
        method,
        type,
        unchanged,
        ...(ifMatch !== undefined && { ifMatch }),
        ...(ifNoneMatch && { ifNoneMatch }),
      };
      const decision = decide(asked, head);
      if (decision.kind === 'refuse') {
        refuse(index, decision.problem);
        return;
      }
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
      const { action, expectedRevision, answer } = decision;
      const event = { kind: 'resource', stream, partition, action, expectedRevision } as const;
      const repeatable =
        eventId === undefined ? {} : { id: eventId, ...(receivedContent && { receivedContent }) };
      pending.push({
        ...event,
        ...repeatable,
        type: head?.type ?? '',
        ...(content !== undefined && { content, resource: parsed!.value }),
      });
      answers[index] =
        answer === 'deleted' ? { kind: 'deleted', stream } : { kind: answer, stream, content: content! };
    }

    async function partitionFor(
      index: number,
      stream: string,
      head: StreamHead | undefined,
    ): Promise<string | undefined> {
      const { parsed, type } = accepted[index]!;
      if (parsed === undefined) return head!.partition;
      const unknown = await checkLiterals(index);
      if (type === 'Patient') return head?.partition ?? partitions.get(stream) ?? newEventId();
      const subject = patientOf(parsed.value);
      if (subject === undefined) return head?.partition ?? 'shared';
      if (unknown) return undefined;
      return (await partitionOfSubject(index, subject)) ?? head?.partition ?? newEventId();
    }

    /** Refuses references to people nobody registered; notes references to other resources that have not arrived. */
    async function checkLiterals(index: number): Promise<boolean> {
      let refusedOne = false;
      for (const place of references[index]!.literal) {
        const target = literalTarget(place.asReceived)!;
        if (
          partitions.has(target) ||
          identities.some((i) => typeof i === 'object' && 'stream' in i && i.stream === target)
        )
          continue;
        if (target.startsWith('Patient/')) {
          if ((await known.partitionOf(target)) !== undefined) continue;
          refuse(index, unknownPatient(place.expression));
          refusedOne = true;
        } else if (request.wantsNotes === true && (await known.head(target)) === undefined) {
          notes[index]!.push(notArrived(place));
        }
      }
      return refusedOne;
    }

    /** `undefined` where the subject names nobody that could be registered: it keeps a partition of its own. */
    async function partitionOfSubject(
      index: number,
      subject: { element: string; reference: ReferenceElement },
    ): Promise<string | undefined> {
      const { reference, identifier } = subject.reference;
      const target = reference === undefined ? undefined : literalTarget(reference);
      if (target?.startsWith('Patient/')) return partitions.get(target) ?? (await known.partitionOf(target));
      if (!isNhsNumberSystem(identifier?.system) || identifier?.value === undefined) {
        if (reference !== undefined)
          refuse(index, unknownPatient(`${accepted[index]!.type}.${subject.element}`));
        return undefined;
      }
      if (!isNhsNumber(identifier.value)) {
        const message =
          'The person is named by something that is not an NHS number: it must be 10 digits without spaces, ending in their modulus 11 check digit. Correct the number.';
        refuse(index, {
          category: 'rejected',
          code: 'value',
          message,
          expression: `${accepted[index]!.type}.${subject.element}.identifier.value`,
        });
        return undefined;
      }
      return registered(identifier.value);
    }

    async function registered(number: string): Promise<string> {
      const stream = `Patient/${newEventId()}`;
      const holder = await claimNumber(number, stream);
      if (holder !== undefined) return partitions.get(holder) ?? (await known.partitionOf(holder))!;
      const partition = newEventId();
      partitions.set(stream, partition);
      const resource = registeredPerson(stream.slice('Patient/'.length), number);
      const content = encodeContent(resource);
      const place = {
        kind: 'resource',
        stream,
        partition,
        action: 'new',
        expectedRevision: 'no-stream',
      } as const;
      pending.unshift({ ...place, type: '', content, resource });
      return partition;
    }
  }
}

// People first, so that no event comes before that of the person it is about.
function rank({ type, entry }: AcceptedEntry): number {
  return type === 'Patient' && entry.method !== 'DELETE' ? 0 : 1;
}

function isUnchanged(
  content: string,
  parsed: NonNullable<AcceptedEntry['parsed']>,
  head: StreamHead | undefined,
): boolean {
  if (head?.content === undefined) return false;
  return head.content === content || saysTheSame(head.content, canonicalContent(parsed.value, parsed.exact));
}

function notArrived(place: ReferencePlace): Problem {
  return {
    category: 'not-found',
    code: 'not-found',
    severity: 'information',
    message:
      'What this refers to has not been recorded yet. It was accepted; nothing needs to be sent again once it arrives.',
    expression: place.expression,
  };
}

function nhsNumberCriterion(criteria: string): string | undefined {
  const [[name, value] = [], ...more] = new URLSearchParams(criteria);
  const [system, number] = (value ?? '').split('|');
  return more.length === 0 && name === 'identifier' && isNhsNumberSystem(system) ? number : undefined;
}

function split(text: string, at: string): [string, string] {
  const index = text.indexOf(at);
  return [text.slice(0, index), text.slice(index + 1)];
}
