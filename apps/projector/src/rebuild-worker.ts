/** Builds a record beside the one that serves, on a thread of its own so that requests are answered meanwhile. */
import { parentPort, workerData } from 'node:worker_threads';
import { buildBeside, type Rebuilding } from './rebuild.ts';
import { BUILDING_NICENESS, standBack } from './stand-back.ts';

standBack(BUILDING_NICENESS);
parentPort?.postMessage(await buildBeside(workerData as Rebuilding));
