/** The digest of a record that nobody writes: equal for equal views. */
import { openRecord } from '@carelog/read-models';

export async function recordHash(path: string): Promise<string> {
  const record = openRecord(path);
  try {
    return await record.hash();
  } finally {
    record.close();
  }
}
