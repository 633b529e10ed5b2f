/** Who is asking, as its token says, after the token was verified. */
export interface Caller {
  /** Stable id of the person or system, e.g. an SDS user id. Never an NHS number. */
  readonly subject: string;
  /**
   * `system`: an integration engine acting for the whole system. `staff`: a person in a role. `patient`: their own record
   * only. `auditor`: reads. `operator`: status and rebuild, no clinical content.
   */
  readonly kind: 'system' | 'staff' | 'patient' | 'auditor' | 'operator';
  /** ODS code of the organisation acted for. */
  readonly organisation: string;
  /** The software that calls (OAuth client id). */
  readonly system: string;
  readonly careSetting: string;
  readonly roleProfile?: string;
  /** `patient` only: the NHS number proved at sign-in. Resolved to a Patient by the gateway; never logged, never recorded. */
  readonly nhsNumber?: string;
}
