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
  /** How records of patients with an S-flag are shown in views that conceal; absent where no view does. */
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
  /** Top-level elements that are taken out before the resource is shown, by type. */
  readonly redacts: Readonly<Record<string, readonly string[]>>;
  /**
   * Search and sort parameters that read such an element, by type: as a condition, also behind a chain or `_has`, they do
   * not find a resource of such a patient, and as a sort key they take no account of it.
   */
  readonly unasked: Readonly<Record<string, readonly string[]>>;
}

/** Elements to be taken out of a resource before it is shown. */
export interface Redaction {
  readonly element: string;
  readonly because: 's-flag';
}
