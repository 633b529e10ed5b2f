/**
 * Who each accepted entry is: a new resource, one that is known, or the same thing sent again. Entries that refer to each
 * other are identified in the order of their references, so that what is sent again is recognised as a whole.
 */
import type { Caller } from '@carelog/access';
import { canonicalContent } from '@carelog/activity';
import { newEventId, type RecordedEvent } from '@carelog/event-store';
import { businessIdentifiers, isNhsNumberSystem, type Problem } from '@carelog/fhir';
import { placed, type AcceptedEntry } from './accept.ts';
import type { Claims } from './claims.ts';
import { saysTheSame, type Known, type StreamHead } from './known.ts';
import { rewrite, type ReferencePlace } from './references.ts';

/** Ids of the resources of a type that match search criteria, of those shown to the caller, in a view that has reached the head of the log. */
export type Match = (
  type: string,
  criteria: string,
  caller: Caller,
) => Promise<
  | { readonly kind: 'matched'; readonly ids: readonly string[] }
  | { readonly kind: 'refused'; readonly problems: readonly Problem[] }
>;

export type Identity =
  /** To be written to this stream, which holds `head` now. */
  | { readonly kind: 'write'; readonly stream: string; readonly head?: StreamHead }
  /** Recorded before; `own`: under this very event id, as that event's action. */
  | {
      readonly kind: 'existing';
      readonly stream: string;
      readonly head: StreamHead;
      readonly own?: RecordedEvent['action'];
    }
  /** Another entry of the same request writes it. */
  | { readonly kind: 'same-as'; readonly stream: string }
  | { readonly kind: 'refused' };

export interface Identification {
  readonly identities: readonly Identity[];
  readonly problems: readonly Problem[];
  /** Of the resource that stands in the way, when one does. */
  readonly location?: string;
}

export interface IdentifyContext {
  readonly known: Known;
  readonly match: (type: string, criteria: string) => ReturnType<Match>;
  /** Whether the caller may know of `Type/id`. */
  readonly mayKnow: (stream: string) => Promise<boolean>;
  /** Why the caller may not write to the address of an entry, whatever they send there; nothing where they may. */
  readonly addressProblems: (index: number, stream: string, stands: boolean) => Promise<readonly Problem[]>;
  /** Fingerprint of received content under a partition's key. */
  readonly fingerprint: (partition: string, content: string) => string;
  /** Nobody can have recorded under the event ids that entries bring along. */
  readonly isFirst: boolean;
}

