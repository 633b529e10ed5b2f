/** Counts requests for the Prometheus text format. https://prometheus.io/docs/instrumenting/exposition_formats/ */

/** Upper bounds of the histogram, seconds. */
const bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export interface RequestMetrics {
  /** `interaction` becomes a label: one of a few fixed words, never anything a client sent. */
  count(interaction: string, status: number, seconds: number): void;
  /** Everything counted since the process began, as `carelog_requests_total` and `carelog_request_seconds`. */
  text(): string;
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
    text: () => [...totals(byInteraction), ...histograms(byInteraction)].map((line) => `${line}\n`).join(''),
  };
}

function* totals(timings: ReadonlyMap<string, Timing>): Iterable<string> {
  yield '# HELP carelog_requests_total Requests answered, by interaction and class of status.';
  yield '# TYPE carelog_requests_total counter';
  for (const [interaction, { statuses }] of timings) {
    for (const [statusClass, count] of statuses) {
      yield `carelog_requests_total{interaction="${interaction}",status="${statusClass}xx"} ${count}`;
    }
  }
}

function* histograms(timings: ReadonlyMap<string, Timing>): Iterable<string> {
  yield '# HELP carelog_request_seconds Time from the head of a request to its answer, seconds.';
  yield '# TYPE carelog_request_seconds histogram';
  for (const [interaction, { buckets, sum }] of timings) {
    let count = 0;
    for (const [index, inBucket] of buckets.entries()) {
      count += inBucket;
      yield `carelog_request_seconds_bucket{interaction="${interaction}",le="${bounds[index] ?? '+Inf'}"} ${count}`;
    }
    yield `carelog_request_seconds_sum{interaction="${interaction}"} ${sum}`;
    yield `carelog_request_seconds_count{interaction="${interaction}"} ${count}`;
  }
}
