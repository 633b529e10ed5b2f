/** Who is asking, as its token says, after the token was verified. */
export interface Caller {
  /** Stable id of the person or system, e.g. an SDS user id. Never an NHS number. */
  readonly subject: string;
  /**
   * `system`: an integration engine or a backend service. `staff`: a person in a role. `patient`: a person about their own
   * record, or about one they are a proxy for. `auditor`: reads, and sees who looked. `operator`: status and rebuild, no
   * clinical content.
   */
  readonly kind: 'system' | 'staff' | 'patient' | 'auditor' | 'operator';
  /** ODS code of the organisation acted for. */
  readonly organisation: string;
  /** The software that calls (OAuth client id). */
  readonly system: string;
  readonly careSetting: string;
  /** Staff: id of the role profile that was selected at sign-in (CIS2 `person_roleid`). */
  readonly roleProfile?: string;
  /** Staff: the selected role's code, e.g. `S8000:G8000:R8000`, and its activity codes, e.g. `B0264`. */
  readonly roleCode?: string;
  readonly activityCodes?: readonly string[];
  /** What the care is for; `direct-care` where the token and the request say nothing. */
  readonly purpose?: Purpose;
  /** SMART scopes v2 (https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html) of the app; absent where the token has none, which limits nothing. */
  readonly scopes?: readonly Scope[];
  /** SMART launch context: the Patient id that `patient/…` scopes are about. */
  readonly launchPatient?: string;
  /** `patient` only: the NHS number proved at sign-in. Resolved to a Patient by the gateway; never logged, never recorded. */
  readonly nhsNumber?: string;
}

export const purposes = ['direct-care', 'safeguarding', 'audit', 'planning', 'research'] as const;
export type Purpose = (typeof purposes)[number];

/** One SMART scope v2: `user/Observation.rs?category=laboratory`. */
export interface Scope {
  readonly level: 'patient' | 'user' | 'system';
  /** A resource type, or `*`. */
  readonly type: string;
  /** Of `c`, `r`, `u`, `d`, `s`. */
  readonly actions: string;
  /** Search parameters that every resource must meet, as written, decoded. */
  readonly where: readonly (readonly [string, string])[];
}
