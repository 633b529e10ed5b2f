/** How far lanes are, as the tables of read models in PostgreSQL hold it. */
import type { Checkpoint } from '@carelog/projection';

/** Stands for the epoch of a lane that nothing was applied to. */
export const NOTHING_APPLIED = '';

export interface CheckpointRow {
  readonly lane: number;
  readonly position: string;
  readonly epoch: string;
}

/** Undefined where nothing was applied. */
export const reachedIn = ({ position, epoch }: Omit<CheckpointRow, 'lane'>): Checkpoint | undefined =>
  epoch === NOTHING_APPLIED ? undefined : { position: Number(position), epoch };

/** By lane; those that nothing was applied to are left out. */
export function reachedByLane(rows: readonly CheckpointRow[]): ReadonlyMap<number, Checkpoint> {
  return new Map(
    rows.flatMap((row): [number, Checkpoint][] => {
      const reached = reachedIn(row);
      return reached === undefined ? [] : [[row.lane, reached]];
    }),
  );
}
