/** For the test of readers: follows the log from a worker thread and posts the positions it met. */
import { parentPort, workerData } from 'node:worker_threads';
import { openSqliteLogReader } from './sqlite-log-reader.ts';

const { path, headSignal, until } = workerData as {
  path: string;
  headSignal: SharedArrayBuffer;
  until: number;
};
const reader = openSqliteLogReader({ path, headSignal });
// A thread that only waits for shared memory has nothing that keeps it alive.
parentPort!.ref();
const positions: number[] = [];
for await (const events of reader.subscribe(0, { batchSize: 10 })) {
  positions.push(...events.map(({ position }) => position));
  if (positions.length >= until) break;
}
await reader.close();
parentPort!.postMessage(positions);
