/** What PostgreSQL or the way to it says, in the words of the port. */
import { StoreFault } from '../store-fault.ts';

/** Over soon, or by another attempt: server not up, connection lost, too many connections, lock or time limit, deadlock, now a standby. */
const passing = /^(08|57P0|40001|40P01|55P03|57014|25P03|53300|25006)/;

/** Whether trying again, perhaps over a new connection, may help. */
export function isPassing(error: unknown): boolean {
  const state = sqlState(error);
  return state === undefined ? isConnectionError(error) : passing.test(state);
}

/** The fault behind a thrown thing; what is neither PostgreSQL's nor the connection's (a bug of ours) is given back as it is. */
export function faultOf(error: unknown, place: string): unknown {
  if (error instanceof StoreFault || !(error instanceof Error)) return error;
  const state = sqlState(error);
  const cause = { cause: error };
  if (state === undefined) {
    if (!isConnectionError(error)) return error;
    return new StoreFault(
      'io',
      `The log at ${place} cannot be reached: "${error.message || (error as { code?: string }).code}". Check that PostgreSQL runs there and that this machine may connect to it.`,
      cause,
    );
  }
  if (state === '53100') {
    return new StoreFault(
      'full',
      `The log at ${place} could not be written: the disk of PostgreSQL is full. Nothing of this was recorded; reading goes on. Make room, and writing goes on by itself.`,
      cause,
    );
  }
  if (state.startsWith('XX')) {
    return new StoreFault(
      'damaged',
      `The log at ${place} is damaged: PostgreSQL says "${error.message}" (${state}). Restore it from a backup.`,
      cause,
    );
  }
  if (state === '42501') {
    return new StoreFault(
      'io',
      `The log at ${place} refuses this role: PostgreSQL says "${error.message}". Run the migration with this role as reader or writer.`,
      cause,
    );
  }
  if (state.startsWith('42') || state === '3F000') {
    return new StoreFault(
      'io',
      `There is no log at ${place}, or one that this program does not know: PostgreSQL says "${error.message}" (${state}). Run the migration.`,
      cause,
    );
  }
  return new StoreFault(
    'io',
    `The log at ${place} could not be used: PostgreSQL says "${error.message}" (${state}). See the server's log.`,
    cause,
  );
}

function sqlState(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('severity' in error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** The driver's own errors have no class and no code, only these words. */
function isConnectionError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ('syscall' in error || ('code' in error && /^E[A-Z]+$/.test(String(error.code)))) return true;
  if (error instanceof AggregateError) return error.errors.every(isConnectionError);
  return /connection|timeout|terminated|not queryable/i.test(error.message);
}
