/**
 * The whole platform in one process: the log and the activity writer on this thread, the projector on a worker, the query
 * gateway, the identity provider and the start page on one port. Nothing is decided here; this only puts together.
 */
import { join } from 'node:path';
import { openAccessLog, openBrokenGlass } from '@carelog/access-log';
import { createRecordActivity, diskSpace } from '@carelog/activity-writer';
import { openSqliteEventStore } from '@carelog/event-store';
import { openKeyring } from '@carelog/keyring';
import { startCareSettings, startProjector } from '@carelog/projector';
import {
  accessFactsFrom,
  feedSource,
  matchFrom,
  raiseTasks,
  RecentAnswers,
  startAlerting,
  type Gateway,
} from '@carelog/query-gateway';
import { openRecord, recordProjection } from '@carelog/read-models';
import { createLog, type Config, type Log, type Service } from '@carelog/service-kit';
import { Feed, openSqliteSubscriptionStore } from '@carelog/subscriptions';
import { keyedBy, startFront, subscriptionKey, type Platform } from './front.ts';
import { dataPaths, type DataPaths } from './paths.ts';
import type { Running } from './status.ts';
import { version } from './version.ts';

/** Memory for answers that were given a moment ago. */
const RECENT_READS_BYTES = 16 * 1024 * 1024;
const RECENT_PAGES_BYTES = 32 * 1024 * 1024;
/**
 * Transactions can be recorded faster than the record view takes them in, and who reads right after them waits for what it lacks:
 * so many events are less than a second of two processors.
 */
const LAG_MAX_EVENTS = 8_000;

export interface Carelog extends Service {
  /** Whether nothing had been recorded when it started. */
  readonly emptyLog: boolean;
}

/** Resolves when requests are accepted. Throws a `StoreFault` or a `KeyringFault` where the data folder cannot be used. */
export async function startCarelog(config: Config, log: Log = createLog(config.logLevel)): Promise<Carelog> {
  const paths = dataPaths(config.dataFolder);
  const platform = await openPlatform(paths, config, log);
  const emptyLog = platform.running.store.head().position === 0;
  return { ...(await startFront(platform, config, log)), emptyLog };
}

async function openPlatform(paths: DataPaths, config: Config, log: Log): Promise<Platform> {
  const { policy } = config;
  const store = openSqliteEventStore({ path: paths.log });
  const keyring = openKeyring(paths.keyring);
  const projector = await startProjector({ paths, headSignal: store.headSignal, log, policy });
  const careSettings = await startCareSettings({ paths, policy, headSignal: store.headSignal, log });
  const record = openRecord(paths.record);
  const ground = {
    policy: policy.version,
    view: `${recordProjection.name} ${recordProjection.version}`,
    epoch: store.head().epoch,
  };
  const accessLog = await openAccessLog({
    folder: paths.accessLog,
    places: { kind: 'own', keyringFolder: paths.keyring },
    keyring,
    mode: config.accessLog,
    ground: () => ground,
    log,
  });
  const brokenGlass = await openBrokenGlass(accessLog);
  const reading = { record, brokenGlass, policy, head: () => store.head().position, projected: projector };
  const recordActivity = createRecordActivity({
    store,
    keyring,
    match: matchFrom(reading),
    accessFacts: accessFactsFrom(reading),
    policy,
    hasRoom: diskSpace(paths.folder),
  });
  const feed = new Feed(feedSource(store, { ...reading, careSettings }), log);
  const subscriptions = openSqliteSubscriptionStore({ path: join(paths.folder, 'subscriptions.sqlite') });
  const gateway: Gateway = {
    ...reading,
    recordActivity,
    accessLog,
    log: store,
    careSettings,
    population: {
      queries: careSettings.population,
      position: () => careSettings.position('population'),
      waitFor: (position, timeoutMs) => careSettings.waitFor(position, timeoutMs, 'population'),
    },
    ...keyedBy(keyring),
    recent: {
      reads: new RecentAnswers(projector.moves, RECENT_READS_BYTES),
      pages: new RecentAnswers(projector.moves, RECENT_PAGES_BYTES),
    },
    pressure: { lagMax: LAG_MAX_EVENTS, waiting: 0, turnedAway: 0 },
    told: { stream: 0, 'rest-hook': 0, websocket: 0 },
    feed,
    subscriptions: { store: subscriptions, key: subscriptionKey(keyring) },
    version,
  };
  await raiseTasks(gateway);
  const alerting = startAlerting(gateway, log);
  const recordVersion = () => recordProjection.version;
  const running: Running = { version, startedAt: new Date().toISOString(), policy, store, record, recordVersion, projector, careSettings }; // prettier-ignore
  const release = async (): Promise<void> => {
    await alerting.stop();
    await feed.close();
    await subscriptions.close();
    await accessLog.close();
    await projector.stop();
    await careSettings.stop();
    record.close();
    await store.close();
    keyring.close();
  };
  return { running, gateway, release };
}
