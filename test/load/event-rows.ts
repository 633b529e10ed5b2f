/** How soon subscribers are told of what is recorded, and what a subscriber takes: by streams of events, and by rest-hooks. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startServer, type ServerProcess } from '../support/server-process.ts';
import { startEventFloor } from './event-floor.ts';
import { startListeners, type Listeners, type ListenTo } from './event-listeners.ts';
import { inFolder } from './folder.ts';
import { pacedPosts } from './paced-posts.ts';
import { processorTimes } from './processor-time.ts';
import { cellsOf, percentile, type SingleRow } from './report.ts';
import type { Settings } from './settings.ts';
import { person, round, send } from './targets.ts';

/** Events of a transaction. */
const PACED = 16;
const PEOPLE = 2_000;
const HOOKS = 500;
const FLOOR_SECONDS = 5;

interface Scene {
  readonly name: string;
  readonly perSecond: number;
  /** Whom each stream listens to: everybody, or one person each. */
  readonly streams: number | 'one of each person';
}

const SCENES: readonly Scene[] = [
  { name: 'one listener to everything', perSecond: 3_200, streams: 1 },
  { name: 'three listeners to everything', perSecond: 3_200, streams: 3 },
  { name: `${PEOPLE.toLocaleString('en-GB')} listeners to one person each`, perSecond: 1_600, streams: 'one of each person' }, // prettier-ignore
];

export async function eventRows(settings: Settings): Promise<SingleRow[]> {
  const rows: SingleRow[] = [];
  for (const scene of SCENES) rows.push(...(await inFolder((folder) => streamRows(folder, scene, settings))));
  rows.push(...(await inFolder((folder) => hookRows(folder, settings))));
  return rows;
}

async function streamRows(folder: string, scene: Scene, { say, lagSeconds }: Settings): Promise<SingleRow[]> {
  const seconds = Math.min(lagSeconds, 30);
  const { name: who, perSecond, streams } = scene;
  const rate = `${perSecond.toLocaleString('en-GB')} events/s for ${seconds} s`;
  const name = `event → SSE client at ${rate}, ${who}`;
  say(name);
  const server = await startServer(folder);
  const listeners = startListeners();
  const floor = await startEventFloor();
  const floorListeners = startListeners();
  let isKeptUp = true;
  let memory = 0;
  let processor = 0;
  try {
    const cells = await cellsOf(['p50', 'p99'], async () => {
      const ground = await populated(server);
      const before = residentOf(server.process.pid!);
      const asked = streamsOf(server, ground, streams);
      await listeners.open(asked);
      await delay(1_000);
      memory = (residentOf(server.process.pid!) - before) / asked.length;
      const pace = { bases: [ground.base], token: ground.token, bodies: ground.bodies, perSecond: perSecond / PACED }; // prettier-ignore
      await pacedPosts({ ...pace, seconds: Math.min(5, seconds) });
      await quiet(listeners);
      const began = processorOf(server.process.pid!);
      isKeptUp = await pacedPosts({ ...pace, seconds });
      const lags = await quiet(listeners);
      processor = (processorOf(server.process.pid!) - began) / (perSecond * seconds);
      await floorListeners.open(asked.map(() => ({ url: floor.url, token: ground.token })));
      const ofEach = streams === 'one of each person' ? 1 : streams;
      await floor.tell(perSecond, Math.min(seconds, FLOOR_SECONDS), ofEach);
      const floors = await quiet(floorListeners);
      return runsOf(lags, floors);
    });
    // Of a few listeners it cannot be told from what comes and goes.
    const cost = costOf(streams === 'one of each person' ? memory : undefined, processor, 'listener');
    return rowsOf(`${name}${isKeptUp ? '' : ', overrun'} (${cost})`, cells, 'a bare `node:http` server that writes the same bytes to as many streams as often'); // prettier-ignore
  } finally {
    await Promise.all([listeners.end(), floorListeners.end(), floor.end(), server.end()]);
  }
}

/** One rest-hook for each of so many people, all at one endpoint that answers at once. */
async function hookRows(folder: string, { say, lagSeconds }: Settings): Promise<SingleRow[]> {
  const seconds = Math.min(lagSeconds, 30);
  const perSecond = 160;
  const name = `event → rest-hook at ${perSecond} events/s for ${seconds} s, ${HOOKS} hooks of one person each`;
  say(name);
  const endpoint = await startEndpoint();
  const hooks = join(folder, 'hooks.json');
  writeFileSync(hooks, JSON.stringify({ hooks: [{ origin: endpoint.origin, allowPrivate: true, allowHttp: true }] })); // prettier-ignore
  const server = await startServer(join(folder, 'data'), { CARELOG_HOOKS: hooks });
  let cost = '';
  try {
    const cells = await cellsOf(['p50', 'p99'], async () => {
      const ground = await populated(server, HOOKS);
      const before = residentOf(server.process.pid!);
      for (const id of ground.people)
        await send(ground.base, ground.token, 'POST', '/Subscription', subscriptionTo(id, endpoint.origin));
      await endpoint.settled(HOOKS);
      const memory = (residentOf(server.process.pid!) - before) / HOOKS;
      const pace = { bases: [ground.base], token: ground.token, bodies: ground.bodies, perSecond: perSecond / PACED }; // prettier-ignore
      await pacedPosts({ ...pace, seconds: Math.min(5, seconds) });
      await endpoint.quiet();
      const began = processorOf(server.process.pid!);
      await pacedPosts({ ...pace, seconds });
      const lags = await endpoint.quiet();
      cost = costOf(memory, (processorOf(server.process.pid!) - began) / (perSecond * seconds), 'hook');
      const floors = await endpoint.bare(perSecond / PACED, FLOOR_SECONDS);
      return runsOf(lags, floors);
    });
    return rowsOf(`${name} (${cost})`, cells, 'a bare `fetch` of the same endpoint with as many bytes, from sending to its coming'); // prettier-ignore
  } finally {
    await server.end();
    endpoint.close();
  }
}

