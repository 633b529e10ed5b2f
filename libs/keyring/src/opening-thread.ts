/** For the test of keyrings in threads: opens what it is sent and says how that went. */
import { parentPort, workerData } from 'node:worker_threads';
import { openKeyring } from './folder-keyring.ts';
import type { SealedEvent } from './keyring.ts';

const keyring = openKeyring(workerData as string, { readOnly: true });
parentPort!.on('message', (event: SealedEvent) => parentPort!.postMessage(keyring.open(event).kind));
parentPort!.postMessage('ready');
