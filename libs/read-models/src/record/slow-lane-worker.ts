/** The thread of the slow lane: answers one search at a time, over a connection of its own. */
import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import { OutOfTime } from './body-look.ts';
import { Numbers } from './numbers.ts';
import { prepareReading } from './reading.ts';
import { Searching } from './searching.ts';
import type { SlowAnswer, SlowLaneData, SlowRequest } from './slow-lane.ts';
import { TooManyValues } from './statement.ts';
import { loadUnits } from './units.ts';

const { path, timeLimit } = workerData as SlowLaneData;
const db = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
const numbers = new Numbers(db);
const searching = new Searching(db, numbers);
const { glance } = prepareReading(db);
await loadUnits();

parentPort?.on('message', (asked: SlowRequest) => {
  parentPort?.postMessage(answerTo(asked));
});

function answerTo({ query, request, restrictTo }: SlowRequest): SlowAnswer {
  try {
    numbers.ofGeneration(glance.get()?.id ?? '');
    const planned =
      request === undefined
        ? searching.count(query, restrictTo, timeLimit)
        : searching.search(query, request, restrictTo, timeLimit);
    return { kind: 'answered', answered: planned.page() };
  } catch (fault) {
    const isTooMuch = fault instanceof OutOfTime || fault instanceof TooManyValues;
    return isTooMuch ? { kind: 'too-much' } : { kind: 'fault', fault };
  }
}
