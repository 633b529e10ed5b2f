/**
 * One access record: who was shown what, why, and from which state of the record, so that the same can be shown again. It
 * names patients and resources by ids of ours only, and never holds content.
 */
import type { Caller } from '@carelog/access';

/** Who was answered. Without the scopes and the NHS number of a token. */
export type Who = Pick<
  Caller,
  'subject' | 'kind' | 'organisation' | 'system' | 'careSetting' | 'roleProfile' | 'roleCode' | 'purpose'
>;

/** What all answers rest on until it is changed: a new policy, another version of the view, a restored log. */
export interface Ground {
  /** Version of the policy that decided. */
  readonly policy: string;
  /** The view that was read, with its version, e.g. `record 2`. */
  readonly view: string;
  /** Epoch of the activity log: positions mean something within it only. */
  readonly epoch: string;
}

/** `undecided`: the request was answered before anything of the record was asked for, e.g. because it was malformed. */
export type Decision = 'permitted' | 'redacted' | 'refused' | 'undecided';

/** What one response was, as the gateway knows it when the response is about to leave. */
export interface Answered {
  /** As the CapabilityStatement calls it: `read`, `search`, `everything`, …, `break-glass`. */
  readonly interaction: string;
  /** Path and parameters in one order; values that identify somebody as digests. Has no tabs and no line ends. */
  readonly query: string;
  /** HTTP status. */
  readonly status: number;
  readonly decision: Decision;
  /** Why it was permitted, or why not: one word of the decision point; empty where nothing was decided. */
  readonly basis: string;
  /** Ids of the Patients that the answer is about. */
  readonly patients: readonly string[];
  /**
   * The versions shown: positions of their events in the activity log, in the order shown, with commas between. One number
   * names both the resource and its version.
   */
  readonly shown: string;
  /** Position of the activity log that the answer reflects. */
  readonly position: number;
  /** Id of the request. */
  readonly correlation: string;
}

export interface AccessRecord extends Answered {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly who: Who;
  readonly ground: Ground;
}

/**
 * Whether the patients whom it is about are not to see it. Safeguarding has a right to look without being seen by who may be
 * the danger; and what was refused to a patient, or to a proxy, may be what they are not to know that there is.
 */
export function isHiddenFromPatients({ who, decision }: Pick<AccessRecord, 'who' | 'decision'>): boolean {
  return who.purpose === 'safeguarding' || (who.kind === 'patient' && decision === 'refused');
}

/** A record as it lies in the access log. */
export interface RecordedAccess extends AccessRecord {
  /** Position of the event that holds it, and its place in there, from 0. */
  readonly event: number;
  readonly ordinal: number;
}
