/**
 * May the caller record this? Asked once it is known which resource it is: of what is sent, and of what stands there. That
 * somebody may not know of a person or a resource is answered like a person or a resource that there is not.
 */
import {
  decideAccess,
  decideSharing,
  labelsOf,
  maskOf,
  partiesToSharing,
  replacing,
  type AccessBasis,
  type AccessRefusal,
  type Caller,
  type Json,
  type Party,
  type PatientFacts,
  type Policy,
  type ResourceFacts,
} from '@carelog/access';
import { patientOf, type Problem } from '@carelog/fhir';

/** What decisions about one caller's writes rest on. Nothing but `ready` is asked before the record has caught up. */
export interface AccessFacts {
  /** Resolves to nothing once the record reflects all that the log held when this was called, else to why it does not. */
  ready(): Promise<readonly Problem[]>;
  /** Of a resource as it is to be recorded, from its JSON text. */
  recorded(type: string, content: string): Promise<ResourceFacts>;
  /** Of `Type/id` as it stands, or as it stood before its end. */
  standing(stream: string): Promise<ResourceFacts | undefined>;
  patients(ids: readonly string[]): Promise<ReadonlyMap<string, PatientFacts>>;
  /** A Consent, `Consent/id`, as it stands; undefined where none does. */
  consent(stream: string): Promise<Json | undefined>;
  /** Which of these parties are the caller's organisation, belong to it, or are the setting that they act in. */
  ours(parties: readonly Party[]): Promise<ReadonlySet<Party>>;
  /** Whether `Type/id` is shown to the caller. */
  sees(stream: string): Promise<boolean>;
  /** Whether nothing of this type is kept from the caller, so that an id of their own choosing tells them nothing. */
  seesAllOf(type: string): boolean;
}

/** Undefined for a caller who may record everything, of whom there is nothing to ask. */
export type AccessFactsFor = (caller: Caller) => AccessFacts | undefined;

export interface AskedWrite {
  readonly type: string;
  /** `Type/id` that it goes to. */
  readonly stream: string;
  /** Whether anything was recorded there before. */
  readonly stands: boolean;
  /** As it is to be recorded, references resolved; absent for an end. */
  readonly resource?: Readonly<Record<string, unknown>>;
  /** `Patient/id` of the person whom it names by number alone, where there is one. */
  readonly named?: string;
  /** `Patient/id`s that the same request registers. */
  readonly registering: ReadonlySet<string>;
}

export type WriteDecision =
  | { readonly permit: true; readonly basis: AccessBasis }
  | { readonly permit: false; readonly problem: Problem; readonly reason: string; readonly patients: readonly string[] }; // prettier-ignore

export async function mayRecord(
  caller: Caller,
  facts: AccessFacts,
  policy: Policy,
  asked: AskedWrite,
): Promise<WriteDecision> {
  const { type, stream, resource, stands } = asked;
  const standing = stands ? await facts.standing(stream) : undefined;
  const recorded = resource === undefined ? undefined : await recordedFacts(facts, asked, resource);
  const named = [...(standing?.patients ?? []), ...(recorded?.patients ?? [])];
  const known = new Map(await facts.patients([...new Set(named)]));
  for (const patient of asked.registering) known.set(idOf(patient), REGISTERING);
  const decide = (action: 'create' | 'update' | 'delete', about: ResourceFacts) =>
    decideAccess(caller, action, about, known, policy);
  const ofKnown = (ids: readonly string[]) => ids.filter((id) => known.has(id));
  const settle = async (decision: WriteDecision): Promise<WriteDecision> => {
    if (!decision.permit || type !== 'Consent') return decision;
    const refusal = await sharingRefusal(caller, facts, policy, asked, known);
    return refusal === undefined
      ? decision
      : { ...forbidden(refusal, 'Consent.provision'), patients: ofKnown(named) };
  };

  if (standing === undefined) {
    if (recorded !== undefined) {
      const decision = decide('create', recorded);
      return decision.permit
        ? settle(decision)
        : sentRefusal(decision, type, resource, ofKnown(recorded.patients));
    }
    const nothing = { type, patients: [], labels: labelsOf({ resourceType: type }, policy) };
    const decision = decide('delete', nothing);
    return decision.permit ? decision : standingRefusal(decision, type, []);
  }
  const decision = decide(recorded === undefined ? 'delete' : 'update', standing);
  if (!decision.permit) return standingRefusal(decision, type, standing.patients);
  if (recorded === undefined) return settle(decision);
  const both = decide('update', replacing(standing, recorded));
  return both.permit ? settle(both) : sentRefusal(both, type, resource, ofKnown(recorded.patients));
}

