/**
 * The whole cluster on this machine, as `npm run cluster` starts it: how many events a second get from a POST into the record,
 * how soon they are there, and what of the processors each kind of process takes for one.
 */
import { openPostgresEventStore } from '@carelog/event-store';
import { startRelay } from '@carelog/relay';
import { bareConsume, bareDelays } from './bare-kafka.ts';
import { LANES, startBenchCluster, TOPIC, type BenchCluster, type ProcessKind } from './bench-cluster.ts';
import { openClient } from './client.ts';
import { inFolder } from './folder.ts';
import { startHttpFloor } from './http-floor.ts';
import { laneRows, newTopic } from './lane-rows.ts';
import { pacedPosts } from './paced-posts.ts';
import { cellOf, cellsOf, type ClusterReport, type ProcessorColumn, type SingleRow } from './report.ts';
import type { Settings } from './settings.ts';
import { observation, person, send, transaction, TRANSACTION } from './targets.ts';
import { watchView } from './view-lags.ts';

const PEOPLE = 200;
/** To each of the two gateways. */
const CONNECTIONS = 16;
const PACED = 16;
const LAG_MAX_MS = 250;
const RATES = [1_600, 1_200, 800, 400];
/** Events that one projector finds in the lanes. */
const BACKLOG = 10_000;

export function clusterRows(settings: Settings): Promise<ClusterReport> {
  return inFolder(async (folder) => {
    settings.say('starting the cluster');
    const cluster = await startBenchCluster(folder);
    try {
      const ground = await recordPeople(cluster, settings);
      const posts = await saturated(ground, {
        name: 'single POSTs',
        path: '/Observation',
        bodies: ground.people.map((id, index) => JSON.stringify(observation(id, index))),
        events: 1,
      });
      const transactions = await saturated(ground, {
        name: `transactions of ${TRANSACTION}`,
        path: '',
        bodies: ground.people.map((id, index) => JSON.stringify(transaction(id, index))),
        events: TRANSACTION,
      });
      const steady = await steadyRates(ground);
      const behind = await catchingUp(ground);
      const lanes = await laneRows(settings, { brokers: cluster.engines.kafka.brokers, ownerUrl: cluster.ownerUrl }); // prettier-ignore
      const measured = [posts, transactions, ...steady, behind];
      return {
        singles: [...measured.flatMap(({ singles }) => singles), ...lanes],
        processors: measured.flatMap(({ processors }) => processors),
      };
    } finally {
      await cluster.close();
    }
  });
}

interface Ground {
  readonly cluster: BenchCluster;
  readonly settings: Settings;
  readonly bases: readonly string[];
  readonly people: readonly string[];
}

async function recordPeople(cluster: BenchCluster, settings: Settings): Promise<Ground> {
  const bases = cluster.gateways.map((url) => `${url}/fhir/R4`);
  const people: string[] = [];
  for (let index = 0; index < PEOPLE; index += 1) {
    const { id } = (await send(bases[0]!, cluster.token, 'POST', '/Patient', person(index))) as { id: string }; // prettier-ignore
    people.push(id);
  }
  return { cluster, settings, bases, people };
}

interface Writes {
  readonly name: string;
  /** Below the base. */
  readonly path: string;
  /** Each request takes one at random. */
  readonly bodies: readonly string[];
  /** In one of them. */
  readonly events: number;
}

/** As fast as both gateways take them; the time ends when the view has the last. */
async function saturated({ cluster, settings, bases }: Ground, writes: Writes): Promise<ClusterReport> {
  const { name, path, bodies, events } = writes;
  const { say, runs, seconds } = settings;
  say(`cluster: ${name}`);
  const clients = bases.map(() => openClient());
  const load = { method: 'POST', body: bodies, token: cluster.token, connections: CONNECTIONS } as const;
  const write = (lasting: number) =>
    Promise.all(
      bases.map((base, index) => clients[index]!.rate({ ...load, base, paths: [path], seconds: lasting })),
    );
  const processors: ProcessorColumn[] = [];
  const floor = await startHttpFloor();
  floor.serve('/', Buffer.from(bodies[0]!));
  const cell = await cellOf(async () => {
    await write(3 * seconds);
    await cluster.settled();
    const figures: number[] = [];
    const floors: number[] = [];
    const counted = await counting(cluster, async () => {
      for (let run = 0; run < runs; run += 1) {
        const before = await cluster.settled();
        const begun = performance.now();
        await write(3 * seconds);
        const recorded = (await cluster.settled()) - before;
        figures.push(recorded / ((performance.now() - begun) / 1_000));
      }
    });
    for (let run = 0; run < runs; run += 1)
      floors.push(events * (await clients[0]!.rate({ ...load, base: floor.url, paths: ['/'], seconds })));
    processors.push({ name, microseconds: counted });
    return { figures, floors };
  });
  await floor.end();
  return {
    singles: [
      {
        name: `cluster, POST → record: ${name}`,
        unit: 'events/s',
        cell,
        floor: 'a bare `node:http` server that parses the same bodies',
      },
    ],
    processors,
  };
}

