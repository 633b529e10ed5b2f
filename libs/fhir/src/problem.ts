/**
 * One thing that is wrong with a request, or worth knowing about it: what, where, and how to put it right.
 * Any object of this shape becomes one issue of an OperationOutcome; the gateway alone turns a category into a status.
 * A message never repeats a patient's value.
 */
export interface Problem {
  readonly category: ProblemCategory;
  /** FHIR issue type, https://hl7.org/fhir/R4/valueset-issue-type.html */
  readonly code: string;
  /** What is wrong and how to put it right, in one or two sentences. */
  readonly message: string;
  /** FHIRPath of the element, e.g. `Observation.component[2].code`. */
  readonly expression?: string;
  /** `error` unless told. */
  readonly severity?: 'error' | 'warning' | 'information';
}

export type ProblemCategory =
  | 'incorrect' // 400
  | 'unauthenticated' // 401
  | 'forbidden' // 403
  | 'not-found' // 404
  | 'method' // 405
  | 'not-acceptable' // 406
  | 'conflict' // 409
  | 'gone' // 410
  | 'mismatch' // 412: a precondition on a resource failed
  | 'too-large' // 413
  | 'media-type' // 415
  | 'rejected' // 422
  | 'busy' // 429
  | 'fault' // 500
  | 'unavailable' // 503
  | 'storage-full'; // 507
