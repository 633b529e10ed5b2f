/** An activity writer of a cluster: gateways hand it what is to be recorded. Any number of them write one log. */
import { createRecordActivity, startWriterService } from '@carelog/activity-writer';
import { accessFactsFrom, matchFrom } from '@carelog/query-gateway';
import {
  readServiceKey,
  type ClusterSettings,
  type Config,
  type Log,
  type Service,
} from '@carelog/service-kit';
import { ENGINE_SETTINGS, openEngines, type EngineSettings } from './engines.ts';
import { startOperations } from './operations.ts';
import { readinessOf } from './readiness.ts';

export const WRITER_SETTINGS = [...ENGINE_SETTINGS, 'writerPort'] as const;

/** What it asks of the record is asked by few, e.g. conditional creates. */
const THREADS = 1;

export interface Writer extends Service {
  /** Where gateways reach it. */
  readonly port: number;
}

/** Resolves when requests are taken; `PORT` serves its health and metrics. */
export async function startWriter(
  config: Config,
  settings: EngineSettings & Pick<ClusterSettings, 'writerPort'>,
  log: Log,
): Promise<Writer> {
  const { policy, host } = config;
  const serviceKey = readServiceKey(settings.serviceKeyFile);
  const engines = await openEngines(settings, { policy, threads: THREADS, log });
  const { store, keyring, reading } = engines;
  const recordActivity = createRecordActivity({
    store,
    keyring,
    match: matchFrom(reading),
    accessFacts: accessFactsFrom(reading),
    policy,
    // Room is the database's to give; where it has none the log says so.
    hasRoom: () => true,
  });
  const taking = startWriterService({ recordActivity, host, port: settings.writerPort, serviceKey, log });
  const writer = await taking.catch(async (fault: unknown) => {
    await engines.close();
    throw fault;
  });
  const service = await startOperations({
    config,
    log,
    samples: () => [{ name: 'carelog_log_position', value: store.head().position }],
    readiness: () => readinessOf(engines),
    async release() {
      await writer.close();
      await engines.close();
    },
  });
  return { ...service, port: writer.port };
}
