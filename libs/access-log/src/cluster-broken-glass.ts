/**
 * Broken glass that several gateways and writers know of: each break is an event of its own in a stream of the shared access
 * log, on disk before the glass counts as broken, and whoever is about to decide reads what was added to that stream.
 */
import type { Caller } from '@carelog/access';
import { newEventId, type EventStore } from '@carelog/event-store';
import type { Keyring } from '@carelog/keyring';
import type { Ground, RecordedAccess } from './access-record.ts';
import { answerOf, breakIn, KnownBreaks, LOOKED_BACK_MS, type Break, type BreakAnswer, type BrokenGlass } from './broken-glass.ts'; // prettier-ignore
import { partitionAt } from './journal.ts';
import { contextLine, recordLine } from './record-text.ts';
import { accessEvent, recordsOf } from './take-over.ts';

export interface SharedBrokenGlassOptions {
  /** The access log. */
  readonly store: Pick<EventStore, 'append' | 'readStream'>;
  readonly keyring: Keyring;
  readonly ground: () => Ground;
  readonly log: { warn(text: string): void };
}

const STREAM = 'access/broken-glass';
const PAGE = 200;

/** Throws where the access log cannot be looked through: nobody should find a glass whole that they broke. */
export async function openSharedBrokenGlass(options: SharedBrokenGlassOptions): Promise<BrokenGlass> {
  const { store, keyring, ground, log } = options;
  const breaks = new KnownBreaks();
  let known = await revisionBefore(store, Date.now() - LOOKED_BACK_MS);
  let reading: Promise<void> | undefined;
  let readingNext: Promise<void> | undefined;
  await read();

  async function read(): Promise<void> {
    for (;;) {
      const events = await store.readStream(STREAM, { from: known + 1, limit: PAGE });
      if (events.length > 0) await keyring.know(events.map(({ partition }) => partition));
      for (const event of events) {
        for (const record of recordsOf(event, keyring) ?? NOTHING) breaks.note(breakIn(record));
        known = Math.max(known, event.revision);
      }
      if (events.length < PAGE) return;
    }
  }

  /** Those that come while a look is under way share the next, which begins after all of them. */
  function noticed(): Promise<void> {
    if (reading !== undefined) return (readingNext ??= reading.then(look));
    return look();
  }
  function look(): Promise<void> {
    readingNext = undefined;
    // What cannot be read just now keeps a glass whole that somebody broke, and never the other way round.
    const failed = () =>
      log.warn('What glass was broken elsewhere cannot be read from the access log just now.');
    return (reading = read()
      .catch(failed)
      .finally(() => (reading = undefined)));
  }

  return {
    noticed,
    patientsOf: (caller) => breaks.patientsOf(caller),
    standing: () => breaks.standing(),
    async break(caller, broken, answer) {
      try {
        const at = Date.now();
        await append(caller, broken, answer, at);
        breaks.note({ ...broken, who: caller, at, correlation: answer.correlation });
        return true;
      } catch {
        log.warn('A broken glass cannot be put on record just now.');
        return false;
      }
    },
  };

  async function append(caller: Caller, broken: Break, answer: BreakAnswer, at: number): Promise<void> {
    const partition = partitionAt(at);
    await keyring.prepare([partition]);
    const text = contextLine(1, caller, ground()) + recordLine(at, 1, answerOf(broken, answer));
    const event = accessEvent(keyring, { id: newEventId(), stream: STREAM, partition }, text);
    const outcome = await store.append([{ stream: STREAM, expectedRevision: 'any', events: [event] }]);
    if (outcome.kind !== 'appended')
      throw new Error(`The access log has another record under a new id (${outcome.kind}).`);
  }
}

const NOTHING: readonly RecordedAccess[] = [];

/** Revision of the last break that was recorded before this instant; 0 for none. */
async function revisionBefore(store: Pick<EventStore, 'readStream'>, instant: number): Promise<number> {
  for (let from: number | undefined; ;) {
    const page = { direction: 'backwards', limit: PAGE, ...(from !== undefined && { from }) } as const;
    const events = await store.readStream(STREAM, page);
    const older = events.find(({ recordedAt }) => Date.parse(recordedAt) < instant);
    if (older !== undefined) return older.revision;
    const last = events.at(-1)?.revision ?? 1;
    if (events.length < PAGE || last === 1) return 0;
    from = last - 1;
  }
}
