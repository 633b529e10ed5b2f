/** Opens what the record projection needs, runs it, and closes everything again. */
import type { Policy } from '@carelog/access';
import { openSqliteLogReader } from '@carelog/event-store';
import { openKeyring } from '@carelog/keyring';
import { runProjection, type Touched } from '@carelog/projection';
import { openRecordWriter, recordProjectionBy } from '@carelog/read-models';
import type { ProjectorPaths } from './projector.ts';

export interface ProjectRecordOptions {
  readonly paths: ProjectorPaths;
  readonly policy: Policy;
  readonly headSignal?: SharedArrayBuffer;
  readonly signal: AbortSignal;
  readonly onProjected?: (position: number, touched: Touched) => void;
  readonly onNotice?: (notice: string) => void;
  /** The record's file is nobody else's yet, and is thrown away if this process dies. */
  readonly disposable?: boolean;
}

/** Resolves when `signal` is aborted. Rejects on a fault; what was projected before it stays. */
export async function projectRecord(options: ProjectRecordOptions): Promise<void> {
  const { paths, policy, headSignal, signal, onProjected, onNotice, disposable = false } = options;
  const store = openSqliteLogReader({ path: paths.log, ...(headSignal && { headSignal }) });
  try {
    const keyring = openKeyring(paths.keyring, { readOnly: true });
    try {
      const readModel = openRecordWriter(paths.record, { disposable, policy });
      try {
        await runProjection({
          store,
          open: (event) => keyring.open(event),
          projection: recordProjectionBy(policy),
          readModel,
          signal,
          ...(onProjected && { onProjected }),
          ...(onNotice && { onNotice }),
          ...(disposable && { batchSize: 5_000 }),
        });
      } finally {
        readModel.close();
      }
    } finally {
      keyring.close();
    }
  } finally {
    await store.close();
  }
}
