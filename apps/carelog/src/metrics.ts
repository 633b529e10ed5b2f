/** What a monitoring system asks for at intervals, of the whole platform in one process. */
import type { Gateway } from '@carelog/query-gateway';
import { processSamples, type Sample } from '@carelog/service-kit';
import type { Running } from './status.ts';

/** How far log and views are, and how many writers they hold up. Costs no look into a database. */
export function platformSamples(
  { store, projector }: Running,
  { pressure, accessLog }: Pick<Gateway, 'pressure' | 'accessLog'>,
): Sample[] {
  const head = store.head().position;
  const position = projector.position();
  const labels = { projection: 'record' };
  return [
    { name: 'carelog_recorded_total', value: head },
    { name: 'carelog_projected_total', labels, value: position },
    { name: 'carelog_log_position', value: head },
    { name: 'carelog_projection_position', labels, value: position },
    { name: 'carelog_projection_lag_events', labels, value: Math.max(0, head - position) },
    { name: 'carelog_access_journal_bytes', value: accessLog.backlogBytes },
    { name: 'carelog_writers_waiting', value: pressure.waiting },
    { name: 'carelog_writers_turned_away_total', value: pressure.turnedAway },
    ...processSamples(),
  ];
}
