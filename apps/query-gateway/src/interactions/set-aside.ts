/** What is set aside: events of a person from one on that a view could not take. */
import type { CareSettingQueries, Viewer } from '@carelog/read-models';
import { refuse, type Gateway, type Refusal } from '../gateway.ts';

/** For what may be among it. */
export function setAside(): Refusal {
  const message =
    'Events of this person were set aside because one could not be projected, so this cannot be answered yet. Operators see it in the status.';
  return refuse({ category: 'unavailable', code: 'incomplete', message }, { 'retry-after': '60' });
}

/** Position from which the record, or this care setting's read model, does not have everything of these patients (`Patient/id`). */
export async function incompleteFrom(
  { record, log }: Pick<Gateway, 'record' | 'log'>,
  queries: Pick<CareSettingQueries, 'parked'>,
  patients: Iterable<string>,
  viewer: Viewer | undefined,
): Promise<number | undefined> {
  const streams = [...patients];
  const found = await Promise.all(
    streams.map((it) => record.parkedPartitionOf('Patient', it.slice('Patient/'.length), viewer)),
  );
  const parked = await queries.parked();
  if (parked.length > 0) {
    // The read model knows partitions, and the log whose they are.
    const heads = await Promise.all(streams.map((it) => log.readStream(it, { limit: 1 })));
    const theirs = new Set(heads.flatMap((events) => events.map(({ partition }) => partition)));
    found.push(...parked.filter(({ partition }) => theirs.has(partition)));
  }
  const positions = found.flatMap((it) => it?.position ?? []);
  return positions.length === 0 ? undefined : Math.min(...positions);
}
