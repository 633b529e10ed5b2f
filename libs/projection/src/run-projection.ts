/**
 * Runs a projection against a log for as long as it is told to: catches up, then follows. One batch is one transaction of
 * the read model, so a crash at any moment leaves it at a checkpoint from which the same events come again.
 */
import type { EventStore, RecordedEvent } from '@carelog/event-store';
import { evolveAll, parkedNotice } from './evolve-all.ts';
import type { Checkpoint, OpenedContent, Projection, ReadModel, Touched } from './projection.ts';

export interface RunProjectionOptions<Change> {
  readonly store: Pick<EventStore, 'subscribe' | 'head'>;
  /** Opens sealed content. Content that cannot be opened is an answer, not a fault. */
  readonly open: (event: RecordedEvent) => OpenedContent;
  readonly projection: Projection<Change>;
  readonly readModel: ReadModel<Change>;
  readonly signal: AbortSignal;
  /** Called after each batch was applied, with the position it reached and what it touched; at the start with the checkpoint's. */
  readonly onProjected?: (position: number, touched: Touched) => void;
  /** Called with what an operator should know: a rebuild begins, a partition was parked. Holds no content. */
  readonly onNotice?: (notice: string) => void;
  /** At most this many events in one transaction. When idle a batch is whatever has been recorded since the last. */
  readonly batchSize?: number;
}

/**
 * Resolves when `signal` is aborted, after the batch in hand. Rejects on a fault of the log or of the read model, with
 * nothing half applied. An event whose rule throws parks its partition: that event and all later ones of the partition are
 * set aside until the read model is rebuilt.
 */
export async function runProjection<Change>(options: RunProjectionOptions<Change>): Promise<void> {
  const { store, projection, readModel, signal, batchSize = 1000 } = options;
  const { onProjected = () => {}, onNotice = () => {} } = options;
  const { position, epoch } = await startingPoint(options);
  const parked = new Set((await readModel.parked()).map((it) => it.partition));
  let last = position;
  onProjected(last, 'all');
  for await (const events of store.subscribe(position, { batchSize, signal })) {
    refuseGap(last, events);
    last = events.at(-1)?.position ?? last;
    const evolved = evolveAll(events, parked, options);
    for (const it of evolved.parked) onNotice(parkedNotice(projection, it));
    const touched = await readModel.apply({ ...evolved, checkpoint: { position: last, epoch } });
    onProjected(last, touched);
    // Catching up must not keep a message to stop waiting.
    await new Promise(setImmediate);
    if (signal.aborted) return;
  }
}

async function startingPoint<Change>({
  store,
  readModel,
  projection,
  onNotice = () => {},
}: RunProjectionOptions<Change>): Promise<Checkpoint> {
  const head = store.head();
  const reached = await readModel.checkpoint();
  if (reached === undefined) return { position: 0, epoch: head.epoch };
  if (reached.epoch === head.epoch && reached.position <= head.position) return reached;
  const why =
    reached.epoch === head.epoch
      ? `the log ends at ${head.position}, before the checkpoint ${reached.position}`
      : 'the log was restored from a copy';
  onNotice(`Projection ${projection.name} is rebuilt from the first event: ${why}.`);
  await readModel.clear();
  return { position: 0, epoch: head.epoch };
}

function refuseGap(last: number, events: readonly RecordedEvent[]): void {
  let expected = last + 1;
  for (const { position } of events) {
    if (position !== expected) throw new Error(`The log gave event ${position} where ${expected} was due.`);
    expected += 1;
  }
}
