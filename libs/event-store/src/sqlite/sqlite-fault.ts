/** What SQLite says, in the words of the port. */
import { StoreFault } from '../store-fault.ts';

const busy = 5;
const locked = 6;
const readOnly = 8;
const ioError = 10;
const corrupt = 11;
const full = 13;
const cannotOpen = 14;
const notADatabase = 26;
/** Extended codes of writes that a full disk, a quota or a size limit refused. */
const writeRefused = [ioError | (3 << 8), ioError | (19 << 8)];

/** The fault behind a thrown thing; what is not SQLite's (a bug of ours) is given back as it is. */
export function faultOf(error: unknown, path: string): unknown {
  if (error instanceof StoreFault) return error;
  if (!isSqliteError(error)) return isSystemError(error) ? systemFault(error, path) : error;
  const extended = error.errcode;
  const cause = { cause: error };
  if ((extended & 0xff) === full || writeRefused.includes(extended)) {
    return fullFault(path, cause);
  }
  switch (extended & 0xff) {
    case busy:
    case locked:
      return lockedFault(path, cause);
    case corrupt:
    case notADatabase:
      return new StoreFault(
        'damaged',
        `The log at ${path} is damaged: SQLite says "${error.message}". Restore it from a backup.`,
        cause,
      );
    case readOnly:
    case cannotOpen:
      return new StoreFault(
        'io',
        `The log at ${path} could not be opened for this: SQLite says "${error.message}". Check that the folder exists and that this user may read and write it.`,
        cause,
      );
    default:
      return new StoreFault(
        'io',
        `The log at ${path} could not be used: SQLite says "${error.message}" (${extended}). Check the disk and the system's log.`,
        cause,
      );
  }
}

export function lockedFault(path: string, options?: ErrorOptions): StoreFault {
  return new StoreFault(
    'locked',
    `The log at ${path} is in use: another Carelog is running on this folder. Stop that one first, or start this one with CARELOG_DATA set to another folder.`,
    options,
  );
}

/** After it only opening the log again can tell what of the last transaction the disk has. */
export function flushFault(error: Error, path: string): StoreFault {
  return new StoreFault(
    'io',
    `The log at ${path} could not be flushed: the system says "${error.message}". Nothing more is written. Check the disk and the system's log, then start Carelog again; whether the last events were kept shows then, and what is sent again with the same ids is recorded once.`,
    { cause: error },
  );
}

export function isSqliteError(error: unknown): error is Error & { readonly errcode: number } {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number';
}

function fullFault(path: string, options: ErrorOptions): StoreFault {
  return new StoreFault(
    'full',
    `The log at ${path} could not be written: the disk is full, or a quota or size limit is reached. Nothing of this was recorded; reading goes on. Make room, and writing goes on by itself.`,
    options,
  );
}

function systemFault(error: NodeJS.ErrnoException, path: string): StoreFault {
  const cause = { cause: error };
  if (error.code === 'ENOSPC' || error.code === 'EDQUOT' || error.code === 'EFBIG')
    return fullFault(path, cause);
  return new StoreFault(
    'io',
    `The log at ${path} could not be used: the system says "${error.message}". Check that the folder exists and that this user may read and write it.`,
    cause,
  );
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error;
}
