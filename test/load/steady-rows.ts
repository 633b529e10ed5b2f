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
import { cellsOf, percentile, type ClusterReport, type ProcessorColumn, type SingleRow } from './report.ts';
import { round } from './targets.ts';
import { watchViews, type Lag } from './view-lags.ts';

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
  const { runs, steadySeconds } = ground.settings;
  let { people } = ground;
  for (const rate of RATES_AT_THE_LOG) {
    const rounds = (rate / IN_THE_LOG) * (WARM_SECONDS + runs * steadySeconds);
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
  const { steadySeconds: seconds, runs } = settings;
  const perSecond = rate / IN_THE_LOG;
  settings.say(`cluster: ${rounds} transactions are made ready`);
  const { append, loggedAt, close } = await readyAppends(cluster, people, { rounds, events: IN_THE_LOG });
  const name = `${rate.toLocaleString('en-GB')} events/s into the log`;
  const { singles, processors } = await report(
    cluster,
    { name, seconds, events: IN_THE_LOG, rate, counted: ['logged', 'begun'] },
    async () => {
      await cluster.settled();
      settings.say(`cluster: log → every view at ${name}, ${runs} times ${seconds} s`);
      const watch = await watchViews(cluster);
      await inOpenLoop({ perSecond, seconds: WARM_SECONDS }, append);
      // Without a pause: what is measured goes on as it went, from one run to the next too.
      const after = await cluster.head();
      let isKeptUp = true;
      const processors = await countingFrom(after, cluster, async () => {
        isKeptUp = await inOpenLoop({ perSecond, seconds: runs * seconds }, append);
      }).finally(() => watch.stop());
      await close();
      const lags = await watch.lags(after, loggedAt);
      const ofOne = Math.ceil(lags.length / runs);
      const parts = Array.from({ length: runs }, (_, run) => lags.slice(run * ofOne, (run + 1) * ofOne));
      settings.say(
        `cluster: p99 of each time ${parts.map((it) => at(it, 'logged', 'p99').toFixed()).join(', ')} ms`,
      );
      return { runs: parts, processors, isKeptUp };
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
  return report(cluster, { name, seconds, events: PACED, rate, counted: ['begun'] }, async () => {
    // Long enough for the code to be compiled that it runs through.
    await pacedPosts({ ...pace, seconds: 10 });
    const after = await cluster.settled();
    const watch = await watchViews(cluster);
    let isKeptUp = true;
    const processors = await counting(cluster, async () => {
      isKeptUp = await pacedPosts({ ...pace, seconds });
    }).finally(() => watch.stop());
    return { runs: [await watch.lags(after)], processors, isKeptUp };
  });
}

interface Steady extends ClusterReport {
  readonly isHeld: boolean;
}

/** From where it is counted. */
type From = keyof Lag;

const COUNTED = { logged: '', begun: ", with the log's commit" } as const satisfies Record<From, string>;
const SHARES = { p50: 0.5, p99: 0.99 } as const;

interface Rate {
  readonly name: string;
  readonly seconds: number;
  /** A second, and in one transaction. */
  readonly rate: number;
  readonly events: number;
  readonly counted: readonly From[];
}

interface Measured {
  /** Of each event, run by run. */
  readonly runs: readonly (readonly Lag[])[];
  readonly processors: ReadonlyMap<ProcessKind, number>;
  readonly isKeptUp: boolean;
}

async function report(
  cluster: Ground['cluster'],
  { name, seconds, rate, events, counted }: Rate,
  measure: () => Promise<Measured>,
): Promise<Steady> {
  const processors: ProcessorColumn[] = [];
  let isHeld = false;
  let isOverrun = false;
  const wanted = counted.flatMap((from) => (['p50', 'p99'] as const).map((share) => ({ from, share, cell: `${share} ${from}` }))); // prettier-ignore
  const cells = await cellsOf(
    wanted.map(({ cell }) => cell),
    async () => {
      const { runs, isKeptUp, processors: taken } = await measure();
      processors.push({ name, microseconds: taken });
      isHeld = isKeptUp && runs.every((lags) => at(lags, 'begun', 'p99') <= LAG_MAX_MS);
      isOverrun = !isKeptUp;
      const floors: (readonly Lag[])[] = [];
      const once = { events, rate, seconds: seconds / runs.length };
      while (floors.length < runs.length) floors.push(await floorOf(cluster, once));
      return Object.fromEntries(
        wanted.map(({ cell, from, share }) => [
          cell,
          { figures: runs.map((lags) => at(lags, from, share)), floors: floors.map((lags) => at(lags, from, share)) }, // prettier-ignore
        ]),
      );
    },
  );
  const singles = wanted.map(({ from, share, cell }): SingleRow => ({
    name: `cluster, log → every view at ${name} for ${seconds} s${COUNTED[from]}${isOverrun ? ', overrun' : ''}, ${share}`,
    unit: 'ms',
    cell: cells[cell]!,
    floor: 'bare kafkajs between two files, as many bytes flushed to each',
  }));
  return { singles, processors, isHeld };
}

async function floorOf(
  { brokers, ownerUrl }: Ground['cluster'],
  { events, rate, seconds }: Pick<Rate, 'events' | 'rate' | 'seconds'>,
): Promise<readonly Lag[]> {
  const page = Array.from({ length: events }, () => ({ value: Buffer.alloc(MESSAGE_BYTES) }));
  return bareDelays(await newTopic({ brokers, ownerUrl }), page, { perSecond: rate / events, seconds });
}

const at = (lags: readonly Lag[], from: From, share: keyof typeof SHARES): number =>
  percentile(lags.map((lag) => lag[from]), SHARES[share]); // prettier-ignore
