/**
 * What every adapter of the port promises, as a suite: `describeEventStore('sqlite', () => open…)`. It speaks of the port
 * only, and takes no adapter's order of concurrent appends for granted.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { describeHistories } from './contract-histories.ts';
import type { OpenEmptyStore } from './contract-histories.ts';
import type { RecordedEvent } from './envelope.ts';
import type { AppendOutcome, EventStore, ExpectedRevision, StreamAppend } from './event-store.ts';
import { newEventId } from './event-id.ts';
import { someEvent, to } from './some-event.ts';

export { someEvent, to } from './some-event.ts';

/**
 * Runs the suite against stores that `open` makes, each empty. They are closed after each test. `histories` of concurrent
 * callers are made up: fewer where a new store takes its time.
 */
export function describeEventStore(
  name: string,
  open: OpenEmptyStore,
  { histories = 60 }: { readonly histories?: number } = {},
): void {
  const opened: EventStore[] = [];
  async function emptyStore(now: () => number = Date.now): Promise<EventStore> {
    const store = await open({ now });
    opened.push(store);
    return store;
  }
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((store) => store.close()));
  });

  describe(`${name}: an append`, () => {
    it('records events with revision, position, predecessor and log time, and gives back all of each', async () => {
      const store = await emptyStore(() => Date.parse('2026-11-21T03:12:00.123Z'));
      const first = someEvent({ author: { id: 'staff-1' }, sourceVersion: { version: '7' } });
      const second = someEvent({
        author: { id: 'staff-1', roleProfile: 'R8000' },
        sourceVersion: { version: '8', issuedAt: '2026-01-01T00:00:00Z' },
        labels: ['R', 'naïve "quoted" \\ \u0000 \ud83d\ude91'],
        causationId: first.id,
        fingerprint: 'fingerprint',
        content: Uint8Array.from({ length: 256 }, (_, index) => index),
      });
      const outcome = await store.append([
        to('Observation/1', 'no-stream', first),
        to('Observation/2', 'no-stream', second),
      ]);
      const recordedAt = '2026-11-21T03:12:00.123Z';
      const expected = [
        { ...first, stream: 'Observation/1', revision: 1, position: 1, recordedAt, previousInPartition: 0 },
        { ...second, stream: 'Observation/2', revision: 1, position: 2, recordedAt, previousInPartition: 1 },
      ].map((event) => ({ ...event, content: Uint8Array.from(event.content) }));
      expect(outcome).toEqual({ kind: 'appended', events: expected.map(whereItLies) });
      const read = (await store.readAll()).map((event) => ({
        ...event,
        content: Uint8Array.from(event.content),
      }));
      expect(read).toStrictEqual(expected);
    });

    it('keeps empty content', async () => {
      const store = await emptyStore();
      await store.append([to('a', 'any', someEvent({ content: new Uint8Array() }))]);
      expect((await store.readAll())[0]!.content.byteLength).toBe(0);
    });

    it('never records a log time before that of the event before, though the clock steps back', async () => {
      let now = 2_000;
      const store = await emptyStore(() => now);
      await store.append([to('a', 'any', someEvent())]);
      now = 1_000;
      await store.append([to('a', 'any', someEvent())]);
      now = 3_000;
      await store.append([to('a', 'any', someEvent())]);
      const times = (await store.readAll()).map(({ recordedAt }) => Date.parse(recordedAt));
      expect(times).toEqual([2_000, 2_000, 3_000]);
    });

    it.each<
      [
        held: number,
        expected: ExpectedRevision,
        outcome: AppendOutcome['kind'],
        actual?: number | 'no-stream',
      ]
    >([
      [0, 'any', 'appended'],
      [0, 'no-stream', 'appended'],
      [0, 'exists', 'revision-mismatch', 'no-stream'],
      [0, 1, 'revision-mismatch', 'no-stream'],
      [2, 'any', 'appended'],
      [2, 'no-stream', 'revision-mismatch', 2],
      [2, 'exists', 'appended'],
      [2, 1, 'revision-mismatch', 2],
      [2, 2, 'appended'],
      [2, 3, 'revision-mismatch', 2],
    ])('to a stream of %i events that expects %s: %s', async (held, expected, kind, actual) => {
      const store = await emptyStore();
      for (let count = 0; count < held; count++) await store.append([to('a', 'any', someEvent())]);
      const outcome = await store.append([to('a', expected, someEvent())]);
      if (kind === 'appended')
        expect(outcome).toMatchObject({ kind, events: [{ revision: held + 1, position: held + 1 }] });
      else expect(outcome).toEqual({ kind, mismatches: [{ stream: 'a', expected, actual }] });
      expect(store.head().position).toBe(kind === 'appended' ? held + 1 : held);
    });

    it('to several streams is all or nothing, and names every stream that differs', async () => {
      const store = await emptyStore();
      await store.append([to('held', 'no-stream', someEvent())]);
      const outcome = await store.append([
        to('held', 'no-stream', someEvent()),
        to('free', 'no-stream', someEvent()),
        to('missing', 'exists', someEvent()),
        to('other', 4, someEvent()),
      ]);
      expect(outcome).toEqual({
        kind: 'revision-mismatch',
        mismatches: [
          { stream: 'held', expected: 'no-stream', actual: 1 },
          { stream: 'missing', expected: 'exists', actual: 'no-stream' },
          { stream: 'other', expected: 4, actual: 'no-stream' },
        ],
      });
      expect(await store.readStream('free')).toEqual([]);
      expect(store.head().position).toBe(1);
    });

    it('may expect something of a stream that it adds nothing to', async () => {
      const store = await emptyStore();
      await store.append([to('guard', 'no-stream', someEvent())]);
      expect(await store.append([to('guard', 1), to('a', 'no-stream', someEvent())])).toMatchObject({
        kind: 'appended',
      });
      expect(await store.append([to('guard', 2), to('b', 'no-stream', someEvent())])).toMatchObject({
        kind: 'revision-mismatch',
        mismatches: [{ stream: 'guard', expected: 2, actual: 1 }],
      });
      expect(await store.readStream('guard')).toHaveLength(1);
    });

    it('of one of many that race for a stream wins, and the others hear what they met', async () => {
      const store = await emptyStore();
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, () =>
          store.append([to('alias', 'no-stream', someEvent()), to(newEventId(), 'no-stream', someEvent())]),
        ),
      );
      expect(outcomes.filter(({ kind }) => kind === 'appended')).toHaveLength(1);
      const mismatch = {
        kind: 'revision-mismatch',
        mismatches: [{ stream: 'alias', expected: 'no-stream', actual: 1 }],
      };
      expect(outcomes.filter(({ kind }) => kind !== 'appended')).toEqual(
        Array.from({ length: 19 }, () => mismatch),
      );
      expect(store.head().position).toBe(2);
    });
  });

  describe(`${name}: an append sent again`, () => {
    const [a, b] = [someEvent({ content: Buffer.from('a') }), someEvent({ content: Buffer.from('b') })];
    const original = [to('a', 'no-stream', a), to('b', 'no-stream', b)];

    it('answers as the first did, whatever it expects now, and writes nothing', async () => {
      const store = await emptyStore();
      const first = await store.append(original);
      await store.append([to('a', 1, someEvent())]);
      expect(await store.append(original)).toEqual({ ...first, kind: 'duplicate' });
      expect(store.head().position).toBe(3);
    });

    it('at the same moment is recorded once', async () => {
      const store = await emptyStore();
      const outcomes = await Promise.all([
        store.append(original),
        store.append(original),
        store.append(original),
      ]);
      expect(outcomes.map(({ kind }) => kind).sort()).toEqual(['appended', 'duplicate', 'duplicate']);
      expect(store.head().position).toBe(2);
    });

    it('is the same where fingerprints are equal, since sealed bytes never are', async () => {
      const store = await emptyStore();
      const sealed = someEvent({ fingerprint: 'f', content: Buffer.from('sealed once') });
      await store.append([to('a', 'no-stream', sealed)]);
      const again = await store.append([
        to('a', 'no-stream', { ...sealed, content: Buffer.from('sealed twice') }),
      ]);
      expect(again).toMatchObject({ kind: 'duplicate', events: [{ position: 1 }] });
    });

    it.each<[what: string, again: StreamAppend[], ids: string[]]>([
      ['other content', [to('a', 'any', { ...a, content: Buffer.from('x') }), to('b', 'any', b)], [a.id]],
      ['a fingerprint that the first had not', [to('a', 'any', { ...a, fingerprint: 'f' })], [a.id]],
      ['another partition', [to('a', 'any', { ...a, partition: 'partition-b' })], [a.id]],
      ['another stream', [to('c', 'any', a)], [a.id]],
      ['another order', [to('b', 'any', b), to('a', 'any', a)], [a.id]],
      ['an event more', [to('a', 'any', a, someEvent())], [a.id]],
    ])('with %s is a conflict that names the events, and writes nothing', async (_, again, ids) => {
      const store = await emptyStore();
      await store.append(original);
      expect(await store.append(again)).toEqual({ kind: 'conflict', ids });
      expect(store.head().position).toBe(2);
    });
  });

  describe(`${name}: limits`, () => {
    const twice = someEvent();
    it.each<[what: string, appends: StreamAppend[], says: RegExp]>([
      ['no event', [to('a', 'any')], /holds no event/],
      [
        '5,001 events',
        [to('a', 'any', ...Array.from({ length: 5_001 }, () => someEvent()))],
        /5001 events; the limit is 5000/,
      ],
      [
        'content over 16 MiB',
        [to('a', 'any', someEvent({ content: new Uint8Array(16 * 1024 * 1024 + 1) }))],
        /16777217 bytes.*16777216/,
      ],
      [
        'a stream name of 201 characters',
        [to('s'.repeat(201), 'any', someEvent())],
        /201 characters; use 1 to 200/,
      ],
      [
        'a stream name with U+0000',
        [to('a\u0000', 'any', someEvent())],
        /stream name holds what is not text/,
      ],
      [
        'half a surrogate pair in a partition',
        [to('a', 'any', someEvent({ partition: '\ud83d' }))],
        /partition of event .* holds what is not text/,
      ],
      ['a stream without a name', [to('', 'any', someEvent())], /0 characters; use 1 to 200/],
      [
        'an event without a partition',
        [to('a', 'any', someEvent({ partition: '' }))],
        /partition of event .* has 0 characters/,
      ],
      ['an id that is no UUID', [to('a', 'any', someEvent({ id: 'one' }))], /"one" is not a UUID/],
      ['one id twice', [to('a', 'any', twice, twice)], /is used twice/],
      [
        'one stream twice',
        [to('a', 'any', someEvent()), to('a', 'any', someEvent())],
        /stream a is named twice/,
      ],
      ['an expected revision of 0', [to('a', 0, someEvent())], /expected revision of a is 0/],
    ])('an append with %s is refused, says so, and writes nothing', async (_, appends, says) => {
      const store = await emptyStore();
      await expect(store.append(appends)).rejects.toMatchObject({
        name: 'StoreFault',
        code: 'invalid',
        message: says,
      });
      expect(store.head().position).toBe(0);
    });

    it('holds what lies just within them', async () => {
      const store = await emptyStore();
      const big = someEvent({ content: new Uint8Array(16 * 1024 * 1024).fill(7) });
      const many = Array.from({ length: 4_999 }, () => someEvent());
      const outcome = await store.append([to('s'.repeat(200), 'no-stream', big, ...many)]);
      expect(outcome.kind).toBe('appended');
      expect(store.head().position).toBe(5_000);
      expect(Buffer.compare((await store.readEvent(big.id))!.content, big.content)).toBe(0);
    });
  });

  describe(`${name}: reading`, () => {
    it('finds an event by its id, and nothing by another', async () => {
      const store = await emptyStore();
      const event = someEvent();
      await store.append([to('a', 'any', event)]);
      expect(await store.readEvent(event.id)).toMatchObject({ id: event.id, stream: 'a', revision: 1 });
      expect(await store.readEvent(newEventId())).toBeUndefined();
      expect(await store.readEvent('not an id')).toBeUndefined();
    });

    it('pages through a stream both ways', async () => {
      const store = await emptyStore();
      await store.append([
        to('a', 'any', ...Array.from({ length: 5 }, () => someEvent())),
        to('b', 'any', someEvent()),
      ]);
      const revisions = async (...options: Parameters<EventStore['readStream']>) =>
        (await store.readStream(...options)).map(({ revision }) => revision);
      expect(await revisions('a')).toEqual([1, 2, 3, 4, 5]);
      expect(await revisions('a', { from: 4 })).toEqual([4, 5]);
      expect(await revisions('a', { from: 2, limit: 2 })).toEqual([2, 3]);
      expect(await revisions('a', { direction: 'backwards' })).toEqual([5, 4, 3, 2, 1]);
      expect(await revisions('a', { direction: 'backwards', limit: 1 })).toEqual([5]);
      expect(await revisions('a', { direction: 'backwards', from: 2 })).toEqual([2, 1]);
      expect(await revisions('a', { from: 6 })).toEqual([]);
      expect(await revisions('nobody')).toEqual([]);
    });

    it('pages through a partition and through the log', async () => {
      const store = await emptyStore();
      const partitions = ['p', 'q', 'p', 'q', 'p'];
      await store.append([to('a', 'any', ...partitions.map((partition) => someEvent({ partition })))]);
      const positions = (events: readonly RecordedEvent[]) => events.map(({ position }) => position);
      expect(positions(await store.readPartition('p'))).toEqual([1, 3, 5]);
      expect(positions(await store.readPartition('p', { after: 1, limit: 1 }))).toEqual([3]);
      expect(positions(await store.readPartition('nobody'))).toEqual([]);
      expect(positions(await store.readAll({ after: 2 }))).toEqual([3, 4, 5]);
      expect(positions(await store.readAll({ after: 1, limit: 2 }))).toEqual([2, 3]);
      expect(positions(await store.readAll({ after: 5 }))).toEqual([]);
    });

    it('gives 1,000 events unless told', async () => {
      const store = await emptyStore();
      await store.append([to('a', 'any', ...Array.from({ length: 1_001 }, () => someEvent()))]);
      expect(await store.readAll()).toHaveLength(1_000);
      expect(await store.readStream('a')).toHaveLength(1_000);
      expect(await store.readPartition('partition-a')).toHaveLength(1_000);
    });

    it('has a head that moves, and an epoch that does not', async () => {
      const store = await emptyStore();
      const { position, epoch } = store.head();
      expect(position).toBe(0);
      await store.append([to('a', 'any', someEvent(), someEvent())]);
      expect(store.head()).toEqual({ position: 2, epoch });
      expect((await emptyStore()).head().epoch).not.toBe(epoch);
      expect(await store.epochs()).toEqual([{ id: epoch, position: 0 }]);
    });
  });

  describe(`${name}: a subscription`, () => {
    it('catches up, waits at the head, and goes on', async () => {
      const store = await emptyStore();
      await store.append([to('a', 'any', someEvent(), someEvent(), someEvent())]);
      const batches = store.subscribe(1, { batchSize: 1 })[Symbol.asyncIterator]();
      const next = async () => (await batches.next()).value?.map(({ position }: RecordedEvent) => position);
      expect([await next(), await next()]).toEqual([[2], [3]]);
      const waiting = next();
      await store.append([to('a', 'any', someEvent())]);
      expect(await waiting).toEqual([4]);
      await batches.return?.();
    });

    it.each(['its signal is aborted', 'the store is closed'])('that waits ends when %s', async (how) => {
      const store = await emptyStore();
      const ending = new AbortController();
      const waiting = store.subscribe(0, { signal: ending.signal })[Symbol.asyncIterator]().next();
      if (how === 'the store is closed') await store.close();
      else ending.abort();
      expect(await waiting).toEqual({ done: true, value: undefined });
    });

    it('with a signal that was aborted before gives nothing', async () => {
      const store = await emptyStore();
      await store.append([to('a', 'any', someEvent())]);
      const iterator = store.subscribe(0, { signal: AbortSignal.abort() })[Symbol.asyncIterator]();
      expect(await iterator.next()).toEqual({ done: true, value: undefined });
    });
  });

  describe(`${name}: closing`, () => {
    it('first records what was asked for, then refuses', async () => {
      const store = await emptyStore();
      const asked = store.append([to('a', 'any', someEvent())]);
      await store.close();
      expect(await asked).toMatchObject({ kind: 'appended' });
      await expect(store.append([to('a', 'any', someEvent())])).rejects.toMatchObject({ code: 'closed' });
      await expect(store.readAll()).rejects.toMatchObject({ code: 'closed' });
      await store.close();
    });
  });

  describeHistories(name, open, histories);
}

function whereItLies({ id, stream, revision, position, partition, recordedAt }: RecordedEvent) {
  return { id, stream, revision, position, partition, recordedAt };
}
