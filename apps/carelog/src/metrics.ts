/**
 * What a monitoring system asks for at intervals, in the Prometheus text format. Labels are words of ours: no address, no
 * id, nothing of a patient. https://prometheus.io/docs/instrumenting/exposition_formats/
 */
import type { Gateway } from '@carelog/query-gateway';
import type { Running } from './status.ts';

export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** How far log and views are, and how many writers they hold up. Costs no look into a database. */
export function platformMetrics(
  { store, projector }: Running,
  { pressure, accessLog }: Pick<Gateway, 'pressure' | 'accessLog'>,
): string {
  const head = store.head().position;
  const position = projector.position();
  const rows = [
    ['carelog_log_position', 'gauge', 'Position of the last event on disk.', '', head],
    ['carelog_projection_position', 'gauge', 'Position of the last event that a view reflects.', '{projection="record"}', position], // prettier-ignore
    ['carelog_projection_lag_events', 'gauge', 'Events on disk that a view does not reflect yet.', '{projection="record"}', Math.max(0, head - position)], // prettier-ignore
    ['carelog_access_journal_bytes', 'gauge', 'Access records that are written and not yet in the access log.', '', accessLog.backlogBytes], // prettier-ignore
    [
      'carelog_writers_waiting',
      'gauge',
      'Writers that wait because a view is far behind.',
      '',
      pressure.waiting,
    ],
    ['carelog_writers_turned_away_total', 'counter', 'Writers answered 503 because a view stayed far behind.', '', pressure.turnedAway], // prettier-ignore
  ] as const;
  return rows
    .map(
      ([name, type, help, labels, value]) =>
        `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name}${labels} ${value}\n`,
    )
    .join('');
}
