/** The thread of the care settings: follows the log, keeps every setting's read model up to date, and tells how far all of them are. */
import type { Policy } from '@carelog/access';
import { openSqliteLogReader, type RecordedEvent } from '@carelog/event-store';
import { openKeyring } from '@carelog/keyring';
import { runProjection } from '@carelog/projection';
import { allOf, careSettings, careSettingsProjectionBy, KnownFacts, openCareSettingWriter, openPopulationWriter, population } from '@carelog/read-models'; // prettier-ignore
import { mkdirSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { careSettingPath, type CareSettingsPaths } from './care-settings.ts';
import { historyFrom } from './history.ts';
import { PositionSignal } from './position-signal.ts';
import type { ThreadMessage } from './supervised-thread.ts';

export interface CareSettingsThread {
  readonly paths: CareSettingsPaths;
  readonly policy: Policy;
  readonly headSignal: SharedArrayBuffer;
  readonly positionMemory: SharedArrayBuffer;
}

const { paths, policy, headSignal, positionMemory } = workerData as CareSettingsThread;
const reached = new PositionSignal(positionMemory);
const stopping = new AbortController();
const say = (message: ThreadMessage) => parentPort?.postMessage(message);
let started = false;

// The only message there is: stop after the batch in hand.
parentPort?.once('message', () => stopping.abort());
mkdirSync(paths.careSettings, { recursive: true, mode: 0o700 });
const store = openSqliteLogReader({ path: paths.log, headSignal });
const keyring = openKeyring(paths.keyring, { readOnly: true });
const projection = careSettingsProjectionBy(policy);
const open = (event: RecordedEvent) => keyring.open(event);
const known = new KnownFacts();
const readModel = allOf([
  ...careSettings.map((it) => openCareSettingWriter(careSettingPath(paths, it), it, known)),
  openPopulationWriter({
    path: careSettingPath(paths, population),
    digest: (kind, value) => keyring.hmac(kind, value),
    historyOf: historyFrom({ store, open, projection }),
  }),
]);
try {
  await runProjection({
    store,
    open,
    projection,
    readModel,
    signal: stopping.signal,
    onNotice: (text) => say({ kind: 'notice', text }),
    onProjected(position, touched) {
      reached.publish(position, touched);
      if (!started) say({ kind: 'started' });
      started = true;
    },
  });
} finally {
  readModel.close();
  keyring.close();
  await store.close();
}
parentPort?.close();
