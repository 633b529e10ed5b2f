/** What of the record a caller may see, as data that becomes part of a query. */
import type { RelationshipBasis } from './facts.ts';

/** Why something is permitted, as an access record states it. */
export type AccessBasis =
  | 'system-to-system'
  | 'direct-care'
  | 'broken-glass'
  | 'registration'
  | 'own-record'
  | 'proxy'
  | 'shared-reference-data'
  | 'audit'
  | 'platform-operation'
  | 'public'
  /** The request only carries others; each of them is decided by itself. */
  | 'entry-by-entry';

/**
 * A resource is within a restriction when the scopes admit it (`ScopeLimit`), and
 * - it names no patient, and either some view is of everybody's records and its `denied` shares no bit with the labels,
 *   or the resource is of the class `reference` and `shared` shares no bit with the labels; or
 * - it names patients, and each of them is in a view that admits the resource (`View`).
 * So a resource that also names somebody whom the caller may not see is not shown.
 */
export interface Restriction {
  readonly views: readonly View[];
  /** Labels that hide what is about no person; undefined where nothing of that kind is shown. */
  readonly shared?: number;
  /** Any one must admit the resource; absent where the token has no scopes. */
  readonly scopes?: readonly ScopeLimit[];
  /**
   * How records of patients with an S-flag are shown in views that conceal; absent where no view does. A condition on what is
   * taken out does not find a resource of theirs, and as a sort key it takes no account of it. Of what is to be changed,
   * `decideAccess` admits only that of which nothing is concealed.
   */
  readonly conceal?: Concealment;
}

/**
 * Some patients, and what of their records is seen. It admits a resource for a patient when the patient is one of
 * `patients`, and `denied | (heedsWithheld ? withheld : 0)` of the patient shares no bit with the labels, and none of
 * the conditions that are true here excludes the patient.
 */
export interface View {
  readonly basis: AccessBasis;
  readonly patients: ViewedPatients;
  /** Labels and record classes that are not shown. */
  readonly denied: number;
  /** The patient's own decisions about sharing hide more (`PatientFacts.withheld`). */
  readonly heedsWithheld: boolean;
  /** Excludes patients who opted out of uses beyond their own care. */
  readonly heedsOptOut: boolean;
  /** Excludes patients whose own access is to be reviewed first. */
  readonly heedsReview: boolean;
  /** For patients with an S-flag, `Restriction.conceal` applies. */
  readonly conceals: boolean;
}

export type ViewedPatients =
  | { readonly kind: 'everybody' }
  /** These and no others; may be empty. */
  | { readonly kind: 'these'; readonly ids: readonly string[] }
  /** Those with whom the organisation (ODS code) has a live relationship on one of these bases. */
  | { readonly kind: 'related'; readonly organisation: string; readonly bases: readonly RelationshipBasis[] };

/** SMART: resources of this type, of this patient where one is given, that meet all these conditions. */
export interface ScopeLimit {
  /** A resource type, or `*`. */
  readonly type: string;
  /** Every patient that the resource names must be this one; what names nobody is not limited by it. */
  readonly patient?: string;
  /** Search parameters and values; empty where the scope has none. */
  readonly where: readonly (readonly [string, string])[];
}

/** For patients with an S-flag. https://digital.nhs.uk/services/demographics/access-restrictions */
export interface Concealment {
  /** Types that are not shown at all: as if they had been denied. */
  readonly hides: readonly string[];
  /**
   * Types that tell where somebody is seen. Every reference to one is taken out of a resource before it is shown, wherever it
   * stands, and one of which it cannot be told to what it is where it may be to such a type; an element that can be nothing
   * else is taken out whatever it holds. What a resource contains of these types and those of `hides` is taken out too.
   */
  readonly places: readonly string[];
  /** Data types that are taken out wherever they stand. */
  readonly datatypes: readonly string[];
  /** Systems of identifiers that are of people only: a reference by one of them is to nobody else. */
  readonly people: readonly string[];
  /** Elements that are taken out besides, whatever they hold: `Patient.contact`; `*.text` of every type of resource. */
  readonly takesOut: readonly string[];
  /** Elements of which nothing is left where something is taken out of them; as it is with what R4 requires. */
  readonly together: readonly string[];
  /** Elements that are left as they are. */
  readonly keeps: readonly string[];
}
