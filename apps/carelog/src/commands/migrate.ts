/** `carelog migrate`: makes schemas, rights and the topic of a cluster, before its services start. */
import { resolve } from 'node:path';
import { ensureTopic, readKafkaSettings } from '@carelog/distribution';
import { readConfig } from '@carelog/service-kit';
import { migrateCluster } from '../cluster/migrate.ts';
import { CommandFailure } from '../command-failure.ts';

export async function migrate(env = process.env): Promise<void> {
  const { CARELOG_OWNER_URL: ownerUrl = '', CARELOG_KEYRING_MASTER_KEY_FILE: masterKeyFile = '' } = env;
  // Of the settings of a service only the policy counts here; nobody signs in.
  const own = readConfig({
    CARELOG_ACCESS_POLICY: env['CARELOG_ACCESS_POLICY'],
    CARELOG_EMBEDDED_IDENTITY: 'on',
  });
  const kafka = readKafkaSettings(env);
  const problems = [
    ...(/^postgres(ql)?:/.test(ownerUrl) ? [] : ['CARELOG_OWNER_URL must be the address of the PostgreSQL database, of the role that owns the schemas.']), // prettier-ignore
    ...(masterKeyFile === '' ? ['CARELOG_KEYRING_MASTER_KEY_FILE must name the file with the key that wraps all data keys.'] : []), // prettier-ignore
    ...(own.kind === 'invalid' ? own.problems : []),
    ...(kafka.kind === 'invalid' ? kafka.problems : []),
  ];
  if (own.kind === 'invalid' || kafka.kind === 'invalid' || problems.length > 0)
    throw new CommandFailure(`Nothing was changed:\n  ${problems.join('\n  ')}`, 2);
  try {
    await migrateCluster({ ownerUrl, masterKeyFile: resolve(masterKeyFile), policy: own.config.policy });
    await ensureTopic(kafka.settings);
  } catch (fault) {
    throw new CommandFailure(`The cluster could not be migrated. ${(fault as Error).message}`);
  }
}
