/** What gateways and writers of a cluster stand on: the log, the keys, the record, and who broke which glass. */
import type { Policy } from '@carelog/access';
import { openSharedBrokenGlass, type BrokenGlass } from '@carelog/access-log';
import { openKurrentEventStore, openPostgresEventStore, type EventStore, type PostgresEventStore } from '@carelog/event-store'; // prettier-ignore
import { openPostgresKeyring, type PostgresKeyring } from '@carelog/keyring';
import type { Gateway } from '@carelog/query-gateway';
import { recordProjection } from '@carelog/read-models';
import type { ClusterSettings, Log } from '@carelog/service-kit';
import { openLiveRecord, type LiveRecord } from './live-record.ts';
import { refusingWhileAway } from './out-of-reach.ts';
import { openViewsProgress, type ViewsProgress } from './view-progress.ts';

export const ENGINE_SETTINGS = [
  'logUrl',
  'accessLogUrl',
  'readModelsUrl',
  'distributionUrl',
  'keyringUrl',
  'masterKeyFile',
  'serviceKeyFile',
  'kafkaTopic',
] as const satisfies readonly (keyof ClusterSettings)[];

export type EngineSettings = Pick<ClusterSettings, (typeof ENGINE_SETTINGS)[number]>;

/** The access log's schema, in the database of its own URL. */
export const ACCESS_LOG_SCHEMA = 'access_log';

export interface Engines {
  readonly store: EventStore;
  readonly accessStore: PostgresEventStore;
  readonly keyring: PostgresKeyring;
  readonly live: LiveRecord;
  readonly progress: Pick<ViewsProgress, 'follow'>;
  readonly brokenGlass: BrokenGlass;
  readonly ground: () => Ground;
  /** What is asked about a caller's standing, the same for a gateway and for a writer. */
  readonly reading: Pick<Gateway, 'record' | 'brokenGlass' | 'policy' | 'head' | 'projected'>;
  close(): Promise<void>;
}

export interface Ground {
  readonly policy: string;
  readonly view: string;
  readonly epoch: string;
}

/** Opens them one after another; throws what keeps one from being used, with nothing left open. */
export async function openEngines(
  settings: EngineSettings,
  { policy, threads, log }: { readonly policy: Policy; readonly threads: number; readonly log: Log },
): Promise<Engines> {
  const closing: (() => unknown)[] = [];
  const close = async (): Promise<void> => {
    for (const release of closing.splice(0).reverse()) await release();
  };
  const trouble = (fault: unknown) =>
    log.warn({ fault: (fault as Error).name }, 'a database is connected to anew');
  try {
    const store = await openLog(settings.logUrl, 'carelog log', trouble);
    closing.push(() => store.close());
    const keyring = await openPostgresKeyring({
      url: settings.keyringUrl,
      masterKeyFile: settings.masterKeyFile,
    });
    closing.push(() => keyring.close());
    const accessStore = await openPostgresEventStore({
      url: settings.accessLogUrl,
      schema: ACCESS_LOG_SCHEMA,
      readers: 2,
      applicationName: 'carelog broken glass',
      onTrouble: trouble,
    });
    closing.push(() => accessStore.close());
    const { distributionUrl, readModelsUrl, kafkaTopic: topic } = settings;
    const progress = openViewsProgress({ distributionUrl, readModelsUrl, topic, head: () => store.head(), log }); // prettier-ignore
    closing.push(() => progress.close());
    const live = await openLiveRecord({ readModelsUrl, progress, threads, log });
    closing.push(() => live.close());
    const ground = groundOf(policy, live, store);
    const brokenGlass = await openSharedBrokenGlass({ store: accessStore, keyring, ground, log });
    const asked = refusingWhileAway(() => store, 'The log');
    const head = async (): Promise<number> => (await asked.freshHead()).position;
    const reading = { record: live.record, brokenGlass, policy, head, projected: live.projected };
    return { store, accessStore, keyring, live, progress, brokenGlass, ground, reading, close };
  } catch (fault) {
    await close();
    throw fault;
  }
}

/** The activity log at a URL of the settings; `purpose` is what its server calls the connections. */
export async function openLog(
  url: string,
  purpose: string,
  onTrouble: (fault: unknown) => void = () => {},
): Promise<EventStore> {
  if (/^postgres(ql)?:/.test(url))
    return openPostgresEventStore({ url, applicationName: purpose, onTrouble });
  return openKurrentEventStore({ url, onTrouble });
}

/** The same object while nothing of it has changed. */
function groundOf(policy: Policy, live: LiveRecord, store: EventStore): () => Ground {
  let ground: Ground | undefined;
  return () => {
    const view = `${recordProjection.name} ${live.version()}`;
    const { epoch } = store.head();
    if (ground?.view !== view || ground.epoch !== epoch) ground = { policy: policy.version, view, epoch };
    return ground;
  };
}
