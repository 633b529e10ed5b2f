/**
 * The whole cluster on this machine, as `npm run cluster` starts it: how many events a second get from a POST into every view,
 * how soon they are there, and what of the processors each kind of process takes for one.
 */
import { openPostgresEventStore } from '@carelog/event-store';
import { startRelay } from '@carelog/relay';
import { readServiceKey, sealKeyOf } from '@carelog/service-kit';
import { bareConsume } from './bare-kafka.ts';
import {
  counting,
  countingFrom,
  LANES,
  startBenchCluster,
  TOPIC,
  type BenchCluster,
} from './bench-cluster.ts';
import { openClient } from './client.ts';
import { inFolder } from './folder.ts';
import { startHttpFloor } from './http-floor.ts';
import { laneRows } from './lane-rows.ts';
import { pacedPosts } from './paced-posts.ts';
import { cellOf, type ClusterReport, type ProcessorColumn } from './report.ts';
import type { Settings } from './settings.ts';
import { steadyRates, steadyRatesAtTheLog } from './steady-rows.ts';
import { person, round, send, TRANSACTION } from './targets.ts';

/** So many that nobody is measured more often than in a hospital. */
const PEOPLE = 10_000;
/** Of whom requests are made ready. */
const POSTED = 2_000;
/** To each of the two gateways. */
const CONNECTIONS = 16;
/** Events that one projector finds in the lanes. */
const BACKLOG = 10_000;

export function clusterRows(settings: Settings): Promise<ClusterReport> {
  return inFolder(async (folder) => {
    settings.say('starting the cluster');
    const cluster = await startBenchCluster(folder);
    try {
      const everybody = await recordPeople(cluster, settings);
      const ground = { ...everybody, people: everybody.people.slice(0, POSTED) };
      // First, while nobody has a long history yet.
      const steady = [...(await steadyRatesAtTheLog(everybody)), ...(await steadyRates(ground))];
      const posts = await saturated(ground, {
        name: 'single POSTs',
        path: '/Observation',
        bodies: ground.people.map((id) => JSON.stringify(round(id, 1).entry[0]!.resource)),
        events: 1,
      });
      const transactions = await saturated(ground, {
        name: `transactions of ${TRANSACTION}`,
        path: '',
        bodies: ground.people.map((id) => JSON.stringify(round(id))),
        events: TRANSACTION,
      });
      const behind = await catchingUp(ground);
      const lanes = await laneRows(settings, { brokers: cluster.brokers, ownerUrl: cluster.ownerUrl }); // prettier-ignore
      const measured = [posts, transactions, ...steady, behind, { singles: lanes, processors: [] }];
      return {
        singles: measured.flatMap(({ singles }) => singles),
        processors: measured.flatMap(({ processors }) => processors),
      };
    } finally {
      await cluster.close();
    }
  });
}

export interface Ground {
  readonly cluster: BenchCluster;
  readonly settings: Settings;
  readonly bases: readonly string[];
  readonly people: readonly string[];
}

async function recordPeople(cluster: BenchCluster, settings: Settings): Promise<Ground> {
  const bases = cluster.gateways.map((url) => `${url}/fhir/R4`);
  const people: string[] = [];
  while (people.length < PEOPLE) {
    const entry = Array.from({ length: TRANSACTION }, (_, index) => ({
      resource: person(people.length + index),
      request: { method: 'POST', url: 'Patient' },
    }));
    const bundle = { resourceType: 'Bundle', type: 'transaction', entry };
    const answer = (await send(bases[0]!, cluster.token, 'POST', '', bundle)) as { entry: { response: { location: string } }[] }; // prettier-ignore
    people.push(...answer.entry.map(({ response }) => /Patient\/([^/]+)/.exec(response.location)![1]!));
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

/** As fast as both gateways take them; the time ends when every view has the last. */
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
        name: `cluster, POST → every view: ${name}`,
        unit: 'events/s',
        cell,
        floor: 'a bare `node:http` server that parses the same bodies',
      },
    ],
    processors,
  };
}

/** One projector, from what waits in the log: the relay was away. */
async function catchingUp({ cluster, settings, bases, people }: Ground): Promise<ClusterReport> {
  settings.say('cluster: one projector catches up');
  const processors: ProcessorColumn[] = [];
  const cell = await cellOf(async () => {
    for (const name of ['projector 2', 'relay 1']) await cluster.services.get(name)!.stop();
    const bodies = people.map((id) => JSON.stringify(round(id)));
    const perSecond = 20;
    const seconds = BACKLOG / TRANSACTION / perSecond;
    await pacedPosts({ bases, token: cluster.token, bodies, perSecond, seconds });
    const url = cluster.ownerUrl;
    const sealKey = sealKeyOf(readServiceKey(cluster.settings['CARELOG_SERVICE_KEY_FILE']!));
    const kafka = { brokers: cluster.brokers, topic: TOPIC, lanes: LANES, replicas: 1, sealKey };
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