/** Also resolves references: between the entries, and by a condition. Throws only on faults. */
export async function identifyEntries(
  { known, match, mayKnow, addressProblems, fingerprint, isFirst }: IdentifyContext,
  accepted: readonly AcceptedEntry[],
  claims: Claims,
): Promise<Identification> {
  const problems: Problem[] = [];
  let location: string | undefined;
  const identities = new Array<Identity | 'resolving' | undefined>(accepted.length);
  const indexOf = new Map(accepted.map(({ entry }, index) => [entry.fullUrl, index]));

  for (const [index, { references }] of accepted.entries()) {
    for (const place of references.conditional) await resolveConditional(index, place);
  }
  for (const index of accepted.keys()) await identify(index);
  for (const { references } of accepted) for (const place of references.toEntries) pointAtEntry(place);
  return {
    identities: identities as Identity[],
    problems,
    ...(location !== undefined && { location }),
  };

  function refuse(index: number, problem: Problem): { readonly kind: 'refused' } {
    problems.push(placed(problem, accepted[index]!.entry));
    return { kind: 'refused' };
  }

  function refuseAll(index: number, found: readonly Problem[]): { readonly kind: 'refused' } {
    for (const problem of found) refuse(index, problem);
    return { kind: 'refused' };
  }

  function pointAtEntry(place: ReferencePlace): void {
    const identity = identities[indexOf.get(place.asReceived)!];
    rewrite(place, typeof identity === 'object' && 'stream' in identity ? identity.stream : place.asReceived);
  }

  async function resolveConditional(index: number, place: ReferencePlace): Promise<void> {
    const mark = place.asReceived.indexOf('?');
    const type = place.asReceived.slice(0, mark);
    const criteria = place.asReceived.slice(mark + 1);
    const number = type === 'Patient' ? nhsNumberCriterion(criteria) : undefined;
    const person = number === undefined ? undefined : (await known.alias('nhs-number', number)).target;
    if (person !== undefined && (await mayKnow(person))) return rewrite(place, person);
    const outcome = await match(type, criteria);
    const expression = `${place.expression}.reference`;
    if (outcome.kind === 'refused') {
      refuseAll(index, outcome.problems.map((problem) => ({ ...problem, expression }))); // prettier-ignore
    } else if (outcome.ids.length === 1) {
      rewrite(place, `${type}/${outcome.ids[0]}`);
    } else {
      refuse(index, { ...unresolved(type, outcome.ids.length), expression });
    }
  }

  /** Entries it refers to come first; a circle is cut where it closes. */
  async function identify(index: number): Promise<void> {
    if (identities[index] !== undefined) return;
    identities[index] = 'resolving';
    for (const place of accepted[index]!.references.toEntries) {
      await identify(indexOf.get(place.asReceived)!);
      pointAtEntry(place);
    }
    identities[index] = await identityOf(index);
  }

  async function identityOf(index: number): Promise<Identity> {
    const { entry, type, nhsNumbers } = accepted[index]!;
    const repeated = await recordedBefore(index);
    if (repeated !== undefined) return repeated;
    if (entry.method !== 'POST') return identityOfAddressed(index);
    if (entry.ifNoneExist !== undefined) {
      const found = await existingByCriteria(index, entry.ifNoneExist);
      if (typeof found !== 'string') return found;
      return (await claimNumbers(index, found)) ?? { kind: 'write', stream: found };
    }
    const stream = `${type}/${newEventId()}`;
    if (nhsNumbers.length > 0) return identityOfPerson(index, stream);
    return (await sameSentBefore(index, stream)) ?? { kind: 'write', stream };
  }

  /** The same event id again: the same activity if its content is the same, a conflict if it is not. */
  async function recordedBefore(index: number): Promise<Identity | undefined> {
    const { eventId, receivedContent, entry } = accepted[index]!;
    if (eventId === undefined || (isFirst && entry.eventId !== undefined)) return undefined;
    const event = await known.event(eventId);
    if (event === undefined) return undefined;
    const head = known.describe(event);
    // The id is no part of the content, but whoever names one means that resource.
    const isThere = entry.id === undefined || event.stream === `${entry.type}/${entry.id}`;
    const isSame =
      receivedContent === undefined
        ? head.ended
        : event.fingerprint === fingerprint(event.partition, receivedContent);
    if (isThere && isSame) return { kind: 'existing', stream: event.stream, head, own: event.action };
    return refuse(index, entry.publishedAs === undefined ? KEY_USED_BEFORE : PUBLISHED_BEFORE);
  }

  async function identityOfAddressed(index: number): Promise<Identity> {
    const { entry, type, nhsNumbers } = accepted[index]!;
    const stream = `${type}/${entry.id}`;
    const head = await known.head(stream);
    // Before anything that depends on what is sent: a number that the hidden holder of this very id has is taken as well.
    const problems = await addressProblems(index, stream, head !== undefined);
    if (problems.length > 0) return refuseAll(index, problems);
    if (entry.method === 'PUT') {
      const taken = await claimNumbers(index, stream);
      if (taken !== undefined) return taken;
      if (nhsNumbers.length === 0) await claimContent(index, stream);
    }
    return { kind: 'write', stream, ...(head !== undefined && { head }) };
  }

  /** A new stream once the criterion is claimed for it, or what the entry is instead. */
  async function existingByCriteria(index: number, criteria: string): Promise<Identity | string> {
    const { type } = accepted[index]!;
    const parts = [...new URLSearchParams(criteria)].map((pair) => pair.join('='));
    const alias = await known.alias(`criterion:${type}`, parts.sort().join('&'));
    const taken = claims.takenBy(alias);
    if (taken !== undefined) return { kind: 'same-as', stream: taken };
    const outcome = await match(type, criteria);
    if (outcome.kind === 'refused') return refuseAll(index, outcome.problems);
    if (outcome.ids.length > 1) return refuse(index, SEVERAL_EXIST);
    const [id] = outcome.ids;
    const head = id === undefined ? undefined : await known.head(`${type}/${id}`);
    if (head !== undefined && !head.ended) return { kind: 'existing', stream: `${type}/${id}`, head };
    const stream = `${type}/${newEventId()}`;
    claims.take(alias, stream);
    return stream;
  }

  async function identityOfPerson(index: number, stream: string): Promise<Identity> {
    const { parsed, nhsNumbers } = accepted[index]!;
    for (const number of nhsNumbers) {
      const holder = await claims.number(number, stream);
      if (holder === undefined) continue;
      if (claims.hasTarget(holder)) return { kind: 'same-as', stream: holder };
      const head = await known.head(holder);
      const canonical = canonicalContent(parsed!.value, parsed!.exact);
      if (head?.content !== undefined && saysTheSame(head.content, canonical)) {
        return { kind: 'existing', stream: holder, head };
      }
      return numberTaken(index, holder);
    }
    return { kind: 'write', stream };
  }

  async function claimNumbers(index: number, stream: string): Promise<Identity | undefined> {
    for (const number of accepted[index]!.nhsNumbers) {
      const holder = await claims.number(number, stream);
      if (holder !== undefined) return numberTaken(index, holder);
    }
    return undefined;
  }

  async function numberTaken(index: number, holder: string): Promise<Identity> {
    if (!(await mayKnow(holder))) return refuse(index, NUMBER_TAKEN);
    location = holder;
    return refuse(index, {
      category: 'conflict',
      code: 'duplicate',
      message: `A Patient with this NHS number is registered as ${holder}, with other content. Change that one with PUT ${holder}, or send If-None-Exist with the identifier to get the existing one.`,
      expression: 'Patient.identifier',
    });
  }

  /** Finds the resource with a business identifier that was sent before with the same content; claims the content if there is none. */
  async function sameSentBefore(index: number, stream: string): Promise<Identity | undefined> {
    const held = await claimContent(index, stream);
    if (held === undefined) return undefined;
    if (claims.hasTarget(held)) return { kind: 'same-as', stream: held };
    const head = await known.head(held);
    return head === undefined ? undefined : { kind: 'existing', stream: held, head };
  }

  async function claimContent(index: number, stream: string): Promise<string | undefined> {
    const { parsed, type } = accepted[index]!;
    if (parsed === undefined || businessIdentifiers(parsed.value).length === 0) return undefined;
    const alias = await known.alias(`content:${type}`, canonicalContent(parsed.value, parsed.exact));
    const held = claims.takenBy(alias) ?? (await claims.holder(alias));
    if (held === undefined) claims.take(alias, stream);
    return held;
  }
}

