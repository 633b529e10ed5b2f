/**
 * How soon events are in every view of the cluster while they come at a steady rate: 1,600 a second, with a p99 of a quarter of a
 * second. From the log on, and with all that gateways and writers take of the same processors.
 */
import { bareDelays } from './bare-kafka.ts';
import { counting, countingFrom, type ProcessKind } from './bench-cluster.ts';
import type { Ground } from './cluster-rows.ts';
import { newTopic } from './lane-rows.ts';
import { inOpenLoop, pacedPosts } from './paced-posts.ts';
import { readyAppends } from './ready-appends.ts';
import { cellsOf, type ClusterReport, type ProcessorColumn, type SingleRow } from './report.ts';
import { round } from './targets.ts';
import { watchViews } from './view-lags.ts';

/** The last one is what is wanted of a cluster. */
const RATES_AT_THE_LOG = [800, 1_200, 1_600];
/** Up to where it is held, and the last one. */
const RATES = [100, 200, 400, 800, 1_600];
const LAG_MAX_MS = 250;
/** Events of a transaction, by POST and in the log. */
const PACED = 16;
const IN_THE_LOG = 50;
/** Long enough for code to be compiled. */
const WARM_SECONDS = 30;
/** Of one event in a lane. */
const MESSAGE_BYTES = 1_450;

/** Transactions that were made ready are put into the log: nothing but distribution and views is at work. */
export async function steadyRatesAtTheLog(ground: Ground): Promise<ClusterReport[]> {
  const measured: ClusterReport[] = [];
  let { people } = ground;
  for (const rate of RATES_AT_THE_LOG) {
    const rounds = (rate / IN_THE_LOG) * (WARM_SECONDS + ground.settings.steadySeconds);
    measured.push(await atTheLog({ ...ground, people }, rate, rounds));
    // Nobody is measured in two of these rows, which follow each other within minutes.
    people = [...people.slice(rounds), ...people.slice(0, rounds)];
  }
  return measured;
}

async function atTheLog(
  { cluster, settings, people }: Ground,
  rate: number,
  rounds: number,
): Promise<ClusterReport> {
  const { steadySeconds: seconds } = settings;
  const pace = { perSecond: rate / IN_THE_LOG, seconds };
  settings.say(`cluster: ${rounds} transactions are made ready`);
  const { append, close } = await readyAppends(cluster, people, { rounds, events: IN_THE_LOG });
  const name = `${rate.toLocaleString('en-GB')} events/s into the log`;
  const { singles, processors } = await report(
    cluster,
    { name, seconds, events: IN_THE_LOG, rate },
    async () => {
      await cluster.settled();
      settings.say(`cluster: log → every view at ${name} for ${seconds} s`);
      const watch = await watchViews(cluster);
      await inOpenLoop({ ...pace, seconds: WARM_SECONDS }, append);
      // Without a pause: what is measured goes on as it went.
      const after = await cluster.head();
      let isKeptUp = true;
      const counted = await countingFrom(after, cluster, async () => {
        isKeptUp = await inOpenLoop(pace, append);
      }).finally(() => watch.stop());
      await close();
      return { lags: await watch.lags(after), counted, isKeptUp };
    },
  );
  return { singles, processors };
}

/** By POST, at growing rates until a view falls behind, or the gateways do; and at what is wanted, for the record. */
export async function steadyRates(ground: Ground): Promise<ClusterReport[]> {
  const measured: ClusterReport[] = [];
  let isHeldSoFar = true;
  for (const rate of RATES) {
    if (!isHeldSoFar && rate !== RATES.at(-1)) continue;
    const { isHeld, ...steady } = await posted(ground, rate);
    measured.push(steady);
    isHeldSoFar &&= isHeld;
  }
  return measured;
}

function posted({ cluster, settings, bases, people }: Ground, rate: number): Promise<Steady> {
  const { steadySeconds: seconds } = settings;
  const name = `${rate.toLocaleString('en-GB')} events/s by POST`;
  settings.say(`cluster: log → every view at ${name} for ${seconds} s`);
  const bodies = people.map((id) => JSON.stringify(round(id, PACED)));
  const pace = { bases, token: cluster.token, bodies, perSecond: rate / PACED };
  return report(cluster, { name, seconds, events: PACED, rate }, async () => {
    // Long enough for the code to be compiled that it runs through.
    await pacedPosts({ ...pace, seconds: 10 });
    const after = await cluster.settled();
    const watch = await watchViews(cluster);
    let isKeptUp = true;
    const counted = await counting(cluster, async () => {
      isKeptUp = await pacedPosts({ ...pace, seconds });
    }).finally(() => watch.stop());
    return { lags: await watch.lags(after), counted, isKeptUp };
  });
}

interface Steady extends ClusterReport {
  readonly isHeld: boolean;
}

interface Rate {
  readonly name: string;
  readonly seconds: number;
  /** A second, and in one transaction. */
  readonly rate: number;
  readonly events: number;
}

interface Measured {
  readonly lags: readonly number[];
  readonly counted: ReadonlyMap<ProcessKind, number>;
  readonly isKeptUp: boolean;
}

async function report(
  cluster: Ground['cluster'],
  { name, seconds, rate, events }: Rate,
  measure: () => Promise<Measured>,
): Promise<Steady> {
  const processors: ProcessorColumn[] = [];
  let isHeld = false;
  let isOverrun = false;
  const cells = await cellsOf(['p50', 'p99'], async () => {
    const { lags, counted, isKeptUp } = await measure();
    processors.push({ name, microseconds: counted });
    const p99 = at(lags, 0.99);
    isHeld = isKeptUp && p99 <= LAG_MAX_MS;
    isOverrun = !isKeptUp;
    const topic = await newTopic({ brokers: cluster.brokers, ownerUrl: cluster.ownerUrl });
    const page = Array.from({ length: events }, () => ({ value: Buffer.alloc(MESSAGE_BYTES) }));
    const floors = await bareDelays(topic, page, { perSecond: rate / events, seconds });
    return {
      p50: { figures: [at(lags, 0.5)], floors: [at(floors, 0.5)] },
      p99: { figures: [p99], floors: [at(floors, 0.99)] },
    };
  });
  const row = (share: 'p50' | 'p99'): SingleRow => ({
    name: `cluster, log → every view at ${name} for ${seconds} s${isOverrun ? ', overrun' : ''}, ${share}`,
    unit: 'ms',
    cell: cells[share],
    floor: 'bare kafkajs between two files, as many bytes flushed to each',
  });
  return { singles: [row('p50'), row('p99')], processors, isHeld };
}

const at = (sorted: readonly number[], share: number): number =>
  sorted[Math.ceil(sorted.length * share) - 1] ?? Infinity;