const costOf = (memory: number | undefined, processor: number, subscriber: string): string =>
  `${memory === undefined ? '' : `${Math.round(memory / 1024)} KiB a ${subscriber}, `}${Math.round(processor)} µs of processor an event`;

interface Ground {
  readonly base: string;
  readonly token: string;
  readonly people: readonly string[];
  /** Transactions, one of each person. */
  readonly bodies: readonly string[];
}

async function populated(server: ServerProcess, count = PEOPLE): Promise<Ground> {
  const base = `${server.url}/fhir/R4`;
  const token = await server.token('publisher');
  const people: string[] = [];
  for (let from = 0; from < count; from += 100) {
    const entry = Array.from({ length: Math.min(100, count - from) }, (_, at) => ({ resource: person(from + at), request: { method: 'POST', url: 'Patient' } })); // prettier-ignore
    const answer = (await send(base, token, 'POST', '', { resourceType: 'Bundle', type: 'transaction', entry })) as { entry: { resource: { id: string } }[] }; // prettier-ignore
    people.push(...answer.entry.map(({ resource }) => resource.id));
  }
  return { base, token, people, bodies: people.map((id) => JSON.stringify(round(id, PACED))) };
}

function streamsOf(server: ServerProcess, { token, people }: Ground, streams: Scene['streams']): ListenTo[] {
  const url = `${server.url}/events`;
  if (streams === 'one of each person') return people.map((id) => ({ url: `${url}?patient=${id}`, token }));
  return Array.from({ length: streams }, () => ({ url, token }));
}

/** What was heard, once nothing more comes. */
async function quiet(listeners: Listeners): Promise<readonly number[]> {
  const lags: number[] = [];
  for (let more = -1; more !== 0;) {
    await delay(1_000);
    const heard = await listeners.heard();
    more = heard.lags.length;
    for (const lag of heard.lags) lags.push(lag);
  }
  return lags;
}

const subscriptionTo = (patient: string, origin: string) => ({
  resourceType: 'Subscription',
  status: 'requested',
  reason: 'bench',
  criteria: 'https://fhir.carelog.example/SubscriptionTopic/patient-record',
  _criteria: { extension: [{ url: 'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-filter-criteria', valueString: `?patient=Patient/${patient}` }] }, // prettier-ignore
  channel: {
    type: 'rest-hook',
    endpoint: `${origin}/`,
    payload: 'application/fhir+json',
    _payload: { extension: [{ url: 'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content', valueCode: 'id-only' }] }, // prettier-ignore
  },
});

/** An endpoint of rest-hooks in this process. */
async function startEndpoint() {
  let lags: number[] = [];
  let handshakes = 0;
  const server: Server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const now = Date.now();
      const text = Buffer.concat(parts).toString();
      const instants = [...text.matchAll(/"valueInstant":"([^"]{24})"/g)];
      if (instants.length === 0) handshakes += 1;
      for (const [, instant] of instants) lags.push(now - Date.parse(instant!));
      response.end();
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    async settled(count: number): Promise<void> {
      for (let at = 0; handshakes < count; at += 1) {
        if (at > 600) throw new Error(`${handshakes} of ${count} handshakes came within a minute.`);
        await delay(100);
      }
    },
    async quiet(): Promise<readonly number[]> {
      const all: number[] = [];
      for (let more = -1; more !== 0;) {
        await delay(1_500);
        more = lags.length;
        for (const lag of lags) all.push(lag);
        lags = [];
      }
      return all;
    },
    async bare(perSecond: number, seconds: number): Promise<readonly number[]> {
      for (let sent = 0; sent < perSecond * seconds; sent += 1) {
        await fetch(origin, { method: 'POST', body: `{"valueInstant":"${new Date().toISOString()}","x":"${'x'.repeat(12_000)}"}` }); // prettier-ignore
        await delay(1_000 / perSecond);
      }
      const all = lags;
      lags = [];
      return all;
    },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

function runsOf(lags: readonly number[], floors: readonly number[]) {
  if (lags.length === 0) throw new Error('Nobody was told of anything.');
  const at = (share: number) => ({ figures: [percentile(lags, share)], floors: [percentile(floors, share)] });
  return { p50: at(0.5), p99: at(0.99) };
}

const rowsOf = (name: string, cells: Readonly<Record<'p50' | 'p99', SingleRow['cell']>>, floor: string): SingleRow[] => [
  { name: `${name}, p50`, unit: 'ms', cell: cells.p50, floor },
  { name: `${name}, p99`, unit: 'ms', cell: cells.p99, floor },
]; // prettier-ignore

const processorOf = (pid: number): number => processorTimes(new Map([['server', [pid]]])).get('server') ?? 0;

/** Bytes of memory; Linux only, elsewhere 0. */
function residentOf(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