const KEY_USED_BEFORE: Problem = {
  category: 'conflict',
  code: 'duplicate',
  message:
    'This Idempotency-Key was used before for other content. Use a new key for a new activity, and the same key only to send the same again.',
};

const PUBLISHED_BEFORE: Problem = {
  category: 'conflict',
  code: 'duplicate',
  message:
    'An event of this source and id was recorded before with other content. Give what is new an id of its own, and send the same id only with the same content.',
};

const NUMBER_TAKEN: Problem = {
  category: 'conflict',
  code: 'duplicate',
  message:
    'A Patient with this NHS number is registered already, and their record is not open to you. Check the number; their GP practice can have them registered with you.',
  expression: 'Patient.identifier',
};

const SEVERAL_EXIST: Problem = {
  category: 'mismatch',
  code: 'multiple-matches',
  message: 'If-None-Exist matches more than one resource. Make the criteria name at most one.',
};

function unresolved(type: string, matches: number): Problem {
  const count = matches === 0 ? 'no resource matches' : 'more than one resource matches';
  const message = `The conditional reference cannot be resolved: ${count}. Make the criteria name exactly one, or refer to it as ${type}/<id>.`;
  return { category: matches === 0 ? 'rejected' : 'mismatch', code: 'not-found', message };
}

function nhsNumberCriterion(criteria: string): string | undefined {
  const [[name, value] = [], ...more] = new URLSearchParams(criteria);
  const [system, number] = (value ?? '').split('|');
  return more.length === 0 && name === 'identifier' && isNhsNumberSystem(system) ? number : undefined;
}
