/** A projector of a cluster: keeps its share of the record's lanes. */
import type { KafkaSettings } from '@carelog/distribution';
import { startProjectorService } from '@carelog/projector';
import { readServiceKey, sealKeyOf, type ClusterSettings, type Config, type Log, type Service } from '@carelog/service-kit'; // prettier-ignore
import { notReady, startOperations } from './operations.ts';

export const PROJECTOR_SETTINGS = [
  'logUrl',
  'readModelsUrl',
  'keyringUrl',
  'masterKeyFile',
  'serviceKeyFile',
  'recordVersion',
] as const;

/** Resolves when log, keyring and read models answer; Kafka is waited for while it runs. */
export async function startProjectorOf(
  config: Config,
  settings: Pick<ClusterSettings, (typeof PROJECTOR_SETTINGS)[number]>,
  kafka: KafkaSettings,
  log: Log,
): Promise<Service> {
  const { recordVersion, serviceKeyFile, ...urls } = settings;
  const projector = await startProjectorService({
    ...urls,
    ...(recordVersion !== 'own' && { recordVersion }),
    kafka: { ...kafka, sealKey: sealKeyOf(readServiceKey(serviceKeyFile)) },
    policy: config.policy,
    log,
  });
  return startOperations({
    config,
    log,
    samples: () => projector.samples(),
    readiness: () =>
      projector.isReady() ? [] : [notReady('Its lanes are not all brought to where the log is.')],
    release: () => projector.close(),
  });
}
