/** A projector of the listing view as a process of its own, which kills or stops itself where it is told to. */
import { laneOf } from '@carelog/distribution';
import { openPostgresEventStore } from '@carelog/event-store';
import type { LaneWork, SharedReadModel } from '@carelog/projection';
import { createLog } from '@carelog/service-kit';
import { startProjecting } from '../../apps/projector/src/kafka/start-projecting.ts';
import { listing, openListingView } from './listing-view.ts';

/** Where in the work on a batch. After the commit Kafka does not know of it yet. */
export type Failpoint = 'before-apply' | 'before-commit' | 'after-commit';

export interface Failure {
  readonly at: Failpoint;
  /** Of which batch, empty ones not counted. */
  readonly batch: number;
  readonly signal: 'SIGKILL' | 'SIGSTOP';
}

export interface ProjectorChildSettings {
  readonly logUrl: string;
  readonly viewUrl: string;
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly lanes: number;
  readonly schema: string;
  readonly sessionMilliseconds: number;
  readonly failure?: Failure;
}

const settings = JSON.parse(process.env['PROJECTOR_CHILD']!) as ProjectorChildSettings;
const { logUrl, viewUrl, brokers, topic, lanes, schema, sessionMilliseconds, failure } = settings;
let batches = 0;
let hasFailed = false;

// Lanes are worked on at the same time: another may have been counted before this one comes to its point.
function failIfAt(point: Failpoint): void {
  if (hasFailed || point !== failure?.at || batches < failure.batch) return;
  hasFailed = true;
  process.kill(process.pid, failure.signal);
}

const view = await openListingView(viewUrl, { schema, beforeCommit: async () => failIfAt('before-commit') });
const readModel: SharedReadModel<string> = {
  checkpoints: () => view.checkpoints(),
  parked: (lane) => view.parked(lane),
  clear: (lane) => view.clear(lane),
  close: () => view.close(),
  async apply(lane, work: LaneWork<string>) {
    let isEmpty = true;
    const touched = await view.apply(lane, async (reached, parked) => {
      const batch = await work(reached, parked);
      isEmpty = batch === undefined || batch.changes.length === 0;
      if (!isEmpty) {
        batches += 1;
        failIfAt('before-apply');
      }
      return batch;
    });
    if (!isEmpty) failIfAt('after-commit');
    return touched;
  },
};
const store = await openPostgresEventStore({ url: logUrl });
const projecting = await startProjecting({
  kafka: { brokers, topic, lanes, replicas: 1 },
  sessionMilliseconds,
  views: [{ name: schema, projection: listing(), readModel }],
  ground: {
    store,
    laneOf: (partition) => laneOf(partition, lanes),
    open: ({ content }) => ({ kind: 'opened', bytes: content }),
    batchSize: 50,
    log: createLog('info'),
  },
});
process.once('SIGTERM', () => void end());
process.stdout.write('started\n');

async function end(): Promise<void> {
  await projecting.close();
  await view.close();
  await store.close();
  process.exit(0);
}