/** At a steady rate; where the view falls behind, at lower ones until it does not. */
async function steadyRates(ground: Ground): Promise<ClusterReport[]> {
  const measured: ClusterReport[] = [];
  for (const rate of RATES) {
    const { p99, ...report } = await steady(ground, rate);
    measured.push(report);
    if (p99 <= LAG_MAX_MS) break;
  }
  return measured;
}

async function steady(
  { cluster, settings, bases, people }: Ground,
  rate: number,
): Promise<ClusterReport & { readonly p99: number }> {
  const { steadySeconds: seconds } = settings;
  const name = `${rate.toLocaleString('en-GB')} events/s`;
  settings.say(`cluster: log → record at ${name} for ${seconds} s`);
  const bodies = people.map((id, index) => JSON.stringify(transaction(id, index, PACED)));
  const pace = { bases, token: cluster.token, bodies, perSecond: rate / PACED };
  const processors: ProcessorColumn[] = [];
  let p99 = Infinity;
  const cells = await cellsOf(['p50', 'p99'], async () => {
    await pacedPosts({ ...pace, seconds: 3 });
    const after = await cluster.settled();
    const watch = await watchView(cluster);
    const counted = await counting(cluster, async () => {
      if (!(await pacedPosts({ ...pace, seconds })))
        settings.say(`cluster: the gateways do not take ${name}`);
    });
    const lags = await watch.lags(after);
    processors.push({ name, microseconds: counted });
    p99 = at(lags, 0.99);
    const topic = await newTopic({ brokers: cluster.engines.kafka.brokers, ownerUrl: cluster.ownerUrl });
    const page = Array.from({ length: PACED }, () => ({ value: Buffer.alloc(MESSAGE_BYTES) }));
    const floors = await bareDelays(topic, page, { perSecond: rate / PACED, seconds: Math.min(seconds, 10) });
    return {
      p50: { figures: [at(lags, 0.5)], floors: [at(floors, 0.5)] },
      p99: { figures: [p99], floors: [at(floors, 0.99)] },
    };
  });
  const row = (share: 'p50' | 'p99'): SingleRow => ({
    name: `cluster, log → record at ${name} for ${seconds} s, ${share}`,
    unit: 'ms',
    cell: cells[share],
    floor: 'bare kafkajs, from sending as many bytes to their coming',
  });
  return { singles: [row('p50'), row('p99')], processors, p99 };
}

/** Of one event in a lane. */
const MESSAGE_BYTES = 1_450;

const at = (sorted: readonly number[], share: number): number =>
  sorted[Math.ceil(sorted.length * share) - 1] ?? Infinity;

/** One projector, from what waits in the log: the relay was away. */
async function catchingUp({ cluster, settings, bases, people }: Ground): Promise<ClusterReport> {
  settings.say('cluster: one projector catches up');
  const processors: ProcessorColumn[] = [];
  const cell = await cellOf(async () => {
    for (const name of ['projector 2', 'relay 1']) await cluster.services.get(name)!.stop();
    const bodies = people.map((id, index) => JSON.stringify(transaction(id, index)));
    const perSecond = 20;
    const seconds = BACKLOG / TRANSACTION / perSecond;
    await pacedPosts({ bases, token: cluster.token, bodies, perSecond, seconds });
    const url = cluster.ownerUrl;
    const kafka = { brokers: cluster.engines.kafka.brokers, topic: TOPIC, lanes: LANES, replicas: 1 };
    let figure = 0;
    const counted = await countingFrom((await cluster.head()) - BACKLOG, cluster, async () => {
      const begun = performance.now();
      const relay = startRelay({
        kafka,
        databaseUrl: url,
        openStore: () => openPostgresEventStore({ url }),
        log: { info() {}, warn() {} },
      });
      await cluster.settled();
      figure = BACKLOG / ((performance.now() - begun) / 1_000);
      await relay.close();
    });
    processors.push({ name: 'catching up', microseconds: counted });
    return { figures: [figure], floors: [await bareConsume(kafka, BACKLOG)] };
  });
  const row = {
    name: `cluster: one projector, with ${BACKLOG.toLocaleString('en-GB')} events behind`,
    unit: 'events/s',
    cell,
    floor: 'bare kafkajs consume of the same lanes',
  };
  return { singles: [row], processors };
}

/** Microseconds of processor for each event that is recorded meanwhile, the way into the view included. */
async function counting(cluster: BenchCluster, work: () => Promise<void>) {
  return countingFrom(await cluster.settled(), cluster, work);
}

async function countingFrom(
  from: number,
  cluster: BenchCluster,
  work: () => Promise<void>,
): Promise<ReadonlyMap<ProcessKind, number>> {
  const before = cluster.processors();
  await work();
  const events = (await cluster.settled()) - from;
  const after = cluster.processors();
  return new Map([...after].map(([kind, taken]) => [kind, (taken - (before.get(kind) ?? 0)) / events]));
}
