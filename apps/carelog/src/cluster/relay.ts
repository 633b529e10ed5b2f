/** The relay of a cluster: brings the log to Kafka, or stands by while another one does. */
import type { KafkaSettings } from '@carelog/distribution';
import { startRelay } from '@carelog/relay';
import { readServiceKey, sealKeyOf, type ClusterSettings, type Config, type Log, type Service } from '@carelog/service-kit'; // prettier-ignore
import { openLog } from './engines.ts';
import { notReady, startOperations } from './operations.ts';

export const RELAY_SETTINGS = ['logUrl', 'distributionUrl', 'serviceKeyFile'] as const;

export async function startRelayOf(
  config: Config,
  settings: Pick<ClusterSettings, (typeof RELAY_SETTINGS)[number]>,
  kafka: KafkaSettings,
  log: Log,
): Promise<Service> {
  const relay = startRelay({
    kafka: { ...kafka, sealKey: sealKeyOf(readServiceKey(settings.serviceKeyFile)) },
    databaseUrl: settings.distributionUrl,
    openStore: () => openLog(settings.logUrl, 'carelog relay'),
    log,
  });
  return startOperations({
    config,
    log,
    samples() {
      const { state, position, lag, sent, restarts, fenceLosses } = relay.status();
      return [
        { name: 'carelog_relay_active', value: state === 'relaying' ? 1 : 0 },
        { name: 'carelog_relay_position', value: position },
        { name: 'carelog_relay_lag_events', value: lag },
        { name: 'carelog_relay_sent_total', value: sent },
        { name: 'carelog_relay_restarts_total', value: restarts },
        { name: 'carelog_relay_overtaken_total', value: fenceLosses },
      ];
    },
    readiness() {
      const { state, fault } = relay.status();
      if (state === 'starting') return [notReady('It has not reached its database yet.')];
      return state === 'recovering' ? [notReady(`It recovers from a fault (${fault ?? 'unknown'}).`)] : [];
    },
    release: () => relay.close(),
  });
}
