/** Counts requests, and tells from them what was received, accepted and served. */
import type { Sample } from './metrics.ts';

/** Upper bounds of the histogram, seconds. */
const bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export interface RequestMetrics {
  /** `interaction` becomes a label: one of a few fixed words, never anything a client sent. */
  count(interaction: string, status: number, seconds: number): void;
  /** Everything counted since the process began. */
  samples(): Iterable<Sample>;
}

interface Timing {
  /** How many fell under each bound and above the one before; the last is above all. */
  readonly buckets: number[];
  readonly statuses: Map<number, number>;
  sum: number;
}

export function createRequestMetrics(): RequestMetrics {
  const byInteraction = new Map<string, Timing>();
  return {
    count(interaction, status, seconds) {
      let timing = byInteraction.get(interaction);
      if (timing === undefined) {
        timing = { buckets: new Array<number>(bounds.length + 1).fill(0), statuses: new Map(), sum: 0 };
        byInteraction.set(interaction, timing);
      }
      let bucket = 0;
      while (bucket < bounds.length && seconds > bounds[bucket]!) bucket += 1;
      timing.buckets[bucket]! += 1;
      timing.sum += seconds;
      const statusClass = Math.floor(status / 100);
      timing.statuses.set(statusClass, (timing.statuses.get(statusClass) ?? 0) + 1);
    },
    samples: () => samplesOf(byInteraction),
  };
}

function* samplesOf(byInteraction: ReadonlyMap<string, Timing>): Iterable<Sample> {
  const kinds = { received: 0, accepted: 0, served: 0 };
  for (const [interaction, { buckets, statuses, sum }] of byInteraction) {
    const good = statuses.get(2) ?? 0;
    for (const [statusClass, value] of statuses) {
      yield { name: 'carelog_requests_total', labels: { interaction, status: `${statusClass}xx` }, value };
      if (recording.has(interaction)) kinds.received += value;
    }
    if (recording.has(interaction)) kinds.accepted += good;
    if (reading.has(interaction)) kinds.served += good + (statuses.get(3) ?? 0);
    yield* histogram(interaction, buckets, sum);
  }
  yield { name: 'carelog_received_total', value: kinds.received };
  yield { name: 'carelog_accepted_total', value: kinds.accepted };
  yield { name: 'carelog_served_total', value: kinds.served };
}

/** What a request of this kind is, in the life of an activity. */
export function stepOf(interaction: string): 'received' | 'served' {
  return recording.has(interaction) ? 'received' : 'served';
}

const recording = new Set(['create', 'update', 'delete', 'bundle', 'activities']);
const reading = new Set(['read', 'vread', 'history', 'search', 'everything']);

function* histogram(interaction: string, buckets: readonly number[], sum: number): Iterable<Sample> {
  const name = 'carelog_request_seconds';
  let value = 0;
  for (const [index, inBucket] of buckets.entries()) {
    value += inBucket;
    yield { name, suffix: '_bucket', labels: { interaction, le: String(bounds[index] ?? '+Inf') }, value };
  }
  yield { name, suffix: '_sum', labels: { interaction }, value: sum };
  yield { name, suffix: '_count', labels: { interaction }, value };
}
