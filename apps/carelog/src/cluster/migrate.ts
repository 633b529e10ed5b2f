/** The schemas of a cluster in one PostgreSQL database, and what each kind of service may do there. Run by their owner. */
import type { Policy } from '@carelog/access';
import { ACCESS_PARTITIONS } from '@carelog/access-log';
import { migrateDistribution } from '@carelog/distribution';
import { migrateEventStore } from '@carelog/event-store';
import { migrateKeyring } from '@carelog/keyring';
import {
  careSettings,
  migrateCareSettings,
  migratePopulation,
  migrateRecord,
  migrateVersions,
  openVersions,
  recordProjection,
  schemaOf,
} from '@carelog/read-models';
import { migrateSubscriptions } from '@carelog/subscriptions';
import { Client } from 'pg';
import { ACCESS_LOG_SCHEMA } from './engines.ts';

/** Rights belong to these; whoever connects is a member of one, or is one. */
export const serviceRoles = ['gateway', 'writer', 'projector', 'relay'] as const;
export const roleOf = (service: (typeof serviceRoles)[number]): string => `carelog_${service}`;

export interface MigrationOptions {
  readonly ownerUrl: string;
  readonly masterKeyFile: string;
  readonly policy: Policy;
}

/** May run again, and beside services: makes what is missing, changes nothing that is there. */
export async function migrateCluster({ ownerUrl, masterKeyFile, policy }: MigrationOptions): Promise<void> {
  const owner = new Client({
    connectionString: ownerUrl,
    application_name: 'carelog migrate',
    connectionTimeoutMillis: 10_000,
    lock_timeout: 10_000,
    statement_timeout: 60_000,
    idle_in_transaction_session_timeout: 60_000,
  });
  await owner.connect();
  const [gateway, writer, projector, relay] = serviceRoles.map(roleOf) as [string, string, string, string];
  try {
    for (const role of [gateway, writer, projector, relay]) await makeRole(owner, role);
    for (const readerRole of [gateway, projector, relay]) await migrateEventStore(owner, { readerRole });
    await migrateEventStore(owner, { writerRole: writer });
    await migrateEventStore(owner, { schema: ACCESS_LOG_SCHEMA, writerRole: gateway, readerRole: writer });
    // A gateway ends the keeping of a month of access records when an operator asks it to.
    const erasers = [{ role: gateway, prefix: ACCESS_PARTITIONS }];
    const roles = { makers: [gateway, writer], readers: [projector], erasers };
    await migrateKeyring(owner, { masterKeyFile, roles });
    await migrateDistribution(owner, { relays: [relay], readers: [gateway, writer] });
    const schema = schemaOf(recordProjection.name, recordProjection.version);
    for (const reader of [gateway, writer]) {
      await migrateVersions(owner, { reader });
      await migrateRecord(owner, { schema, reader, writer: projector, policy });
      await migrateCareSettings(owner, careSettings, { reader, writer: projector });
      await migratePopulation(owner, { reader, writer: projector, policy });
    }
    await migrateVersions(owner, { reader: projector });
    await migrateSubscriptions(owner, { gateway });
  } finally {
    await owner.end();
  }
  await serveFirstVersion(ownerUrl);
}

/** A later version is built beside the one that serves, and takes its place when an operator says so. */
async function serveFirstVersion(ownerUrl: string): Promise<void> {
  const { name, version } = recordProjection;
  const versions = openVersions(ownerUrl);
  try {
    if ((await versions.live(name)) === undefined) await versions.switchTo(name, version, undefined, 'the first migration'); // prettier-ignore
  } finally {
    await versions.close();
  }
}

async function makeRole(owner: Client, role: string): Promise<void> {
  const { rowCount } = await owner.query('SELECT FROM pg_roles WHERE rolname = $1', [role]);
  if (rowCount === 0) await owner.query(`CREATE ROLE ${owner.escapeIdentifier(role)} NOLOGIN`);
}
