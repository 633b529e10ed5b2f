/** The projector's thread: follows the log, keeps the record up to date, and tells how far it has come. */
import type { Policy } from '@carelog/access';
import { parentPort, workerData } from 'node:worker_threads';
import { projectRecord } from './project-record.ts';
import { PositionSignal } from './position-signal.ts';
import type { ProjectorPaths } from './projector.ts';
import { RECORD_NICENESS, standBack } from './stand-back.ts';
import type { ThreadMessage } from './supervised-thread.ts';

export interface ProjectorThread {
  readonly paths: ProjectorPaths;
  readonly policy: Policy;
  readonly headSignal: SharedArrayBuffer;
  readonly positionMemory: SharedArrayBuffer;
}

const { paths, policy, headSignal, positionMemory } = workerData as ProjectorThread;
const tracing = await tracingHere();
const reached = new PositionSignal(positionMemory);
const stopping = new AbortController();
const say = (message: ThreadMessage) => parentPort?.postMessage(message);
let started = false;

standBack(RECORD_NICENESS);

// The only message there is: stop after the batch in hand.
parentPort?.once('message', () => stopping.abort());
await projectRecord({
  paths,
  policy,
  headSignal,
  signal: stopping.signal,
  ...(tracing && { begin: tracing.begin }),
  onNotice: (text) => say({ kind: 'notice', text }),
  onProjected(position, touched) {
    reached.publish(position, touched);
    if (!started) say({ kind: 'started' });
    started = true;
  },
});
await tracing?.close();
parentPort?.close();

/** Loaded only where it is wanted: a thread that does not trace starts without what services are made of. */
async function tracingHere() {
  if ((process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] ?? '') === '') return undefined;
  const { createLog, spanIn, startTracing } = await import('@carelog/service-kit');
  const { close } = await startTracing('embedded', createLog('warn'));
  return { close, begin: (trace: string) => spanIn(trace, 'projected') };
}
