/**
 * One view as a projector of a cluster keeps it: its lanes come and go as Kafka shares them out, and what is in the view is
 * decided by the view's own checkpoints alone.
 */
import type { Delivered, LaneBatch } from '@carelog/distribution';
import type { RecordedEvent } from '@carelog/event-store';
import {
  catchUpLanes,
  projectLane,
  type LanesOptions,
  type Projection,
  type SharedReadModel,
  type Stretch,
} from '@carelog/projection';
import { spanIn, type Log, type Sample } from '@carelog/service-kit';

/** A read model with the projection that makes it. */
export interface View<Change> {
  /** As its schema is called, e.g. `record_v4`: another version is another view, beside it. */
  readonly name: string;
  readonly projection: Projection<Change>;
  readonly readModel: SharedReadModel<Change>;
}

/** What every view is made from. */
export type Ground = Pick<
  LanesOptions<unknown>,
  'store' | 'laneOf' | 'open' | 'prefetch' | 'skipped' | 'batchSize'
> & {
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
};

/** What a lane's consumer tells: which lanes are ours from now on, or what came in one of them. */
export type LaneDelivery =
  { readonly kind: 'lanes'; readonly lanes: readonly number[] } | ({ readonly kind: 'batch' } & LaneBatch);

export class ViewProjector<Change> {
  readonly view: View<Change>;
  readonly #options: LanesOptions<Change>;
  readonly #log: Ground['log'];
  /** Lanes that are ours, but were not yet brought from the log to where it is. */
  readonly #behind = new Set<number>();
  readonly #reached = new Map<number, number>();
  readonly #counts = { projected: 0, repeated: 0, refilled: 0, stale: 0, unreadable: 0, restarts: 0 };
  readonly #stopping = new AbortController();
  #catchingUp: Promise<void> | undefined;
  #hasCaughtUp = false;

  constructor(view: View<Change>, { log, ...ground }: Ground) {
    this.view = view;
    this.#log = log;
    this.#options = {
      ...ground,
      projection: view.projection,
      readModel: view.readModel,
      onNotice: (notice) => log.warn({ view: view.name }, notice),
    };
  }

  /** Rejects where a batch is to be brought again; nothing of it is lost by that, and nothing is doubled. */
  async deliver(delivery: LaneDelivery): Promise<void> {
    if (delivery.kind === 'lanes') return this.#take(delivery.lanes);
    try {
      await this.#project(delivery);
    } catch (fault) {
      if (!delivery.signal.aborted) {
        const { name, message } = fault as Error;
        this.#log.error({ view: this.view.name, lane: delivery.lane, fault: name }, message);
      }
      throw fault;
    }
  }

  /** Resolves when nothing is at work any more; to be called once no batch is. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#catchingUp?.catch(() => {});
  }

  /** Whether every lane that is ours has been brought to where the log was when we got it. */
  isReady(): boolean {
    return this.#hasCaughtUp && this.#behind.size === 0;
  }

  /** For the metrics; `head` is the log's position. */
  samples(head: number): Sample[] {
    const labels = { projection: this.view.name };
    const lanes = [...this.#reached];
    const position = lanes.length === 0 ? head : Math.min(...lanes.map(([, reached]) => reached));
    const { projected, refilled, repeated } = this.#counts;
    return [
      { name: 'carelog_projected_total', labels, value: projected },
      { name: 'carelog_projection_position', labels, value: position },
      { name: 'carelog_projection_lag_events', labels, value: Math.max(0, head - position) },
      { name: 'carelog_events_refilled_total', labels, value: refilled },
      { name: 'carelog_events_repeated_total', labels, value: repeated },
      ...lanes.map(([lane, value]) => ({
        name: 'carelog_lane_position' as const,
        labels: { ...labels, lane: String(lane) },
        value,
      })),
    ];
  }

  #take(lanes: readonly number[]): void {
    for (const lane of this.#reached.keys()) if (!lanes.includes(lane)) this.#reached.delete(lane);
    this.#behind.clear();
    for (const lane of lanes) this.#behind.add(lane);
    this.#hasCaughtUp ||= lanes.length === 0;
    this.#log.info({ view: this.view.name, lanes: lanes.length }, 'lanes shared out');
    // A lane in which nothing comes must be caught up too. What fails is tried again with the first batch.
    this.#catchUp().catch((fault: Error) => {
      if (!this.#stopping.signal.aborted)
        this.#log.error({ view: this.view.name, fault: fault.name }, fault.message);
    });
  }

  async #project({ lane, messages, signal }: LaneBatch): Promise<void> {
    while (this.#behind.has(lane)) await this.#catchUp();
    signal.throwIfAborted();
    const onStep = async () => signal.throwIfAborted();
    const stretches = messages.flatMap((message) => this.#stretchOf(message));
    const reached = this.#reached.get(lane) ?? 0;
    const spans = messages.flatMap((message) =>
      message.kind === 'event' && message.event.position > reached
        ? [spanIn(message.event.trace, 'projected')]
        : [],
    );
    const outcome = await projectLane(lane, stretches, { ...this.#options, onStep });
    for (const span of spans) span.end({ projection: this.view.name, lane });
    this.#counts.projected += outcome.applied;
    this.#counts.repeated += outcome.repeated;
    this.#counts.refilled += outcome.refilled;
    this.#counts.stale += outcome.stale;
    this.#counts.restarts += outcome.restarts;
    const until = stretches.at(-1)?.until ?? 0;
    this.#reached.set(lane, outcome.restarts > 0 ? until : Math.max(reached, until));
    if (outcome.refilled > 0) {
      const { refilled } = outcome;
      this.#log.warn({ view: this.view.name, lane, refilled }, 'events were missing in the lane');
    }
  }

  /** One pass over the log for all lanes that need it. */
  #catchUp(): Promise<void> {
    const pass = async () => {
      const lanes = [...this.#behind];
      const onStep = async () => this.#stopping.signal.throwIfAborted();
      const { position } = await catchUpLanes(lanes, { ...this.#options, onStep });
      for (const lane of lanes) {
        if (this.#behind.delete(lane)) this.#reached.set(lane, position);
      }
      this.#hasCaughtUp = true;
    };
    return (this.#catchingUp ??= pass().finally(() => (this.#catchingUp = undefined)));
  }

  #stretchOf(message: Delivered): readonly Stretch[] {
    switch (message.kind) {
      case 'event': {
        const { epoch, previous, event } = message;
        return [{ epoch, after: previous, until: event.position, events: [event] }];
      }
      case 'heartbeat':
        return [{ epoch: message.epoch, after: message.previous, until: message.position, events: [] }];
      case 'unreadable':
        // What it held is missed by the next message of the lane, or by a heartbeat.
        this.#counts.unreadable += 1;
        this.#log.warn({ view: this.view.name }, `A message was left out: ${message.reason}.`);
        return [];
    }
  }
}

/** Fetches the keys of a batch at once. */
export function prefetchBy(know: (partitions: Iterable<string>) => Promise<void>) {
  return (events: readonly RecordedEvent[]) => know(new Set(events.map(({ partition }) => partition)));
}
