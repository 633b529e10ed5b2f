/**
 * The whole platform in one process: the log and the activity writer on this thread, the projector on a worker, the query
 * gateway, the identity provider and the start page on one port. Nothing is decided here; this only puts together.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { openAccessLog, openBrokenGlass } from '@carelog/access-log';
import { createRecordActivity, diskSpace } from '@carelog/activity-writer';
import { openSqliteEventStore } from '@carelog/event-store';
import { openKeyring } from '@carelog/keyring';
import { startProjector } from '@carelog/projector';
import {
  accessFactsFrom,
  FHIR_BASE,
  fhirRoutes,
  matchFrom,
  raiseTasks,
  RecentAnswers,
  type Gateway,
} from '@carelog/query-gateway';
import { openRecord, recordProjection } from '@carelog/read-models';
import {
  createLog,
  openIdentity,
  personas,
  smartConfigurationRoutes,
  startService,
  trustedIssuer,
  type Config,
  type Identity,
  type Log,
  type Service,
} from '@carelog/service-kit';
import { firstPersonNhsNumber } from '@carelog/synthetic';
import { DEMO_SEED } from './demo-population.ts';
import { eraseRoutes } from './erase-accesses.ts';
import { platformMetrics } from './metrics.ts';
import { dataPaths, type DataPaths } from './paths.ts';
import { startPageRoutes } from './start-page/routes.ts';
import { statusOf, statusRoutes, type Running } from './status.ts';
import { version } from './version.ts';

/** Memory for answers that were given a moment ago. */
const RECENT_READS_BYTES = 16 * 1024 * 1024;
const RECENT_PAGES_BYTES = 32 * 1024 * 1024;

/** Eight years, as the NHS Records Management Code has it for records of adult care. */
const ACCESS_LOG_MONTHS = 96;

/** Nest tokens of what lives as long as the service. */
const RUNNING = Symbol('running');

export interface Carelog extends Service {
  /** Whether nothing had been recorded when it started. */
  readonly emptyLog: boolean;
}

/** Resolves when requests are accepted. Throws a `StoreFault` or a `KeyringFault` where the data folder cannot be used. */
export async function startCarelog(config: Config, log: Log = createLog(config.logLevel)): Promise<Carelog> {
  const paths = dataPaths(config.dataFolder);
  const identity = config.embeddedIdentity ? await openPersonas(config, log) : undefined;
  const { running, gateway: platform, release } = await openPlatform(paths, config, log);
  const gateway: Gateway = {
    ...platform,
    ...(identity !== undefined && { tokensFrom: (base) => identity.addresses(base.replace(FHIR_BASE, '')) }),
  };
  const releaseAll = async (): Promise<void> => {
    await release();
    identity?.close();
  };
  const emptyLog = running.store.head().position === 0;
  try {
    const service = await startService({
      config,
      log,
      providers: [{ provide: RUNNING, useValue: running }],
      issuers: (url) => [
        ...(identity === undefined ? [] : [identity.issuer(url)]),
        ...config.issuers.map((settings) => trustedIssuer(settings, url + FHIR_BASE)),
      ],
      routes(server, { url, requestMetrics }) {
        identity?.mount(server, url);
        smartConfigurationRoutes(
          server,
          {
            ...(identity === undefined ? {} : { embedded: identity.addresses }),
            issuers: config.issuers.map(({ issuer }) => issuer),
          },
          url,
        );
        fhirRoutes(server, gateway, url);
        eraseRoutes(server, running, {
          accessLog: gateway.accessLog,
          months: config.accessLogMonths ?? ACCESS_LOG_MONTHS,
        });
        statusRoutes(server, running, () => platformMetrics(running, gateway) + requestMetrics());
        startPageRoutes(server, {
          facts: () => startPageFacts(running, config, url()),
          docsFolder: DOCS_FOLDER,
        });
      },
      release: releaseAll,
    });
    return { ...service, emptyLog };
  } catch (fault) {
    await releaseAll();
    throw fault;
  }
}

const DIGEST_LENGTH = 16;
function openPersonas({ dataFolder, apps = [] }: Config, log: Log): Promise<Identity> {
  const patientNhsNumber = firstPersonNhsNumber(DEMO_SEED);
  return openIdentity({ dataFolder, personas, patientNhsNumber, apps, log });
}

const DOCS_FOLDER = join(import.meta.dirname, '../../../docs');

interface Platform {
  readonly running: Running;
  readonly gateway: Gateway;
  readonly release: () => Promise<void>;
}

async function openPlatform(paths: DataPaths, config: Config, log: Log): Promise<Platform> {
  const { policy } = config;
  const store = openSqliteEventStore({ path: paths.log });
  const keyring = openKeyring(paths.keyring);
  const projector = await startProjector({ paths, headSignal: store.headSignal, log, policy });
  const record = openRecord(paths.record);
  const ground = {
    policy: policy.version,
    view: `${recordProjection.name} ${recordProjection.version}`,
    epoch: store.head().epoch,
  };
  const accessLog = await openAccessLog({
    folder: paths.accessLog,
    keyringFolder: paths.keyring,
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
  const gateway: Gateway = {
    ...reading,
    recordActivity,
    accessLog,
    log: store,
    digest: (value) => keyring.hmac('asked for', value).slice(0, DIGEST_LENGTH),
    recentReads: new RecentAnswers(projector.moves, RECENT_READS_BYTES),
    recentPages: new RecentAnswers(projector.moves, RECENT_PAGES_BYTES),
    pressure: { waiting: 0, turnedAway: 0 },
    cursorKey: createHash('sha256').update(keyring.hmac('cursor', 'key')).digest(),
    version,
  };
  await raiseTasks(gateway);
  const running: Running = { version, startedAt: new Date().toISOString(), policy, store, record, projector };
  const release = async (): Promise<void> => {
    await accessLog.close();
    await projector.stop();
    record.close();
    await store.close();
    keyring.close();
  };
  return { running, gateway, release };
}

async function startPageFacts(running: Running, config: Config, url: string) {
  const { people, log, projections } = await statusOf(running);
  return {
    version,
    url,
    people,
    personas: config.embeddedIdentity ? personas : [],
    startedAt: new Date(running.startedAt),
    demo: config.demo,
    events: log.position,
    head: log.position,
    projections: projections.map(({ name, position, lag, parked }) => ({
      name,
      position,
      lag,
      parked: parked.length,
    })),
  };
}
