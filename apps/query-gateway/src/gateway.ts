/** What the query gateway is given, and the shapes of a FHIR request and its answer inside it. */
import type { Caller } from '@carelog/access';
import type { RecordActivity } from '@carelog/activity';
import type { Problem } from '@carelog/fhir';
import type { RecordQueries } from '@carelog/read-models';

export interface Gateway {
  readonly recordActivity: RecordActivity;
  readonly record: RecordQueries;
  /** Position of the last event on disk. */
  readonly head: () => number;
  /** How far the record view has come, and a bounded wait for it to come further. */
  readonly projected: {
    position(): number;
    /** False when the time ran out first. */
    waitFor(position: number, timeoutMs: number): Promise<boolean>;
  };
  /** Keyed digest that only this installation can make; what cursors are signed with. */
  readonly sign: (text: string) => string;
  readonly version: string;
}

export interface FhirRequest {
  readonly method: string;
  /** Below the FHIR base, decoded: `['Patient', '1']`. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: string;
  readonly caller: Caller;
  /** Absolute URL of the FHIR base as the client knows it, without a slash at its end. */
  readonly base: string;
}

export interface FhirAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON text of a resource; absent where there is none to give. */
  readonly body?: string | Uint8Array;
}

/** Expected refusals travel as this; whoever answers turns them into one OperationOutcome. */
export class Refusal {
  readonly problems: readonly Problem[];
  readonly headers: Readonly<Record<string, string>>;
  constructor(problems: readonly Problem[], headers: Readonly<Record<string, string>> = {}) {
    this.problems = problems;
    this.headers = headers;
  }
}

export function refuse(problem: Problem, headers?: Readonly<Record<string, string>>): Refusal {
  return new Refusal([problem], headers);
}

/** `Prefer: return=…` (https://hl7.org/fhir/R4/http.html#ops) and `handling=…`. */
export function preference(request: FhirRequest, name: 'return' | 'handling'): string | undefined {
  return new RegExp(`(?:^|[,;\\s])${name}=([A-Za-z]+)`).exec(request.headers['prefer'] ?? '')?.[1];
}

/** The version in an entity tag, `W/"3"` or `"3"`; `undefined` for anything else. */
export function versionOfETag(tag: string): number | undefined {
  const digits = /^(?:W\/)?"([1-9]\d{0,14})"$/.exec(tag.trim())?.[1];
  return digits === undefined ? undefined : Number(digits);
}
