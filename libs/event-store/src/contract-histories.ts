/**
 * The property behind the contract: whatever several callers append at once, the log that comes of it is dense, its streams
 * and partitions are chains, every answer that was given is true of it, and readers and followers see exactly it.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RecordedEvent } from './envelope.ts';
import type { AppendOutcome, EventStore, ExpectedRevision, StreamAppend } from './event-store.ts';
import { newEventId } from './event-id.ts';
import { someEvent } from './some-event.ts';

/** Opens an empty store, whose log time `now` gives in milliseconds. */
export type OpenEmptyStore = (options: { readonly now: () => number }) => EventStore | Promise<EventStore>;

/** Part of `describeEventStore`. */
export function describeHistories(name: string, open: OpenEmptyStore, numRuns: number): void {
  describe(`${name}: whatever concurrent callers do`, () => {
    it('the log is dense, each stream and partition is a chain, and each answer is true', async () => {
      await fc.assert(
        fc.asyncProperty(rounds, fc.nat(20), async (plan, from) => {
          const store = await open({ now: Date.now });
          try {
            const answered: Answered[] = [];
            const following = follow(store, from);
            for (const round of plan) {
              answered.push(
                ...(await Promise.all(
                  round.map(async (appends) => ({ appends, outcome: await store.append(appends) })),
                )),
              );
            }
            const log = await readToEnd((after) => store.readAll({ after, limit: 3 }));
            expectChains(log);
            for (const answer of answered) expectTrue(answer, log);
            expectNothingUnasked(answered, log);
            for (const partition of partitionNames) {
              const events = await readToEnd((after) => store.readPartition(partition, { after, limit: 2 }));
              expect(events).toEqual(log.filter((event) => event.partition === partition));
            }
            for (const stream of streamNames) {
              expect(await store.readStream(stream)).toEqual(log.filter((event) => event.stream === stream));
            }
            expect(await following(log.length)).toEqual(log.slice(from));
          } finally {
            await store.close();
          }
        }),
        { numRuns },
      );
    }, 120_000);
  });
}

interface Answered {
  readonly appends: readonly StreamAppend[];
  readonly outcome: AppendOutcome;
}

const streamNames = ['s1', 's2', 's3', 's4'];
const partitionNames = ['p1', 'p2', 'shared'];
/** Few, so that some are sent again, alone, in part, or with other content. */
const eventIds = Array.from({ length: 12 }, () => newEventId());

const plannedEvent = fc
  .record({
    id: fc.oneof(
      { weight: 3, arbitrary: fc.constant(undefined) },
      { weight: 2, arbitrary: fc.constantFrom(...eventIds) },
    ),
    partition: fc.constantFrom(...partitionNames),
    content: fc.constantFrom('x', 'y'),
  })
  .map(({ id, partition, content }) => ({ id, partition, content: Buffer.from(content) }));

const plannedAppend = fc.uniqueArray(
  fc.record({
    stream: fc.constantFrom(...streamNames),
    expectedRevision: fc.constantFrom<ExpectedRevision>('any', 'any', 'no-stream', 'exists', 1, 2, 3),
    events: fc.array(plannedEvent, { minLength: 1, maxLength: 3 }),
  }),
  { selector: ({ stream }) => stream, minLength: 1, maxLength: 3 },
);

/** New ids are made anew for each run, since shrinking repeats a plan. */
const rounds = fc
  .array(fc.array(plannedAppend, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 5 })
  .map((plan) => plan.map((round) => round.map((appends) => withoutRepeats(appends))));

function withoutRepeats(
  appends: {
    stream: string;
    expectedRevision: ExpectedRevision;
    events: { id: string | undefined; partition: string; content: Buffer }[];
  }[],
): StreamAppend[] {
  const used = new Set<string>();
  return appends.map(({ stream, expectedRevision, events }) => ({
    stream,
    expectedRevision,
    events: events.map(({ id, partition, content }) => {
      const own = id === undefined || used.has(id) ? newEventId() : id;
      used.add(own);
      return someEvent({ id: own, partition, content });
    }),
  }));
}

