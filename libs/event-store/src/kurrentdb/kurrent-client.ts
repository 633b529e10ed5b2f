/** What is used of KurrentDB's client, which is loaded, native addon and all, when the first store in KurrentDB is opened. */
import type { KurrentDBClient } from '@kurrent/kurrentdb-client';

export type KurrentClient = Pick<
  KurrentDBClient,
  'multiStreamAppend' | 'readStream' | 'subscribeToAll' | 'dispose'
>;

/** `url` is a connection string, `kurrentdb://` or `esdb://`. */
export async function connectToKurrentDB(url: string): Promise<KurrentClient> {
  const { KurrentDBClient } = await import('@kurrent/kurrentdb-client');
  return KurrentDBClient.connectionString(url);
}
