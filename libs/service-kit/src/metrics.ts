/**
 * Every metric that a service of ours exports, and the Prometheus text format. The first five are the life of an activity;
 * docs/reference/metrics.md explains all of them. Labels are words of ours: no address, no id, nothing of a patient.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */

export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** By name: kind, and what it says. A service exports those of what it does. */
export const metricCatalogue = {
  carelog_received_total: ['counter', 'Requests to record that arrived.'],
  carelog_accepted_total: ['counter', 'Requests to record that were accepted.'],
  carelog_recorded_total: ['counter', 'Events that the log holds.'],
  carelog_projected_total: ['counter', 'Events that a view reflects.'],
  carelog_served_total: ['counter', 'Answers from a view.'],
  carelog_requests_total: ['counter', 'Requests answered, by interaction and class of status.'],
  carelog_request_seconds: ['histogram', 'Time from the head of a request to its answer, seconds.'],
  carelog_log_position: ['gauge', 'Position of the last event on disk.'],
  carelog_projection_position: ['gauge', 'Position of the last event that a view reflects.'],
  carelog_projection_lag_events: ['gauge', 'Events on disk that a view does not reflect yet.'],
  carelog_projection_parked: ['gauge', 'Partitions that stopped at an event which could not be projected.'],
  carelog_lane_position: ['gauge', 'Position that a view has reached in a lane.'],
  carelog_events_refilled_total: [
    'counter',
    'Events taken from the log because the lane did not bring them.',
  ],
  carelog_events_repeated_total: ['counter', 'Events that a lane brought again and that were left out.'],
  carelog_relay_active: ['gauge', '1 where this relay holds the lease, 0 where it stands by.'],
  carelog_relay_position: ['gauge', 'Position up to which everything is in the lanes.'],
  carelog_relay_lag_events: ['gauge', 'Events on disk that are not in the lanes yet.'],
  carelog_relay_sent_total: ['counter', 'Events sent to the lanes, those sent again included.'],
  carelog_relay_restarts_total: [
    'counter',
    'Times that a producer was given up and its events were sent again.',
  ],
  carelog_relay_overtaken_total: ['counter', 'Times that another relay took over from one that still ran.'],
  carelog_told_total: ['counter', 'Events that subscribers were told of, by channel.'],
  carelog_event_streams: ['gauge', 'Streams of events that are open.'],
  carelog_websockets: ['gauge', 'Websockets that are open.'],
  carelog_subscriptions_held: ['gauge', 'FHIR Subscriptions that this process looks after.'],
  carelog_hooks_failing: ['gauge', 'Rest-hooks whose last notification was not taken.'],
  carelog_hooks_sending: ['gauge', 'Notifications that are being sent to rest-hooks.'],
  carelog_hooks_waiting: ['gauge', 'Notifications that wait for their turn to be sent.'],
  carelog_access_journal_bytes: ['gauge', 'Access records that are written and not yet in the access log.'],
  carelog_writers_waiting: ['gauge', 'Writers that wait because a view is far behind.'],
  carelog_writers_turned_away_total: ['counter', 'Writers answered 503 because a view stayed far behind.'],
  process_resident_memory_bytes: ['gauge', 'Memory of the process, bytes.'],
  process_cpu_seconds_total: ['counter', 'Processor time of the process, seconds.'],
} as const satisfies Record<string, readonly ['counter' | 'gauge' | 'histogram', string]>;

export type MetricName = keyof typeof metricCatalogue;

export interface Sample {
  readonly name: MetricName;
  /** Of a histogram's series: `_bucket`, `_sum` or `_count`. */
  readonly suffix?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The samples in the Prometheus text format, each metric's together, with what they say. */
export function metricsText(samples: Iterable<Sample>): string {
  const series = new Map<MetricName, string[]>();
  for (const { name, suffix = '', labels = {}, value } of samples) {
    const pairs = Object.entries(labels).map(([label, said]) => `${label}="${escaped(said)}"`);
    const line = `${name}${suffix}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}\n`;
    const lines = series.get(name);
    if (lines === undefined) series.set(name, [line]);
    else lines.push(line);
  }
  let text = '';
  for (const [name, lines] of series) {
    const [kind, help] = metricCatalogue[name];
    text += `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n${lines.join('')}`;
  }
  return text;
}

/** What the process itself takes. */
export function processSamples(): Sample[] {
  const { user, system } = process.cpuUsage();
  return [
    { name: 'process_resident_memory_bytes', value: process.memoryUsage.rss() },
    { name: 'process_cpu_seconds_total', value: (user + system) / 1e6 },
  ];
}

function escaped(label: string): string {
  return label.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
