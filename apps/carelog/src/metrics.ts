/** What a monitoring system asks for at intervals, of the whole platform in one process. */
import type { Channels, Gateway } from '@carelog/query-gateway';
import { processSamples, type Sample } from '@carelog/service-kit';
import { viewsOf, type Running } from './status.ts';

/** How far log and views are, what they set aside, and how many writers they hold up. One short question to each view. */
export async function platformSamples(
  running: Running,
  { pressure, accessLog }: Pick<Gateway, 'pressure' | 'accessLog'>,
): Promise<Sample[]> {
  const head = running.store.head().position;
  const views = viewsOf(running);
  // A view that does not answer is no reason to say nothing.
  const parked = await Promise.all(views.map((it) => it.parked().catch(() => undefined)));
  return [
    { name: 'carelog_recorded_total', value: head },
    { name: 'carelog_log_position', value: head },
    ...views.flatMap(({ name, position }, at): Sample[] => {
      const labels = { projection: name };
      const stopped = parked[at];
      return [
        { name: 'carelog_projected_total', labels, value: position },
        { name: 'carelog_projection_position', labels, value: position },
        { name: 'carelog_projection_lag_events', labels, value: Math.max(0, head - position) },
        ...(stopped === undefined ? [] : [{ name: 'carelog_projection_parked' as const, labels, value: stopped.length }]), // prettier-ignore
      ];
    }),
    { name: 'carelog_access_journal_bytes', value: accessLog.backlogBytes },
    { name: 'carelog_writers_waiting', value: pressure.waiting },
    { name: 'carelog_writers_turned_away_total', value: pressure.turnedAway },
    ...processSamples(),
  ];
}

/** Who is told of events, and how many were told. */
export function subscriberSamples(
  { told }: Pick<Gateway, 'told'>,
  streams: number,
  channels: ReturnType<Channels['load']>,
): Sample[] {
  const { held, failing, sending, waiting, websockets } = channels;
  return [
    ...Object.entries(told).map(([channel, value]): Sample => ({ name: 'carelog_told_total', labels: { channel }, value })), // prettier-ignore
    { name: 'carelog_event_streams', value: streams },
    { name: 'carelog_websockets', value: websockets },
    { name: 'carelog_subscriptions_held', value: held },
    { name: 'carelog_hooks_failing', value: failing },
    { name: 'carelog_hooks_sending', value: sending },
    { name: 'carelog_hooks_waiting', value: waiting },
  ];
}
