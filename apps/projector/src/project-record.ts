/** Opens what the record projection needs, runs it, and closes everything again. */
import type { Policy } from '@carelog/access';
import { openSqliteLogReader } from '@carelog/event-store';
import { openKeyring } from '@carelog/keyring';
import { runProjection, type Touched } from '@carelog/projection';
import { openRecordWriter, recordProjectionBy } from '@carelog/read-models';
import type { Span } from '@carelog/service-kit';
import type { ProjectorPaths } from './projector.ts';

export interface ProjectRecordOptions {
  readonly paths: ProjectorPaths;
  readonly policy: Policy;
  readonly headSignal?: SharedArrayBuffer;
  readonly signal: AbortSignal;
  readonly onProjected?: (position: number, touched: Touched) => void;
  readonly onNotice?: (notice: string) => void;
  /** Begins the step of an event that is traced. */
  readonly begin?: (trace: string) => Span;
  /** The record's file is nobody else's yet, and is thrown away if this process dies. */
  readonly disposable?: boolean;
}

/** Resolves when `signal` is aborted. Rejects on a fault; what was projected before it stays. */
export async function projectRecord(options: ProjectRecordOptions): Promise<void> {
  const { paths, policy, headSignal, signal, onProjected, onNotice, begin, disposable = false } = options;
  const store = openSqliteLogReader({ path: paths.log, ...(headSignal && { headSignal }) });
  try {
    const keyring = openKeyring(paths.keyring, { readOnly: true });
    try {
      const readModel = openRecordWriter(paths.record, { disposable, policy });
      try {
        const spans: Span[] = [];
        await runProjection({
          store,
          open(event) {
            if (begin !== undefined && event.trace !== undefined) spans.push(begin(event.trace));
            return keyring.open(event);
          },
          projection: recordProjectionBy(policy),
          readModel,
          signal,
          onProjected(position, touched) {
            for (const span of spans.splice(0)) span.end({ projection: 'record' });
            onProjected?.(position, touched);
          },
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
