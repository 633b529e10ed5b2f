/** The record as the version that is live answers it; when another version takes over, from then on by that. */
import { setTimeout as delay } from 'node:timers/promises';
import { parseSearch } from '@carelog/fhir';
import type { RecordQueries, ReadModelVersions } from '@carelog/read-models';
import { openPostgresRecord, openVersions, recordProjection, schemaOf, type PostgresRecordOptions } from '@carelog/read-models'; // prettier-ignore
import { refusingWhileAway } from './out-of-reach.ts';
import type { ViewProgress, ViewsProgress } from './view-progress.ts';

export interface LiveRecord {
  readonly record: RecordQueries;
  readonly projected: ViewProgress;
  /** By which it answers now. */
  version(): number;
  close(): Promise<void>;
}

export interface LiveRecordOptions {
  readonly readModelsUrl: string;
  readonly progress: Pick<ViewsProgress, 'follow'>;
  readonly log: { warn(text: string): void };
  /** Questions that are answered at a time. */
  readonly threads: number;
}

/** What was asked of the version before is answered by it still. */
const OLD_VERSION_MS = 30_000;
const AGAIN_MS = 1_000;

/** Throws where no version of the record is live. */
export async function openLiveRecord(options: LiveRecordOptions): Promise<LiveRecord> {
  const { readModelsUrl: url, progress, threads, log } = options;
  const versions = openVersions(url);
  const ending = new AbortController();
  let version: number;
  let current: RecordQueries;
  let projected: ViewProgress;
  try {
    version = await liveVersion(versions);
    const schema = schemaOf(recordProjection.name, version);
    projected = await progress.follow(schema);
    current = await openWarm({ url, schema, threads });
  } catch (fault) {
    await versions.close();
    throw fault;
  }

  const turnTo = async (next: number, signal: AbortSignal): Promise<void> => {
    const schema = schemaOf(recordProjection.name, next);
    const opened = await openWarm({ url, schema, threads });
    const take = (): void => {
      const before = current;
      current = opened;
      version = next;
      setTimeout(() => before.close(), OLD_VERSION_MS).unref();
    };
    try {
      await projected.turnTo(schema, take, signal);
    } finally {
      if (current !== opened) opened.close();
    }
  };
  let wish = new AbortController();
  let turning = Promise.resolve();
  /** Until it has, or something else is wanted: one that never gets as far must not keep those after it waiting. */
  const turned = (next: number | undefined): void => {
    wish.abort();
    wish = new AbortController();
    const signal = AbortSignal.any([wish.signal, ending.signal]);
    turning = turning.then(async () => {
      while (next !== undefined && next !== version && !signal.aborted) {
        try {
          await turnTo(next, signal);
        } catch (fault) {
          log.warn(`Another version of the record could not be turned to yet: ${(fault as Error).name}.`);
          await delay(AGAIN_MS, undefined, { signal }).catch(() => {});
        }
      }
    });
  };
  await versions.follow(recordProjection.name, turned, { signal: ending.signal });

  return {
    record: refusingWhileAway(() => current, 'The record'),
    projected,
    version: () => version,
    async close() {
      ending.abort();
      await turning;
      current.close();
      await versions.close();
    },
  };
}

/** With every thread started and connected: the first to ask shall not wait for that. */
async function openWarm(
  options: PostgresRecordOptions & { readonly threads: number },
): Promise<RecordQueries> {
  const record = openPostgresRecord(options);
  const { query } = parseSearch('Organization', [['_id', 'none']], { base: '' });
  try {
    await Promise.all(Array.from({ length: options.threads }, () => record.count(query)));
    return record;
  } catch (fault) {
    record.close();
    throw fault;
  }
}

async function liveVersion(versions: ReadModelVersions): Promise<number> {
  const live = await versions.live(recordProjection.name);
  if (live !== undefined) return live.version;
  throw new Error('No version of the record is live in the database of read models. Run the migration and start a projector.'); // prettier-ignore
}
