/** `carelog access-log erase`: asks the running server to destroy the key of a month of access records. */
import { CommandFailure } from '../command-failure.ts';
import { askServer } from './ask-server.ts';

export interface EraseAccesses {
  readonly month: string;
  /** The month once more, so that nothing is destroyed by a slip. */
  readonly confirm?: string;
  readonly url?: string;
}

/** Throws `CommandFailure`: 2 where it is not confirmed, 1 with what the server says where it refuses. */
export async function eraseAccesses({ month, confirm, url }: EraseAccesses): Promise<void> {
  if (confirm !== month) {
    throw new CommandFailure(
      `This destroys the access records of ${month} for good: nobody will be able to say who looked. If that is meant, add --confirm ${month}.`,
      2,
    );
  }
  await askServer('POST', `/access-log/erase/${encodeURIComponent(month)}`, url);
  process.stdout.write(
    `The access records of ${month} cannot be opened any more. Copies of the keyring that were made before still hold their key: destroy those too.\n`,
  );
}
