/**
 * The decision for one entry: given what the client asked and what its stream holds, record a new version, record
 * nothing because it stands already, or refuse. Pure: no reading, no clock, no ids.
 *
 * https://hl7.org/fhir/R4/http.html#update, #delete, #concurrency
 */
import type { Problem } from '@carelog/fhir';

/** What a stream holds now; `undefined` where it has no events. */
export interface StreamState {
  readonly revision: number;
  readonly ended: boolean;
}

export interface Asked {
  readonly method: 'POST' | 'PUT' | 'DELETE';
  readonly type: string;
  readonly ifMatch?: number;
  readonly ifNoneMatch?: boolean;
  /** Whether the content equals that of the current version. */
  readonly unchanged: boolean;
}

export type Decision =
  | {
      readonly kind: 'record';
      readonly action: 'new' | 'amend' | 'retract';
      readonly expectedRevision: 'no-stream' | number;
      readonly answer: 'created' | 'updated' | 'deleted';
    }
  | { readonly kind: 'stands'; readonly answer: 'existing' | 'deleted' }
  | { readonly kind: 'refuse'; readonly problem: Problem };

export function decide(asked: Asked, state: StreamState | undefined): Decision {
  const stale = precondition(asked, state);
  if (stale !== undefined) return { kind: 'refuse', problem: stale };
  if (asked.method === 'DELETE') return decideEnd(state);
  if (state === undefined) {
    return { kind: 'record', action: 'new', expectedRevision: 'no-stream', answer: 'created' };
  }
  if (state.ended) {
    return { kind: 'record', action: 'new', expectedRevision: state.revision, answer: 'created' };
  }
  if (asked.unchanged) return { kind: 'stands', answer: 'existing' };
  return { kind: 'record', action: 'amend', expectedRevision: state.revision, answer: 'updated' };
}

function decideEnd(state: StreamState | undefined): Decision {
  if (state === undefined || state.ended) return { kind: 'stands', answer: 'deleted' };
  return { kind: 'record', action: 'retract', expectedRevision: state.revision, answer: 'deleted' };
}

function precondition(asked: Asked, state: StreamState | undefined): Problem | undefined {
  const exists = state !== undefined && !state.ended;
  if (asked.ifNoneMatch === true && exists) {
    return {
      category: 'mismatch',
      code: 'conflict',
      message: `This ${asked.type} exists already, and If-None-Match: * asks to create it only. Leave the header out to update it.`,
    };
  }
  if (asked.ifMatch !== undefined && (!exists || asked.ifMatch !== state.revision)) {
    const now = exists ? `now at version ${state.revision}` : 'not there';
    return {
      category: 'mismatch',
      code: 'conflict',
      message: `This ${asked.type} is ${now}, but If-Match names version ${asked.ifMatch}. Read it again, repeat the change on what you read, and send its ETag.`,
    };
  }
  return undefined;
}
