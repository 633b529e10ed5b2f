/** The thread of the slow lane: answers one search at a time, over a connection of its own. */
import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import { Audiences } from './audiences.ts';
import { OutOfTime } from './body-look.ts';
import { Numbers } from './numbers.ts';
import { prepareReading } from './reading.ts';
import { Searching, type Answered } from './searching.ts';
import type { SlowAnswer, SlowLaneData, SlowRequest } from './slow-lane.ts';
import { TooManyValues } from './statement.ts';
import { loadUnits } from './units.ts';

const { path, timeLimit } = workerData as SlowLaneData;
const db = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
const numbers = new Numbers(db);
const audiences = new Audiences(db, numbers);
const searching = new Searching(db, numbers);
const { glance } = prepareReading(db);
await loadUnits();

parentPort?.on('message', (asked: SlowRequest) => {
  parentPort?.postMessage(answerTo(asked));
});

function answerTo(asked: SlowRequest): SlowAnswer {
  try {
    return { kind: 'answered', answered: searching.reading(() => answered(asked)) };
  } catch (fault) {
    const isTooMuch = fault instanceof OutOfTime || fault instanceof TooManyValues;
    return isTooMuch ? { kind: 'too-much' } : { kind: 'fault', fault };
  }
}

function answered({ query, request, viewer, now }: SlowRequest): Answered {
  numbers.ofGeneration(glance.get()?.id ?? '');
  if (request === undefined) return searching.count(query, audiences.of(viewer, now), timeLimit).page();
  return searching.search(query, request, audiences.ofSearch(viewer, request, now), timeLimit).page();
}