async function sharingRefusal(
  caller: Caller,
  facts: AccessFacts,
  policy: Policy,
  { stream, stands, resource }: AskedWrite,
  patients: ReadonlyMap<string, PatientFacts>,
): Promise<AccessRefusal | undefined> {
  const standing = stands ? await facts.consent(stream) : undefined;
  const change = {
    ...(standing && { standing }),
    ...(resource && { recorded: { ...resource, id: idOf(stream) } }),
  };
  const parties = Object.values(change).flatMap((it: Json) => partiesToSharing(it, policy));
  const ours = await facts.ours(parties);
  return decideSharing(caller, change, (party) => ours.has(party), patients, policy, Date.now());
}

/** Whether the caller may have a person registered whom a resource of theirs names by number. */
export function mayRegister(caller: Caller, policy: Policy): WriteDecision {
  const person = { type: 'Patient', patients: [], labels: maskOf(['demographics']) };
  const decision = decideAccess(caller, 'create', person, new Map(), policy);
  return decision.permit ? decision : { ...forbidden(decision), patients: [] };
}

/** Of a person, for whoever may not know everybody: whether or not there is one. */
export function nobodyKnown(expression: string): Problem {
  const message =
    'Nobody whose record is open to you is registered under this. Check it, register the person first, or if care cannot wait, break the glass: POST to Patient/<id>/$break-glass with the reason.';
  return { category: 'rejected', code: 'not-found', message, expression };
}

const idOf = (stream: string): string => stream.slice(stream.indexOf('/') + 1);

const REGISTERING: PatientFacts = {
  relationships: [],
  sFlag: false,
  withheld: 0,
  reviewPending: false,
  optedOut: false,
  registering: true,
};

async function recordedFacts(
  facts: AccessFacts,
  { type, stream, stands, named }: AskedWrite,
  resource: Readonly<Record<string, unknown>>,
): Promise<ResourceFacts> {
  const id = idOf(stream);
  const recorded = await facts.recorded(type, JSON.stringify({ ...resource, id }));
  // Whoever is registered for the first time is known by no id yet.
  const patients = type === 'Patient' && !stands ? recorded.patients.filter((it) => it !== id) : recorded.patients;
  const all = named === undefined ? patients : [...new Set([idOf(named), ...patients])];
  return { ...recorded, patients: all };
} // prettier-ignore

/** Reasons that would tell of a person whom the caller may not know of. */
const STRANGER: ReadonlySet<string> = new Set([
  'no-relationship',
  'no-relationship-no-glass',
  'not-own-record',
  'fact-missing',
  'opted-out',
  'own-access-under-review',
]);

function sentRefusal(
  refusal: AccessRefusal,
  type: string,
  resource: unknown,
  patients: readonly string[],
): WriteDecision {
  if (!STRANGER.has(refusal.code)) return { ...forbidden(refusal), patients };
  const element = patientOf(resource)?.element;
  const problem = nobodyKnown(element === undefined ? type : `${type}.${element}`);
  return { permit: false, problem, reason: refusal.code, patients };
}

function standingRefusal(refusal: AccessRefusal, type: string, patients: readonly string[]): WriteDecision {
  if (!refusal.asUnknown) return { ...forbidden(refusal), patients };
  const message = `This ${type} is not known here. Check the type and the id, or search for it.`;
  const problem = { category: 'not-found', code: 'not-found', message } as const;
  return { permit: false, problem, reason: refusal.code, patients };
}

function forbidden({ code, reason, remedy }: AccessRefusal, expression?: string) {
  const message = `${reason} ${remedy}`;
  const problem = {
    category: 'forbidden',
    code: 'forbidden',
    message,
    ...(expression && { expression }),
  } as const;
  return { permit: false, problem, reason: code } as const;
}
