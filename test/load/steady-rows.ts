/** How soon events are in every view of the cluster while they come at a steady rate: 1,600 a second, with a p99 of a quarter of a second. */
import { bareDelays } from './bare-kafka.ts';
import { counting } from './bench-cluster.ts';
import type { Ground } from './cluster-rows.ts';
import { newTopic } from './lane-rows.ts';
import { pacedPosts } from './paced-posts.ts';
import { cellsOf, type ClusterReport, type ProcessorColumn, type SingleRow } from './report.ts';
import { round } from './targets.ts';
import { watchViews } from './view-lags.ts';

/** The last one is what is wanted of a cluster. */
const RATES = [100, 200, 400, 800, 1_200, 1_600];
const LAG_MAX_MS = 250;
/** Events of a transaction. */
const PACED = 16;
/** Of one event in a lane. */
const MESSAGE_BYTES = 1_450;

/** At growing rates until a view falls behind, or the gateways do; and at what is wanted, for the record. */
export async function steadyRates(ground: Ground): Promise<ClusterReport[]> {
  const measured: ClusterReport[] = [];
  let isHeldSoFar = true;
  for (const rate of RATES) {
    if (!isHeldSoFar && rate !== RATES.at(-1)) continue;
    const { isHeld, ...report } = await steady(ground, rate);
    measured.push(report);
    isHeldSoFar &&= isHeld;
  }
  return measured;
}

async function steady(
  { cluster, settings, bases, people }: Ground,
  rate: number,
): Promise<ClusterReport & { readonly isHeld: boolean }> {
  const { steadySeconds: seconds } = settings;
  const name = `${rate.toLocaleString('en-GB')} events/s`;
  settings.say(`cluster: log → every view at ${name} for ${seconds} s`);
  const bodies = people.map((id) => JSON.stringify(round(id, PACED)));
  const pace = { bases, token: cluster.token, bodies, perSecond: rate / PACED };
  const processors: ProcessorColumn[] = [];
  let isHeld = false;
  let isKeptUp = true;
  const cells = await cellsOf(['p50', 'p99'], async () => {
    // Long enough for the code to be compiled that it runs through.
    await pacedPosts({ ...pace, seconds: 10 });
    const after = await cluster.settled();
    const watch = await watchViews(cluster);
    const counted = await counting(cluster, async () => {
      isKeptUp = await pacedPosts({ ...pace, seconds });
    }).finally(() => watch.stop());
    const lags = await watch.lags(after);
    processors.push({ name, microseconds: counted });
    const p99 = at(lags, 0.99);
    isHeld = isKeptUp && p99 <= LAG_MAX_MS;
    const topic = await newTopic({ brokers: cluster.brokers, ownerUrl: cluster.ownerUrl });
    const page = Array.from({ length: PACED }, () => ({ value: Buffer.alloc(MESSAGE_BYTES) }));
    const floors = await bareDelays(topic, page, { perSecond: rate / PACED, seconds: Math.min(seconds, 10) });
    return {
      p50: { figures: [at(lags, 0.5)], floors: [at(floors, 0.5)] },
      p99: { figures: [p99], floors: [at(floors, 0.99)] },
    };
  });
  const row = (share: 'p50' | 'p99'): SingleRow => ({
    name: `cluster, log → every view at ${name} for ${seconds} s${isKeptUp ? '' : ', overrun'}, ${share}`,
    unit: 'ms',
    cell: cells[share],
    floor: 'bare kafkajs, from sending as many bytes to their coming',
  });
  return { singles: [row('p50'), row('p99')], processors, isHeld };
}

const at = (sorted: readonly number[], share: number): number =>
  sorted[Math.ceil(sorted.length * share) - 1] ?? Infinity;
