/** Gateways and writers in different processes: what is asked crosses whole, to our own only, and is recorded once whatever gets lost. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRecordActivity, startWriterService, type WriterService } from '@carelog/activity-writer';
import type { RecordActivity, RecordOutcome } from '@carelog/activity';
import { openSqliteEventStore, type EventStore } from '@carelog/event-store';
import { parseJson } from '@carelog/fhir';
import { openKeyring, type Keyring } from '@carelog/keyring';
import { connectWriters, type Writers, type WritersOptions } from '@carelog/query-gateway';
import { createLog } from '@carelog/service-kit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const log = createLog('silent');
const serviceKey = randomBytes(32);
const caller = { subject: 'engine', kind: 'system', organisation: 'Y90001', system: 'publisher', careSetting: 'any' } as const; // prettier-ignore

let folder: string;
let store: EventStore;
let keyring: Keyring;
let recordActivity: RecordActivity;
const releasing: (() => unknown)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'carelog-writers-'));
  store = openSqliteEventStore({ path: join(folder, 'log.sqlite') });
  keyring = openKeyring(join(folder, 'keyring'));
  recordActivity = createRecordActivity({
    store,
    keyring,
    match: async () => ({ kind: 'matched', ids: [] }),
    accessFacts: () => undefined,
    hasRoom: () => true,
  });
});
afterEach(async () => {
  for (const release of releasing.splice(0).reverse()) await release();
  await store.close();
  keyring.close();
  rmSync(folder, { recursive: true });
});

async function writer(by: RecordActivity = recordActivity): Promise<WriterService> {
  const service = await startWriterService({
    recordActivity: by,
    host: '127.0.0.1',
    port: 0,
    serviceKey,
    log,
  });
  releasing.push(() => service.close());
  return service;
}

function gateway(ports: readonly number[], options: Partial<WritersOptions> = {}): Writers {
  const addresses = ports.map((port) => ({ host: '127.0.0.1', port }));
  const writers = connectWriters({ addresses, serviceKey, log, ...options });
  releasing.push(() => writers.close());
  return writers;
}

const organisation = (name: string) => JSON.stringify({ resourceType: 'Organization', name });
const post = (resource: string) => ({ caller, mode: 'single', entries: [{ method: 'POST', type: 'Organization', resource }] }) as const; // prettier-ignore

async function recordedEvents() {
  return (await store.readAll({ limit: 1_000 })).filter(({ stream }) => stream.startsWith('Organization/'));
}

const entryOf = (outcomes: readonly RecordOutcome[]) => {
  const [outcome] = outcomes;
  if (outcome?.kind !== 'recorded') throw new Error(JSON.stringify(outcome));
  return outcome.entries[0]!;
};

describe('a request', () => {
  it('crosses whole: exact decimals, outcomes for each entry, refusals with their place', async () => {
    const { port } = await writer();
    const { record } = gateway([port]);
    const text =
      '{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.00,"unit":"g"}}';
    const parsed = parseJson(text);
    if (parsed.kind === 'malformed') throw new Error('the sample is not JSON');
    const resource = {
      value: parsed.value as Record<string, unknown>,
      ...(parsed.exact && { exact: parsed.exact }),
    };
    const outcomes = await record({
      caller,
      mode: 'batch',
      entries: [
        { method: 'POST', type: 'Observation', resource },
        { method: 'POST', type: 'Observation', resource: '{"resourceType":"Observation"}', expression: 'Bundle.entry[1].resource' }, // prettier-ignore
      ],
    });
    expect(entryOf(outcomes)).toMatchObject({
      kind: 'created',
      body: expect.stringContaining('"value":1.00'),
    });
    expect(outcomes[1]).toMatchObject({
      kind: 'refused',
      problems: expect.arrayContaining([
        expect.objectContaining({ expression: expect.stringMatching(/^Bundle\.entry\[1\]\.resource/) }),
      ]),
    });
  });

  it('is answered by a writer with the same key only, and says that nothing was recorded where there is none', async () => {
    const { port } = await writer();
    const stranger = gateway([port], { serviceKey: randomBytes(32), patienceMs: 500 });
    await expect(stranger.record(post(organisation('A')))).resolves.toMatchObject([
      { kind: 'refused', problems: [{ category: 'unavailable' }] },
    ]);
    expect(stranger.alive()).toBe(0);
    expect(await recordedEvents()).toEqual([]);
  });

  it('goes to another writer where one is ending', async () => {
    const [one, other] = [await writer(), await writer()];
    const { record } = gateway([one.port, other.port]);
    const names = Array.from({ length: 40 }, (_, index) => `${index}`);
    const recording = names.map(async (name, index) => {
      if (index === 20) void one.close();
      return entryOf(await record(post(organisation(name)))).kind;
    });
    expect(new Set(await Promise.all(recording))).toEqual(new Set(['created']));
    expect(await recordedEvents()).toHaveLength(names.length);
  });

  it('whose answer got lost is recorded once and answered as if nothing had happened', async () => {
    const { port } = await writer();
    const proxy = await lossyProxy(port);
    const { record } = gateway([proxy.port]);
    const first = entryOf(await record(post(organisation('A'))));
    const body = JSON.stringify({ resourceType: 'Organization', id: first.id, name: 'B' });
    for (const [method, kind] of [
      ['PUT', 'updated'],
      ['DELETE', 'deleted'],
      ['PUT', 'created'],
    ] as const) {
      // prettier-ignore
      const before = (await recordedEvents()).length;
      proxy.loseAnswersUntil(async () => (await recordedEvents()).length > before);
      const entry = {
        method,
        type: 'Organization',
        id: first.id,
        ...(method === 'PUT' && { resource: body }),
      };
      const outcomes = await record({ caller, mode: 'single', entries: [entry] });
      expect(entryOf(outcomes)).toMatchObject({ kind, id: first.id });
      expect(await recordedEvents()).toHaveLength(before + 1);
    }
    proxy.loseAnswersUntil(async () => (await recordedEvents()).length > 4);
    const created = entryOf(await record(post(organisation('C'))));
    expect(created).toMatchObject({ kind: 'created', versionId: 1 });
    expect((await recordedEvents()).filter(({ stream }) => stream === `Organization/${created.id}`)).toHaveLength(1); // prettier-ignore
    expect(await recordedEvents()).toHaveLength(5);
  });

  it('that a writer fails at is refused as something that may be sent again, not as a fault', async () => {
    let asked = 0;
    const failing: RecordActivity = {
      record() {
        asked += 1;
        throw new Error('the database is gone');
      },
    };
    const { port } = await writer(failing);
    const outcomes = await gateway([port]).record(post(organisation('A')));
    expect(outcomes).toMatchObject([{ kind: 'refused', problems: [{ category: 'unavailable', code: 'incomplete' }] }]); // prettier-ignore
    expect(asked).toBeGreaterThan(1);
  });
});

describe('what a publisher names', () => {
  const named = (resource: string) => ({ caller, mode: 'batch', entries: [{ method: 'POST', type: 'Organization', resource, publishedAs: 'message 1' }] }) as const; // prettier-ignore
  const [one, other] = ['{"resourceType":"Organization","name":"A"}', '{ "name": "A", "resourceType": "Organization" }']; // prettier-ignore

  it('is recorded once, by whichever gateway and in whatever spelling it comes, also at the same time', async () => {
    const { port } = await writer();
    const gateways = [gateway([port]), gateway([port])];
    const tries = Array.from({ length: 10 }, (_, index) =>
      gateways[index % 2]!.record(named(index < 5 ? one : other)),
    );
    const entries = (await Promise.all(tries)).map(entryOf);
    expect(entries.filter(({ kind }) => kind === 'created')).toHaveLength(1);
    expect(new Set(entries.map(({ id }) => id)).size).toBe(1);
    expect(entryOf(await gateways[0]!.record(named(other)))).toMatchObject({ kind: 'existing' });
    expect(await recordedEvents()).toHaveLength(1);
  });
});

describe('a batch that is more than a message holds', () => {
  const junk = 'x'.repeat(25_000_000);

  it('goes in several, in the order in which one writer would record it, and each entry has its own answer', async () => {
    const messages: string[][] = [];
    const counting: RecordActivity = {
      record(request) {
        messages.push(request.entries.map(({ method, id = '' }) => method + id));
        return recordActivity.record(request);
      },
    };
    const { port } = await writer(counting);
    const { record } = gateway([port]);
    await record({ caller, mode: 'single', entries: [{ method: 'PUT', type: 'Organization', id: 'd', resource: '{"resourceType":"Organization","id":"d","name":"D"}' }] }); // prettier-ignore
    messages.length = 0;
    const outcomes = await record({
      caller,
      mode: 'batch',
      entries: [
        { method: 'PUT', type: 'Organization', id: 'p', resource: '{"resourceType":"Organization","id":"p","name":"P"}' },
        { method: 'POST', type: 'Organization', resource: junk },
        { method: 'POST', type: 'Organization', resource: junk },
        { method: 'POST', type: 'Organization', resource: junk + junk + junk },
        { method: 'DELETE', type: 'Organization', id: 'd' },
      ],
    }); // prettier-ignore
    expect(messages).toEqual([['DELETEd', 'POST', 'POST'], ['PUTp']]);
    expect(outcomes).toMatchObject([
      { kind: 'recorded', entries: [{ kind: 'created', id: 'p' }] },
      { kind: 'refused', problems: [{ category: 'incorrect' }] },
      { kind: 'refused', problems: [{ category: 'incorrect' }] },
      { kind: 'refused', problems: [{ category: 'too-large' }] },
      { kind: 'recorded', entries: [{ kind: 'deleted', id: 'd' }] },
    ]);
  });

  it('is refused where it is to be recorded together', async () => {
    const { port } = await writer();
    const entry = { method: 'POST', type: 'Organization', resource: junk } as const;
    const outcomes = await gateway([port]).record({
      caller,
      mode: 'transaction',
      entries: [entry, entry, entry],
    });
    expect(outcomes).toMatchObject([{ kind: 'refused', problems: [{ category: 'too-large' }] }]);
  });
});

/** Forwards; while told to, it lets requests through and closes instead of giving back an answer. */
async function lossyProxy(target: number) {
  let isDone: (() => Promise<boolean>) | undefined;
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(target, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    }
    near.pipe(far);
    far.on('data', (bytes: Buffer) => void give(bytes));
    far.on('close', () => near.destroy());
    near.on('close', () => far.destroy());
    async function give(bytes: Buffer): Promise<void> {
      if (isDone === undefined || !(await isDone())) return void near.write(bytes);
      isDone = undefined;
      near.destroy();
    }
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  releasing.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    port: (server.address() as AddressInfo).port,
    loseAnswersUntil(done: () => Promise<boolean>) {
      isDone = done;
    },
  };
}
