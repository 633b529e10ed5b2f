/** A query gateway of a cluster: reads from the engines, writes through the activity writers. Any number of them serve together. */
import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { openAccessLog, type BrokenGlass } from '@carelog/access-log';
import {
  careSettings,
  careSettingsSchema,
  openPostgresCareSettings,
  openPostgresPopulation,
  populationSchema,
} from '@carelog/read-models';
import { connectWriters, feedSource, raiseTasks, startAlerting, type Gateway } from '@carelog/query-gateway';
import {
  readServiceKey,
  type ClusterSettings,
  type Config,
  type Log,
  type Service,
} from '@carelog/service-kit';
import { Feed, openPostgresSubscriptionStore } from '@carelog/subscriptions';
import { keyedBy, startFront, subscriptionKey } from '../front.ts';
import { dataPaths } from '../paths.ts';
import type { Running } from '../status.ts';
import { version } from '../version.ts';
import { ACCESS_LOG_SCHEMA, ENGINE_SETTINGS, openEngines, type EngineSettings } from './engines.ts';
import { refusingWhileAway } from './out-of-reach.ts';
import { readinessOf } from './readiness.ts';

export const GATEWAY_SETTINGS = [...ENGINE_SETTINGS, 'writers'] as const;

/**
 * Questions that are answered at a time. Each has two threads, one that reads and one that holds its connection: on a machine
 * that has the database and other services too, more of them than half of its processors only take turns.
 */
const readers = (processors: number): number => Math.min(4, Math.max(2, Math.floor(processors / 2)));
const TASKS_AGAIN_MS = 5_000;
/** A lane may be without a projector for ten seconds: 2,000 events may be recorded in each of them, and no writer waits. */
const LAG_MAX_EVENTS = 20_000;

/** Resolves when requests are accepted. Its access journal lies in the data folder: no two gateways may share one. */
export async function startGatewayService(
  config: Config,
  settings: EngineSettings & Pick<ClusterSettings, 'writers'>,
  log: Log,
): Promise<Service> {
  const { policy } = config;
  const serviceKey = readServiceKey(settings.serviceKeyFile);
  const threads = readers(availableParallelism());
  const engines = await openEngines(settings, { policy, threads, log });
  const { store, keyring, live, progress, ground, reading } = engines;
  const ending = new AbortController();
  const writers = connectWriters({ addresses: settings.writers, serviceKey, log });
  const settingsPool = openPostgresCareSettings({ url: settings.readModelsUrl, settings: careSettings });
  const population = openPostgresPopulation(settings.readModelsUrl, policy);
  const subscriptions = openPostgresSubscriptionStore({ url: settings.readModelsUrl });
  const releaseEngines = async (): Promise<void> => {
    ending.abort();
    await settingsPool.close();
    await population.close();
    await subscriptions.close();
    writers.close();
    await engines.close();
  };
  try {
    const accessLog = await openAccessLog({
      folder: dataPaths(config.dataFolder).accessLog,
      places: {
        kind: 'shared',
        log: { url: settings.accessLogUrl, schema: ACCESS_LOG_SCHEMA },
        keyring: { url: settings.keyringUrl, masterKeyFile: settings.masterKeyFile },
      },
      keyring,
      mode: config.accessLog,
      ground,
      log,
    });
    const brokenGlass: BrokenGlass = {
      ...reading.brokenGlass,
      async break(caller, broken, answer) {
        // Looked through, the log has what was answered before, and the break comes after it.
        await accessLog.find({ interaction: 'break-glass', hiddenToo: true, count: 1 });
        return reading.brokenGlass.break(caller, broken, answer);
      },
    };
    // All of them move together.
    const together = await progress.follow(careSettingsSchema(careSettings));
    const counted = await progress.follow(populationSchema(policy));
    const of = new Map([...settingsPool.of].map(([name, it]) => [name, refusingWhileAway(() => it, 'The view of this care setting')])); // prettier-ignore
    const queries = refusingWhileAway(() => population, 'The view of the population');
    const views = { of, position: () => together.position(), waitFor: together.waitFor };
    const feed = new Feed(feedSource(store, { ...reading, careSettings: views }), log);
    const gateway: Gateway = {
      ...reading,
      careSettings: views,
      population: { queries, position: counted.position, waitFor: counted.waitFor },
      brokenGlass,
      recordActivity: writers,
      accessLog,
      log: refusingWhileAway(() => store, 'The log'),
      ...keyedBy(keyring),
      pressure: { lagMax: LAG_MAX_EVENTS, waiting: 0, turnedAway: 0 },
      told: { stream: 0, 'rest-hook': 0, websocket: 0 },
      feed,
      subscriptions: {
        store: refusingWhileAway(() => subscriptions, 'The store of subscriptions'),
        key: subscriptionKey(keyring),
      },
      version,
    };
    const running: Running = { version, startedAt: new Date().toISOString(), policy, store, record: reading.record, recordVersion: live.version, projector: live.projected, careSettings: views }; // prettier-ignore
    void raiseTasksInTime(gateway, log, ending.signal);
    const alerting = startAlerting(gateway, log);
    const release = async (): Promise<void> => {
      await alerting.stop();
      await feed.close();
      await accessLog.close();
      await releaseEngines();
    };
    return await startFront(
      { running, gateway, readiness: () => readinessOf(engines), release },
      config,
      log,
    );
  } catch (fault) {
    await releaseEngines();
    throw fault;
  }
}

/** Writers may not be there yet when a gateway starts. */
async function raiseTasksInTime(gateway: Gateway, log: Log, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      return await raiseTasks(gateway);
    } catch (fault) {
      if (!signal.aborted)
        log.warn({ fault: (fault as Error).name }, 'broken glass could not be put on worklists yet');
      await delay(TASKS_AGAIN_MS, undefined, { signal, ref: false }).catch(() => {});
    }
  }
}
