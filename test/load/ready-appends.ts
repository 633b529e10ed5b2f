/** Transactions that were accepted and sealed beforehand, so that what is measured begins at the log. */
import { openPostgresEventStore, type AppendOutcome, type StreamAppend } from '@carelog/event-store';
import { openPostgresKeyring } from '@carelog/keyring';
import { deserialize, serialize } from 'node:v8';
import type { BenchCluster } from './bench-cluster.ts';
import { caller, writerOn } from './bench-writer.ts';
import { round } from './targets.ts';

export interface ReadyAppends {
  /** When the log said that it has the event of a position, in milliseconds since 1970. */
  readonly loggedAt: ReadonlyMap<number, number>;
  /** Puts the next one into the log. */
  append(): Promise<void>;
  close(): Promise<void>;
}

/** So many rounds of `events` measurements, of these people in turn. */
export async function readyAppends(
  { ownerUrl: url, settings }: BenchCluster,
  people: readonly string[],
  { rounds, events }: { readonly rounds: number; readonly events: number },
): Promise<ReadyAppends> {
  const store = await openPostgresEventStore({ url, applicationName: 'carelog bench' });
  const masterKeyFile = settings['CARELOG_KEYRING_MASTER_KEY_FILE']!;
  const keyring = await openPostgresKeyring({ url, masterKeyFile });
  // As bytes: a collector that looks through hundreds of thousands of events would take its part of the processors measured.
  const ready: Buffer[] = [];
  const append = store.append.bind(store);
  Object.assign(store, {
    append: async (streams: readonly StreamAppend[]) => (
      ready.push(serialize(streams)),
      asIfAppended(streams)
    ),
  });
  const { record } = writerOn({ store, keyring });
  for (let turn = 0; turn < rounds; turn += 1) {
    const entries = round(people[turn % people.length]!, events).entry.map(({ resource }) => ({ method: 'POST' as const, type: resource.resourceType, resource: JSON.stringify(resource) })); // prettier-ignore
    const [outcome] = await record({ caller, mode: 'transaction', entries });
    if (outcome?.kind !== 'recorded') throw new Error(`Refused: ${JSON.stringify(outcome?.problems)}`);
  }
  await keyring.close();
  ready.reverse();
  const loggedAt = new Map<number, number>();
  return {
    loggedAt,
    async append() {
      const outcome = await append(deserialize(ready.pop()!) as readonly StreamAppend[]);
      if (outcome.kind !== 'appended') throw new Error(`The log says ${outcome.kind}.`);
      const now = performance.timeOrigin + performance.now();
      for (const { position } of outcome.events) loggedAt.set(position, now);
    },
    close: () => store.close(),
  };
}

/** What the writer is told meanwhile: it only hands on where they lie. */
function asIfAppended(streams: readonly StreamAppend[]): AppendOutcome {
  const recordedAt = new Date().toISOString();
  const events = streams.flatMap(({ stream, events }) =>
    events.map(({ id, partition }) => ({ id, stream, partition, revision: 1, position: 1, recordedAt })),
  );
  return { kind: 'appended', events };
}
