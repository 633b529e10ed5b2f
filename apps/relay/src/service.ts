/** The relay of a cluster, as whoever runs and watches it sees it. */
import type { Sample } from '@carelog/service-kit';
import { startRelay } from './relay.ts';
import type { RelayOptions } from './relay.ts';

export interface RelayService {
  /** Whether it relays, or stands by behind one that does. */
  isReady(): boolean;
  samples(): Sample[];
  /** Ends after the page in hand, at the latest after its time; another relay takes over. */
  close(): Promise<void>;
}

/** Starts at once: engines that do not answer yet are asked again until they do. */
export function startRelayService(options: RelayOptions): RelayService {
  const relay = startRelay(options);
  return {
    isReady() {
      const { state } = relay.status();
      return state === 'relaying' || state === 'standing by';
    },
    samples() {
      const { state, position, lag, sent, restarts, fenceLosses } = relay.status();
      const isActive = state === 'relaying';
      return [
        { name: 'carelog_relay_active', value: Number(isActive) },
        // One that stands by knows nothing of them: a number of its own would only mislead.
        ...(isActive
          ? ([
              { name: 'carelog_recorded_total', value: position + lag },
              { name: 'carelog_log_position', value: position + lag },
              { name: 'carelog_relay_position', value: position },
              { name: 'carelog_relay_lag_events', value: lag },
            ] as const)
          : []),
        { name: 'carelog_relay_sent_total', value: sent },
        { name: 'carelog_relay_restarts_total', value: restarts },
        { name: 'carelog_relay_overtaken_total', value: fenceLosses },
      ];
    },
    close: () => relay.close(),
  };
}
