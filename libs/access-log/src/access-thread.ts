/** The thread that has the access log: takes segments over, keeps the index, and answers who looked. */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { openPostgresEventStore, openSqliteEventStore } from '@carelog/event-store';
import { openKeyring, openPostgresKeyring } from '@carelog/keyring';
import { AccessIndex } from './access-index.ts';
import { findAccesses, readAccess, type AccessPlace, type AccessQuery } from './find-accesses.ts';
import { takeOver } from './take-over.ts';

export interface AccessThread {
  /** Of the journal and the index; and of the log, where that is this process's own. */
  readonly folder: string;
  readonly places: AccessPlaces;
}

/** `shared`: a log that several processes write, each its own journal; each has an index of all of it. */
export type AccessPlaces =
  | { readonly kind: 'own'; readonly keyringFolder: string }
  | {
      readonly kind: 'shared';
      readonly log: { readonly url: string; readonly schema: string };
      readonly keyring: { readonly url: string; readonly masterKeyFile: string };
    };

export type ToThread =
  | { readonly kind: 'take-over'; readonly upTo: number }
  | { readonly kind: 'find'; readonly call: number; readonly upTo: number; readonly query: AccessQuery }
  | { readonly kind: 'read'; readonly call: number; readonly upTo: number; readonly place: AccessPlace }
  | { readonly kind: 'forget'; readonly call: number; readonly upTo: number }
  /** Everything up to there is to be taken over for whoever asked under the token. */
  | { readonly kind: 'hand-on'; readonly upTo: number; readonly token: string }
  | { readonly kind: 'stop'; readonly upTo: number };
export type FromThread =
  | { readonly kind: 'started' }
  /** Another process wants what the journal holds to be in the log. */
  | { readonly kind: 'asked'; readonly token: string }
  | { readonly kind: 'took-over'; readonly upTo: number }
  | { readonly kind: 'answer'; readonly call: number; readonly answer: unknown }
  | { readonly kind: 'no-answer'; readonly call: number }
  | { readonly kind: 'notice'; readonly text: string };

/** A disk that is full or failing is tried again so often. */
const PAUSE_MS = 1_000;
/** After that long this keyring too knows that another one destroyed a key. */
const KEYS_NOTICED_MS = 50;

const { folder, places } = workerData as AccessThread;
const { keyring, store, closeKeyring, peers } = await openPlaces();
const index = new AccessIndex(join(folder, 'index.sqlite'));
const reading = { store, keyring, index };
const say = (message: FromThread) => parentPort!.postMessage(message);

let tookOver = 0;
let retry: NodeJS.Timeout | undefined;
// One thing after another: what was asked for last rests on all before it.
let work: Promise<void> = Promise.resolve();

parentPort!.on('message', (message: ToThread) => {
  const begin = (): void => {
    work = work.then(() => handle(message));
  };
  // Not as a part of the work: others wait for ours while they are asked for theirs.
  const isLookedThrough = message.kind === 'find' || message.kind === 'read';
  if (isLookedThrough && peers !== undefined) void peers.handedOn().then(begin);
  else begin();
});
say({ kind: 'started' });

async function openPlaces() {
  if (places.kind === 'shared') {
    const keyring = await openPostgresKeyring(places.keyring);
    const purpose = { readers: 2, applicationName: 'carelog access log' };
    const store = await openPostgresEventStore({ ...places.log, ...purpose });
    const { openPeers } = await import('./peers.ts');
    const peers = await openPeers(places.log.url, (token) => say({ kind: 'asked', token }));
    return { keyring, store, peers, closeKeyring: () => keyring.close() };
  }
  // The tail only: this log grows faster than it could be read through at each start.
  const store = openSqliteEventStore({ path: join(folder, 'log.sqlite'), verify: 'tail' });
  const keyring = openKeyring(places.keyringFolder);
  return { keyring, store, peers: undefined, closeKeyring: async () => keyring.close() };
}

async function handle(message: ToThread): Promise<void> {
  const isTaken = await takenOver(message.upTo);
  if (message.kind === 'stop') return stop();
  if (message.kind === 'take-over') return;
  if (message.kind === 'hand-on') return isTaken ? peers?.took(message.token) : undefined;
  const { call } = message;
  try {
    if (!isTaken) return say({ kind: 'no-answer', call });
    say({ kind: 'answer', call, answer: await answerTo(message) });
  } catch (fault) {
    notice(fault);
    say({ kind: 'no-answer', call });
  }
}

type Asked = Extract<ToThread, { readonly call: number }>;

async function answerTo(message: Asked): Promise<unknown> {
  switch (message.kind) {
    case 'find':
      return findAccesses(reading, message.query);
    case 'read':
      return { found: await readAccess(reading, message.place) };
    case 'forget':
      await pause(KEYS_NOTICED_MS);
      index.clear();
      await index.follow(store, keyring);
      return true;
  }
}

/** False where the log or the index cannot take them just now; it is tried again. */
async function takenOver(upTo: number): Promise<boolean> {
  clearTimeout(retry);
  try {
    if (upTo > tookOver) {
      await takeOver({ folder: join(folder, 'journal'), store, keyring }, upTo);
      tookOver = upTo;
      say({ kind: 'took-over', upTo });
    }
    await index.follow(store, keyring);
    return true;
  } catch (fault) {
    notice(fault);
    retry = setTimeout(() => {
      work = work.then(async () => void (await takenOver(upTo)));
    }, PAUSE_MS);
    return false;
  }
}

async function stop(): Promise<void> {
  clearTimeout(retry);
  await peers?.close();
  index.close();
  await store.close();
  await closeKeyring();
  parentPort!.close();
}

// What a parser says of a line may quote it.
function notice(fault: unknown): void {
  const isSafe = fault instanceof Error && fault.name !== 'SyntaxError';
  say({ kind: 'notice', text: isSafe ? fault.message : 'A record could not be read.' });
}
