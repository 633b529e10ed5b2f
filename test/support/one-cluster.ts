/**
 * Before the first spec of a run on a cluster: one PostgreSQL and one Kafka for all clusters of the run, each of which has a
 * database and a topic of its own there; and one cluster for all specs that do not mind what others record.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { startKafka, startPostgres } from '@carelog/engines';
import { createLog } from '@carelog/service-kit';
import { startLocalCluster, type LocalEngines } from '../../apps/carelog/src/cluster/local-cluster.ts';
import { stackConfig, stackSettings } from './stack-config.ts';

/** Settings of the run: where these are, as JSON. */
export const SHARED_ENGINES = 'CARELOG_STACK_ENGINES';
export const SHARED_CLUSTER = 'CARELOG_STACK_CLUSTER';

export interface SharedCluster {
  readonly folder: string;
  readonly gateways: readonly string[];
}

/** Called by Vitest before the first spec; what is given back, after the last. */
export default async function startShared(): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), 'carelog-shared-'));
  const [postgres, kafka] = await Promise.all([
    // It is not killed here, so nothing has to outlive that.
    startPostgres({ folder: join(folder, 'postgres'), sync: false, settings: { max_connections: '400' } }),
    startKafka({ folder: join(folder, 'kafka') }),
  ]);
  const engines: LocalEngines = { postgresUrl: postgres.url(), brokers: kafka.brokers };
  const given = { engines, name: basename(folder) };
  const cluster = await startLocalCluster(stackConfig(folder), createLog('error'), {
    env: stackSettings,
    ...given,
  });
  const shared: SharedCluster = { folder, gateways: cluster.gateways };
  process.env[SHARED_ENGINES] = JSON.stringify(engines);
  process.env[SHARED_CLUSTER] = JSON.stringify(shared);
  return async () => {
    await cluster.close();
    await Promise.all([postgres.stop(), kafka.stop()]);
    rmSync(folder, { recursive: true, force: true });
  };
}
