/** What an operator's commands work on: one version of the record in the cluster's database, with log and keys. */
import { userInfo } from 'node:os';
import { readKafkaSettings } from '@carelog/distribution';
import { StoreFault, type EventStore } from '@carelog/event-store';
import { KeyringFault } from '@carelog/keyring';
import { catchUpLanes, type LanesOptions } from '@carelog/projection';
import { openViewGround, type ViewGround } from '@carelog/projector';
import { openVersions, recordProjection, type ReadModelVersions } from '@carelog/read-models';
import { createLog, readClusterConfig, type Config } from '@carelog/service-kit';
import { Client } from 'pg';
import { CommandFailure } from '../command-failure.ts';

export interface ViewTools {
  readonly versions: ReadModelVersions;
  /** As the roles of the settings reach it. */
  readonly readModelsUrl: string;
  readonly config: Config;
  readonly lanes: readonly number[];
  /** Opened once; that which answers unless told. Throws `CommandFailure` where there is none. */
  open(version?: number): Promise<ViewGround & { readonly version: number }>;
}

export const VIEW_NAME = recordProjection.name;

/** Gives `work` what the settings name, and closes it afterwards. Throws `CommandFailure` with what is wrong with them. */
export async function withViews<T>(work: (tools: ViewTools) => Promise<T>): Promise<T> {
  const outcome = readClusterConfig(['logUrl', 'readModelsUrl', 'keyringUrl', 'masterKeyFile']);
  const kafka = readKafkaSettings();
  const problems = [outcome, kafka].flatMap((it) => (it.kind === 'invalid' ? it.problems : []));
  if (outcome.kind === 'invalid' || kafka.kind === 'invalid')
    throw new CommandFailure(`This needs the settings of the cluster:\n  ${problems.join('\n  ')}`, 2);
  const { config, cluster } = outcome;
  const versions = openVersions(cluster.readModelsUrl);
  const opened: ViewGround[] = [];
  try {
    return await work({
      versions,
      readModelsUrl: cluster.readModelsUrl,
      config,
      lanes: Array.from({ length: kafka.settings.lanes }, (_, lane) => lane),
      async open(asked) {
        const version = asked ?? (await liveOf(versions));
        const ground = await openViewGround({
          ...cluster,
          lanes: kafka.settings.lanes,
          policy: config.policy,
          recordVersion: version,
          log: createLog('warn'),
        });
        opened.push(ground);
        return { ...ground, version };
      },
    });
  } catch (fault) {
    if (fault instanceof StoreFault || fault instanceof KeyringFault) throw new CommandFailure(fault.message);
    if (isDatabaseError(fault))
      throw new CommandFailure(`The database of read models refused: ${fault.message}.`);
    throw fault;
  } finally {
    await Promise.all(opened.map((it) => it.close()));
    await versions.close();
  }
}

/** So close to the head projectors take over what was built. */
export const NEAR = 1_000;
/** Events in one transaction while something is built. */
const PAGE = 5_000;

/** Until what is recorded meanwhile is a matter of moments. Gives how far it came. */
export async function catchUp<Change>(
  name: string,
  lanes: readonly number[],
  options: LanesOptions<Change> & { readonly store: EventStore },
): Promise<number> {
  for (;;) {
    const onNotice = (notice: string) => void process.stderr.write(`${notice}\n`);
    const { position } = await catchUpLanes(lanes, { ...options, batchSize: PAGE, onNotice });
    process.stderr.write(`${name}: event ${position}\n`);
    if ((await options.store.freshHead()).position - position <= NEAR) return position;
  }
}

/** Gives `work` a connection for what takes the owner of the schemas. */
export async function asOwner(url: string, work: (owner: Client) => Promise<void>): Promise<void> {
  const owner = new Client({
    connectionString: url,
    application_name: 'carelog migration',
    lock_timeout: 10_000,
  });
  await owner.connect();
  await work(owner).finally(() => owner.end());
}

/** Who asks, where `--by` does not say it. */
export function operatorName(): string {
  return userInfo().username;
}

async function liveOf(versions: ReadModelVersions): Promise<number> {
  const live = await versions.live(VIEW_NAME);
  if (live !== undefined) return live.version;
  throw new CommandFailure('No version of the record is served yet. Build one: carelog read-models build.');
}

const isDatabaseError = (fault: unknown): fault is Error =>
  fault instanceof Error && ('code' in fault || fault.name === 'AggregateError');
