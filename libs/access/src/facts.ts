/** What is known of a resource, of its patients, and of the caller when a decision is taken. Data only. */

/**
 * What a resource may be hidden for. The place in the list is its bit in `ResourceFacts.labels` and in what read models
 * have stored, so it never changes and new ones go to the end; there is room for two.
 */
export const labels = [
  'restricted',
  'very-restricted',
  'sexual-health',
  'hiv',
  'termination',
  'assisted-fertilisation',
  'gender',
  'mental-health',
  'substance-use',
  'abuse',
  'genetic',
  'not-for-patient',
  'hidden-from-proxy',
] as const;
export type Label = (typeof labels)[number];

/** What part of a record a resource is. Every resource is of exactly one; stored as bits like the labels, behind them. */
export const recordClasses = [
  'demographics',
  'problems',
  'medicines',
  'allergies',
  'results',
  'immunisations',
  'procedures',
  'encounters',
  'documents',
  'plans',
  'requests',
  'appointments',
  'sharing',
  'reference',
  'audit',
  'other',
] as const;
export type RecordClass = (typeof recordClasses)[number];

const FIRST_CLASS_BIT = 15;
const bits: ReadonlyMap<string, number> = new Map([
  ...labels.map((label, place) => [label, 1 << place] as const),
  ...recordClasses.map((one, place) => [one, 1 << (FIRST_CLASS_BIT + place)] as const),
]);

/** Labels and record classes as one number of at most 31 bits. */
export function maskOf(names: readonly (Label | RecordClass)[]): number {
  return names.reduce((mask, name) => mask | bits.get(name)!, 0);
}

export const EVERY_CLASS = maskOf(recordClasses);
export const EVERY_LABEL = maskOf(labels);

/** Of a resource, from its content at projection time. */
export interface ResourceFacts {
  readonly type: string;
  /** Ids of every Patient in whose compartment the resource is, itself for a Patient; empty for what is about no person. */
  readonly patients: readonly string[];
  /** `labelsOf` the resource: its labels and its record class. */
  readonly labels: number;
  /** Whether there is anything in it that an S-flag conceals; counts as if there were where it is not told. */
  readonly hasPlaces?: boolean;
  /** Conditions of the caller's scopes that the resource meets, as `name=value`; any other counts as not met. */
  readonly meets?: readonly string[];
}

/**
 * What to ask about when `recorded` is to replace `standing`: whoever may change what stands there may make it what they
 * know it to be, however confidential, but may not make it one of somebody else, or another part of the record.
 */
export function replacing(standing: ResourceFacts, recorded: ResourceFacts): ResourceFacts {
  return {
    type: standing.type,
    patients: [...new Set([...standing.patients, ...recorded.patients])],
    labels: standing.labels | (recorded.labels & EVERY_CLASS),
    ...(standing.hasPlaces !== undefined && { hasPlaces: standing.hasPlaces }),
    meets: (standing.meets ?? []).filter((condition) => recorded.meets?.includes(condition) === true),
  };
}

/** Why an organisation has business with a patient; each is derived from what was recorded. */
export const relationshipBases = [
  'registered',
  'referral',
  'current-encounter',
  'recent-encounter',
  'caseload',
  'appointment',
] as const;
export type RelationshipBasis = (typeof relationshipBases)[number];

/** Of a patient, in view of one caller, at the moment of asking. */
export interface PatientFacts {
  /** Relationships of the caller's organisation that are live now (`basisNow`). */
  readonly relationships: readonly RelationshipBasis[];
  /** Where this patient lives, and who cares for them near there, is not to be shown (PDS: restricted). */
  readonly sFlag: boolean;
  /** Labels and record classes that the patient withholds from the caller's organisation or setting (`withheldFrom`). */
  readonly withheld: number;
  /** The caller is this patient, or holds a proxy role for them that is live now. */
  readonly ownOrProxy?: 'own' | 'proxy';
  /** The patient's own view of the record is to be reviewed first (SNOMED 1364731000000104). */
  readonly reviewPending: boolean;
  /** This caller broke the glass for this patient, and its time is not over. */
  readonly brokenGlass?: boolean;
  /** National data opt-out. */
  readonly optedOut: boolean;
  /** The same request registers this patient, so that there can be no relationship yet. */
  readonly registering?: boolean;
}

/** Whom a caller may stand for, as ids of Patients; what `PatientFacts` says patient by patient, all at once. */
export interface CallerFacts {
  /** Patient callers: themselves. More than one where a person was registered twice. */
  readonly own: readonly string[];
  readonly proxyFor: readonly string[];
  readonly brokenGlass: readonly string[];
}

export const noCallerFacts: CallerFacts = { own: [], proxyFor: [], brokenGlass: [] };
