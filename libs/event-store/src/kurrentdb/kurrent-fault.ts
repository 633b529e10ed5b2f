/** What KurrentDB or the way to it says, in the words of the port. */
import { StoreFault } from '../store-fault.ts';

const passing = new Set(['unavailable', 'deadline-exceeded', 'timeout', 'cancelled', 'not-leader']);
const unimplemented = 12;

/** What the client calls the kind of an error of its own. */
export function kindOf(error: unknown): string | undefined {
  return error instanceof Error && 'type' in error && typeof error.type === 'string' ? error.type : undefined;
}

export function isPassing(error: unknown): boolean {
  return passing.has(kindOf(error) ?? '');
}

/** Somebody else wrote first. */
export function isOvertaken(error: unknown): boolean {
  return kindOf(error) === 'wrong-expected-version';
}

/** It is certain that the server kept nothing. */
export function isRefused(error: unknown): boolean {
  const kind = kindOf(error) ?? '';
  return (
    /size-exceeded$|^access-denied$|^invalid-|^unsupported$/.test(kind) || codeOf(error) === unimplemented
  );
}

/** The fault behind a thrown thing; what is not of the client's kinds (a bug of ours) is given back as it is. */
export function faultOf(error: unknown, place: string): unknown {
  const kind = kindOf(error);
  if (error instanceof StoreFault || kind === undefined) return error;
  const { message } = error as Error;
  const cause = { cause: error };
  if (kind === 'unsupported' || codeOf(error) === unimplemented) {
    return new StoreFault(
      'io',
      `The server of the log at ${place} is too old: KurrentDB 25.1 or later is needed, for appends to several streams at once.`,
      cause,
    );
  }
  if (kind.endsWith('size-exceeded')) {
    return new StoreFault(
      'invalid',
      `The log at ${place} takes no append of this size, and nothing was written: KurrentDB says "${message}". Send less at a time, or raise MaxAppendSize and MaxAppendEventSize of the server.`,
      cause,
    );
  }
  if (kind === 'access-denied') {
    return new StoreFault(
      'io',
      `The log at ${place} refuses this user: KurrentDB says "${message}". Let it read and write the log's streams, and read $all.`,
      cause,
    );
  }
  return new StoreFault(
    'io',
    `The log at ${place} could not be used: KurrentDB says "${message}" (${kind}). Check that the server runs and that this machine may connect to it.`,
    cause,
  );
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
