/**
 * The one decision point: may this caller do this? Pure; every interaction asks it, and acts only on what it answers.
 * The policy is the table below: one row for each kind of caller, one cell for each action.
 */
import type { Caller } from './caller.ts';

/** FHIR interactions (https://hl7.org/fhir/R4/http.html), `$everything`, and what operators do to the platform. */
export const accessActions = [
  'read',
  'vread',
  'search',
  'history',
  'everything',
  'create',
  'update',
  'delete',
  'transaction',
  'batch',
  'metadata',
  'status',
  'rebuild',
] as const;
export type AccessAction = (typeof accessActions)[number];

/** What is known of the thing asked for. Leave out what is not known yet; nothing is permitted on a fact that is missing. */
export interface AccessFacts {
  /** Resource type in the URL or in the resource; absent for requests over all types. */
  readonly type?: string;
  /** Ids of every Patient whose compartment the resource is in. Absent where many are asked for, or where the query is to find out. */
  readonly patients?: readonly string[];
  /** The Patient that the caller's own NHS number resolves to; absent when nobody is registered under it. */
  readonly ownPatient?: string;
}

/** Why something is permitted, as an access record states it. */
export type AccessBasis =
  | 'system-to-system'
  | 'direct-care'
  | 'own-record'
  | 'shared-reference-data'
  | 'audit'
  | 'platform-operation'
  | 'public'
  /** The request only carries others; each of them is decided by itself. */
  | 'entry-by-entry';

export type AccessDecision =
  | {
      readonly permit: true;
      readonly basis: AccessBasis;
      /** The answer must hold nothing outside this patient's compartment; it has to become part of the query. */
      readonly restrictTo?: { readonly patient: string };
    }
  | { readonly permit: false; readonly reason: string; readonly remedy: string };

/**
 * Decides whether `caller` may do `action` to what `facts` describe. Total: every combination gets a permit with its
 * basis, or a refusal with a reason and a remedy that are safe to show. Never throws, never repeats a value.
 */
export function decideAccess(caller: Caller, action: AccessAction, facts: AccessFacts): AccessDecision {
  const rule = policy[caller.kind][action];
  if (rule === 'own-record') return decideOwnRecord(action, facts);
  if (rule in refusals) return { permit: false, ...refusals[rule as Refusal] };
  return { permit: true, basis: rule as AccessBasis };
}

type Refusal = keyof typeof refusals;
type Rule = Exclude<AccessBasis, 'shared-reference-data'> | Refusal;

const clinicalCare = (basis: 'system-to-system' | 'direct-care') =>
  ({
    read: basis,
    vread: basis,
    search: basis,
    history: basis,
    everything: basis,
    create: basis,
    update: basis,
    delete: basis,
    transaction: 'entry-by-entry',
    batch: 'entry-by-entry',
    metadata: 'public',
  }) as const;

/** Exported for the test that walks it. */
export const policy: Readonly<Record<Caller['kind'], Readonly<Record<AccessAction, Rule>>>> = {
  system: { ...clinicalCare('system-to-system'), status: 'platform-operation', rebuild: 'operators-only' },
  staff: { ...clinicalCare('direct-care'), status: 'operators-only', rebuild: 'operators-only' },
  patient: {
    read: 'own-record',
    vread: 'own-record',
    search: 'own-record',
    history: 'own-record',
    everything: 'own-record',
    create: 'reads-only',
    update: 'reads-only',
    delete: 'reads-only',
    transaction: 'entry-by-entry',
    batch: 'entry-by-entry',
    metadata: 'public',
    status: 'operators-only',
    rebuild: 'operators-only',
  },
  auditor: {
    read: 'audit',
    vread: 'audit',
    search: 'audit',
    history: 'audit',
    everything: 'audit',
    create: 'reads-only',
    update: 'reads-only',
    delete: 'reads-only',
    transaction: 'entry-by-entry',
    batch: 'entry-by-entry',
    metadata: 'public',
    status: 'platform-operation',
    rebuild: 'operators-only',
  },
  operator: {
    read: 'no-clinical-content',
    vread: 'no-clinical-content',
    search: 'no-clinical-content',
    history: 'no-clinical-content',
    everything: 'no-clinical-content',
    create: 'no-clinical-content',
    update: 'no-clinical-content',
    delete: 'no-clinical-content',
    transaction: 'no-clinical-content',
    batch: 'no-clinical-content',
    metadata: 'public',
    status: 'platform-operation',
    rebuild: 'platform-operation',
  },
};

const refusals = {
  'reads-only': {
    reason: 'This caller may read, but not record.',
    remedy: 'Ask the organisation that provides the care to record it, or call with a token of theirs.',
  },
  'operators-only': {
    reason: 'Only an operator may do this.',
    remedy: 'Call with a token of an operator.',
  },
  'no-clinical-content': {
    reason: 'An operator runs the platform and has no access to clinical content.',
    remedy: 'Call with a token of somebody who provides the care.',
  },
} as const;

/** About no person, so that a patient may follow a reference out of their own record. */
const sharedTypes = new Set([
  'CodeSystem',
  'ConceptMap',
  'Endpoint',
  'HealthcareService',
  'Location',
  'Medication',
  'MedicationKnowledge',
  'Organization',
  'OrganizationAffiliation',
  'Practitioner',
  'PractitionerRole',
  'Questionnaire',
  'StructureDefinition',
  'Substance',
  'ValueSet',
]);
/** A Location can be somebody's home: to be opened from a reference, not to be looked for. */
const unsearchableTypes = new Set(['Location']);

function decideOwnRecord(action: AccessAction, { type, patients, ownPatient }: AccessFacts): AccessDecision {
  const shared = type !== undefined && sharedTypes.has(type);
  if (patients === undefined) {
    const opened = action !== 'search';
    if (shared && (opened || !unsearchableTypes.has(type)))
      return { permit: true, basis: 'shared-reference-data' };
    if (shared) return { permit: false, ...unsearchable };
    if (ownPatient === undefined) return { permit: false, ...unregistered };
    if (action === 'everything') return { permit: false, ...notOwn };
    return { permit: true, basis: 'own-record', restrictTo: { patient: ownPatient } };
  }
  if (shared && patients.length === 0) return { permit: true, basis: 'shared-reference-data' };
  if (ownPatient === undefined) return { permit: false, ...unregistered };
  // A resource that also names somebody else would show that person's data, so it is not served here.
  if (patients.length > 0 && patients.every((patient) => patient === ownPatient)) {
    return { permit: true, basis: 'own-record' };
  }
  return { permit: false, ...notOwn };
}

const notOwn = {
  reason: 'A patient may see only their own record.',
  remedy: 'Ask for resources of your own record; a search without a patient finds them.',
};
const unregistered = {
  reason: 'No record is held for the person this token was issued to.',
  remedy: 'Ask your GP practice to check that you are registered under this NHS number.',
};
const unsearchable = {
  reason: 'A patient may open this kind of resource, but not search for it.',
  remedy: 'Read it by the reference that your own record holds.',
};
