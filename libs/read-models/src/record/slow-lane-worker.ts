/** The thread of the slow lane: answers one search at a time. */
import { parentPort, workerData } from 'node:worker_threads';
import { SqliteDatabase } from './database.ts';
import { PostgresDatabase } from './postgres/database.ts';
import { slowAnswers } from './slow-answers.ts';
import type { SlowLaneData, SlowRequest } from './slow-lane.ts';
import { loadUnits } from './units.ts';

const { source, timeLimit } = workerData as SlowLaneData;
const db =
  typeof source === 'string'
    ? new SqliteDatabase(source, { readOnly: true, timeout: 5_000 })
    : new PostgresDatabase(source);
const answerTo = slowAnswers(db, timeLimit);
await loadUnits();

parentPort?.on('message', (asked: SlowRequest) => {
  parentPort?.postMessage(answerTo(asked));
});
