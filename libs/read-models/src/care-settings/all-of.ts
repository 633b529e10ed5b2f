/** The care settings and the population as one read model, for one reader of the log: each event is opened and read once. */
import type { Checkpoint, Parked, ProjectedBatch, ReadModel, Touched } from '@carelog/projection';
import type { CareSettingsWriter } from './care-settings-writer.ts';
import type { Told } from './care-settings-projection.ts';

/** Each keeps its own checkpoint, and takes from a batch what lies beyond it. */
export function allOf(writers: readonly CareSettingsWriter[]): ReadModel<Told> & { close(): void } {
  /** Of the one that is furthest behind; undefined where one is at the beginning. */
  async function checkpoint(): Promise<Checkpoint | undefined> {
    const reached = await Promise.all(writers.map((it) => it.checkpoint()));
    const known = reached.filter((it) => it !== undefined);
    if (new Set(known.map(({ epoch }) => epoch)).size > 1) {
      // Of logs that differ nothing can be kept together.
      for (const writer of writers) await writer.clear();
      return undefined;
    }
    if (known.length < reached.length) return undefined;
    return known.reduce((a, b) => (a.position <= b.position ? a : b));
  }
  return {
    checkpoint,
    async apply(batch: ProjectedBatch<Told>): Promise<Touched> {
      const all: Touched[] = [];
      for (const writer of writers) all.push(await writer.apply(batch));
      return all.some((it) => it === 'all') ? 'all' : new Set(all.flatMap((it) => [...it]));
    },
    async parked(): Promise<readonly Parked[]> {
      const [least, ...parked] = await Promise.all([checkpoint(), ...writers.map((it) => it.parked())]);
      // What is parked further on is met again by the one that is furthest behind.
      return parked.flat().filter(({ position }) => position <= (least?.position ?? 0));
    },
    async clear(): Promise<void> {
      for (const writer of writers) await writer.clear();
    },
    close() {
      for (const writer of writers) writer.close();
    },
  };
}