/** Follows the log while it is written; gives what came once the log has so many events. */
function follow(store: EventStore, from: number): (head: number) => Promise<RecordedEvent[]> {
  const seen: RecordedEvent[] = [];
  const ending = new AbortController();
  let enough = Number.POSITIVE_INFINITY;
  const finished = (async () => {
    for await (const events of store.subscribe(from, { batchSize: 2, signal: ending.signal })) {
      seen.push(...events);
      if (seen.length + from >= enough) return;
    }
  })();
  return async (head) => {
    enough = head;
    if (seen.length + from >= head) ending.abort();
    await finished;
    return seen;
  };
}

async function readToEnd(
  page: (after: number) => Promise<readonly RecordedEvent[]>,
): Promise<RecordedEvent[]> {
  const events: RecordedEvent[] = [];
  for (;;) {
    const next = await page(events.at(-1)?.position ?? 0);
    if (next.length === 0) return events;
    events.push(...next);
  }
}

function expectChains(log: readonly RecordedEvent[]): void {
  const revisions = new Map<string, number>();
  const tails = new Map<string, number>();
  log.forEach((event, index) => {
    expect(event.position).toBe(index + 1);
    expect(event.revision).toBe((revisions.get(event.stream) ?? 0) + 1);
    expect(event.previousInPartition).toBe(tails.get(event.partition) ?? 0);
    if (index > 0) expect(event.recordedAt >= log[index - 1]!.recordedAt).toBe(true);
    revisions.set(event.stream, event.revision);
    tails.set(event.partition, event.position);
  });
  expect(new Set(log.map(({ id }) => id)).size).toBe(log.length);
}

function expectTrue({ appends, outcome }: Answered, log: readonly RecordedEvent[]): void {
  const asked = appends.flatMap(({ stream, events }) => events.map((event) => ({ ...event, stream })));
  const kept = new Map(log.map((event) => [event.id, event]));
  switch (outcome.kind) {
    case 'appended':
    case 'duplicate':
      expect(outcome.events.map(({ id }) => id)).toEqual(asked.map(({ id }) => id));
      outcome.events.forEach((recorded, index) => {
        const event = log[recorded.position - 1]!;
        expect(event).toMatchObject(recorded);
        expect(event.stream).toBe(asked[index]!.stream);
        expect(Buffer.compare(event.content, asked[index]!.content)).toBe(0);
      });
      if (outcome.kind === 'appended') expectMet(appends, outcome.events);
      return;
    case 'revision-mismatch':
      expect(outcome.mismatches.length).toBeGreaterThan(0);
      for (const { stream, expected, actual } of outcome.mismatches) {
        expect(appends).toContainEqual(expect.objectContaining({ stream, expectedRevision: expected }));
        expect(expected === 'exists' ? actual === 'no-stream' : expected !== actual).toBe(true);
      }
      return;
    case 'conflict':
      expect(outcome.ids.length).toBeGreaterThan(0);
      for (const id of outcome.ids) expect(kept.has(id)).toBe(true);
  }
}

function expectMet(
  appends: readonly StreamAppend[],
  recorded: readonly { stream: string; revision: number }[],
): void {
  for (const { stream, expectedRevision } of appends) {
    const before = recorded.find((event) => event.stream === stream)!.revision - 1;
    if (expectedRevision === 'no-stream') expect(before).toBe(0);
    else if (expectedRevision === 'exists') expect(before).toBeGreaterThan(0);
    else if (expectedRevision !== 'any') expect(before).toBe(expectedRevision);
  }
}

function expectNothingUnasked(answered: readonly Answered[], log: readonly RecordedEvent[]): void {
  const appended = answered.flatMap(({ outcome }) => (outcome.kind === 'appended' ? outcome.events : []));
  expect(appended.map(({ position }) => position).sort((a, b) => a - b)).toEqual(
    log.map(({ position }) => position),
  );
}
