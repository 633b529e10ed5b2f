/** The projector of a cluster: keeps the record's version that it is told to, from Kafka's lanes, in PostgreSQL. */
import type { Policy } from '@carelog/access';
import { laneOf, type KafkaSettings } from '@carelog/distribution';
import { openKurrentEventStore, openPostgresEventStore, type EventStore } from '@carelog/event-store';
import { openPostgresKeyring } from '@carelog/keyring';
import { careSettings, careSettingsProjectionBy, careSettingsSchema, openPostgresCareSettingsWriter, openPostgresPopulationWriter, openPostgresRecordWriter, openVersions, populationSchema, recordProjectionBy, schemaOf } from '@carelog/read-models'; // prettier-ignore
import type { Log, Sample } from '@carelog/service-kit';
import { historyFrom } from '../history.ts';
import { evolvedOnce, openedOnce } from './found-once.ts';
import { startProjecting } from './start-projecting.ts';
import { prefetchBy, type Ground, type View } from './view-projector.ts';

export interface ViewGroundOptions {
  /** `postgres://…` or `kurrentdb://…`. */
  readonly logUrl: string;
  readonly readModelsUrl: string;
  readonly keyringUrl: string;
  readonly masterKeyFile: string;
  /** Into how many lanes the log is dealt. */
  readonly lanes: number;
  readonly policy: Policy;
  /** Of the record; that which this release makes unless told. A site that changes its policy builds another one beside. */
  readonly recordVersion?: number;
  readonly log: Ground['log'];
}

export interface ViewGround {
  readonly view: View<unknown>;
  /** All care settings as one view, for which each event is opened and read once; and the population. */
  readonly beside: readonly View<unknown>[];
  readonly ground: Ground & { readonly store: EventStore };
  close(): Promise<void>;
}

export interface ProjectorServiceOptions extends Omit<ViewGroundOptions, 'lanes'> {
  readonly kafka: KafkaSettings;
  readonly log: Log;
}

export interface ProjectorService {
  /** Whether the view has every event of its lanes up to where the log was when they came. */
  isReady(): boolean;
  samples(): Sample[];
  /** Ends after the batches in hand; another projector takes the lanes. */
  close(): Promise<void>;
}

/** Resolves when log, keyring and read models answer; Kafka is waited for while it runs. Rejects where one of them does not. */
export async function startProjectorService(options: ProjectorServiceOptions): Promise<ProjectorService> {
  const { kafka } = options;
  const { view, beside, ground, close } = await openViewGround({ ...options, lanes: kafka.lanes });
  const projecting = await startProjecting({ kafka, views: [view, ...beside], ground });
  return {
    isReady: () => projecting.projectors.every((projector) => projector.isReady()),
    samples() {
      const head = ground.store.head().position;
      return projecting.projectors.flatMap((projector) => projector.samples(head));
    },
    async close() {
      await projecting.close();
      await close();
    },
  };
}

type CareSettingsProjection = ReturnType<typeof careSettingsProjectionBy>;

function careSettingsView(url: string, projection: CareSettingsProjection): View<unknown> {
  const readModel = openPostgresCareSettingsWriter({ url, settings: careSettings });
  return { name: careSettingsSchema(careSettings), projection, readModel };
}

/** The population by itself: it reads again who comes back to it, and must hold up nobody's care. */
function populationView(
  { readModelsUrl: url, policy }: Pick<ViewGroundOptions, 'readModelsUrl' | 'policy'>,
  told: CareSettingsProjection,
  { store, open, prefetch }: ViewGround['ground'],
  digest: (kind: string, value: string) => string,
): View<unknown> {
  const projection = { ...told, name: 'population' };
  const history = historyFrom({ store, open, projection, ...(prefetch && { prefetch }) });
  const readModel = openPostgresPopulationWriter({ url, policy, digest, history });
  return { name: populationSchema(policy), projection, readModel };
}

/** The record in its schema, and the care settings, with everything that they are made from, to be projected, built or put right. */
export async function openViewGround(options: ViewGroundOptions): Promise<ViewGround> {
  const { logUrl, readModelsUrl, keyringUrl, masterKeyFile, lanes, policy, log } = options;
  const made = recordProjectionBy(policy);
  const projection = { ...made, version: options.recordVersion ?? made.version };
  const name = schemaOf(projection.name, projection.version);
  const opened: { close(): Promise<void> }[] = [];
  const close = async () => void (await Promise.all(opened.splice(0).map((it) => it.close())));
  try {
    const store = await openLog(logUrl, `carelog projector ${name}`);
    opened.push(store);
    const keyring = await openPostgresKeyring({ url: keyringUrl, masterKeyFile, readOnly: true });
    opened.push(keyring);
    const readModel = openPostgresRecordWriter({ url: readModelsUrl, schema: name, policy, lanes });
    opened.push(readModel);
    const versions = openVersions(readModelsUrl);
    opened.push(versions);
    const ground: ViewGround['ground'] = {
      store,
      log,
      laneOf: (partition) => laneOf(partition, lanes),
      prefetch: prefetchBy((partitions) => keyring.know(partitions)),
      open: openedOnce(
        (event) => keyring.open(event),
        (partition) => keyring.isErased(partition),
      ),
      // What an operator stepped over in the record is stepped over in every view.
      async skipped() {
        const { epoch } = await store.freshHead();
        return new Set((await versions.skips(made.name, epoch)).map(({ position }) => position));
      },
    };
    const digest = (kind: string, value: string) => keyring.hmac(kind, value);
    const told = evolvedOnce(careSettingsProjectionBy(policy));
    const beside = [careSettingsView(readModelsUrl, told), populationView(options, told, ground, digest)];
    opened.push(...beside.map((it) => it.readModel));
    return { view: { name, projection, readModel }, beside, ground, close };
  } catch (fault) {
    await close();
    throw fault;
  }
}

function openLog(url: string, purpose: string): Promise<EventStore> {
  if (/^postgres(ql)?:/.test(url)) return openPostgresEventStore({ url, applicationName: purpose });
  return openKurrentEventStore({ url });
}
