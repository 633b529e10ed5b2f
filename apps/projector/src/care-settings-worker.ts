/** The thread of the care settings: follows the log, keeps their read models up to date, and tells how far all of them are. */
import type { Policy } from '@carelog/access';
import { parentPort, workerData } from 'node:worker_threads';
import type { CareSettingsPaths } from './care-settings.ts';
import { PositionSignal } from './position-signal.ts';
import { projectCareSettings, type ViewFile } from './project-care-settings.ts';
import { CARE_SETTINGS_NICENESS, standBack } from './stand-back.ts';
import type { ThreadMessage } from './supervised-thread.ts';

export interface CareSettingsThread {
  readonly paths: CareSettingsPaths;
  readonly policy: Policy;
  readonly files: readonly ViewFile[];
  readonly headSignal: SharedArrayBuffer;
  readonly positionMemory: SharedArrayBuffer;
}

/** Events: who is behind writes each page of an index once for so many, and can be stopped within a second. */
const BATCH_MAX = 4_000;

const { paths, policy, files, headSignal, positionMemory } = workerData as CareSettingsThread;
const reached = new PositionSignal(positionMemory);
const stopping = new AbortController();
const say = (message: ThreadMessage) => parentPort?.postMessage(message);
let started = false;

standBack(CARE_SETTINGS_NICENESS);

// The only message there is: stop after the batch in hand.
parentPort?.once('message', () => stopping.abort());
await projectCareSettings({
  paths,
  policy,
  files,
  headSignal,
  signal: stopping.signal,
  batchSize: BATCH_MAX,
  onNotice: (text) => say({ kind: 'notice', text }),
  onProjected(position, touched) {
    reached.publish(position, touched);
    if (!started) say({ kind: 'started' });
    started = true;
  },
});
parentPort?.close();
