/**
 * What a region and a nation need, reckoned from measured rates, and a simulation that the reckoning is checked against:
 * messages arrive by chance, and the log's turn, the relay's pages and the projectors' batches queue as they do in the cluster.
 * `node test/load/capacity.ts` prints the tables, with `--page` it puts them into docs/operating/capacity.md.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Of a unit (a turn in the log, a page of the relay, a lane's batch), and of each event in it. */
export interface Cost {
  readonly unitMs: number;
  readonly eventMs: number;
}

export interface Rates {
  readonly eventsPerMessage: number;
  readonly turn: Cost;
  readonly page: Cost;
  /** In all views, of which each has a transaction of its own. */
  readonly batch: Cost;
  /** Processor time of gateway and writer together, and of a gateway for an answer. */
  readonly coreMs: { readonly message: number; readonly answer: number };
  /** Of an event in the log, in all views, and in a lane; of an answer in the log of accesses. */
  readonly bytes: { readonly log: number; readonly views: number; readonly lane: number; readonly access: number }; // prettier-ignore
}

/** docs/operating/capacity.md says where each is from; test/load/capacity-rates.ts measures them anew. */
export const measured: Rates = {
  eventsPerMessage: 2.5,
  turn: { unitMs: 1.2, eventMs: 0.04 },
  page: { unitMs: 1.5, eventMs: 0.09 },
  batch: { unitMs: 9, eventMs: 0.23 },
  coreMs: { message: 1.6, answer: 0.35 },
  bytes: { log: 1_860, views: 2_970, lane: 1_450, access: 160 },
};

export interface Demand {
  readonly name: string;
  readonly people: number;
  readonly messagesPerMonth: number;
  /** Messages a second in the busiest hour. */
  readonly peak: number;
  /** Answers from views for each message. */
  readonly answersPerMessage: number;
}

export const demands: readonly Demand[] = [
  { name: 'region', people: 3e6, messagesPerMonth: 60e6, peak: 150, answersPerMessage: 5 },
  { name: 'nation', people: 65e6, messagesPerMonth: 1.3e9, peak: 3_200, answersPerMessage: 5 },
];

export interface Needs {
  readonly eventsPerSecond: number;
  /** Share of its time that the one turn in the log is taken at the peak. */
  readonly logBusy: number;
  readonly relayBusy: number;
  readonly projectors: number;
  readonly lanes: number;
  readonly gateways: number;
  readonly writers: number;
  /** Bytes a year, of one copy each. */
  readonly yearly: { readonly log: number; readonly views: number; readonly access: number };
  /** Bytes that the brokers keep, all copies. */
  readonly inLanes: number;
  readonly brokers: number;
  /** Hours to build a view anew from a year of events, with the projectors that there are. */
  readonly rebuildHours: number;
}

/** Nothing is planned to be busier than this at the peak, so that it catches up after a pause. */
const BUSY_MAX = 0.5;
const COPIES = 3;
const RETENTION_DAYS = 7;
/** Of a gateway or writer in a container. */
const CORES = 1;
const SPARE = 1;
const PAGE_EVENTS = 500;
const TURN_EVENTS = 1_000;

/** What this demand needs at least. */
export function needsOf(demand: Demand, rates: Rates = measured): Needs {
  const eventsPerSecond = demand.peak * rates.eventsPerMessage;
  const yearlyMessages = demand.messagesPerMonth * 12;
  const yearlyEvents = yearlyMessages * rates.eventsPerMessage;
  const perProjector = rateOf(rates.batch, PAGE_EVENTS) * BUSY_MAX;
  const projectors = Math.max(2, Math.ceil(eventsPerSecond / perProjector));
  const answers = demand.peak * demand.answersPerMessage;
  const coresOf = (ms: number) => Math.ceil(ms / 1_000 / BUSY_MAX / CORES) + SPARE;
  const perDay = (demand.messagesPerMonth / 30) * rates.eventsPerMessage;
  const { log, views, lane, access } = rates.bytes;
  return {
    eventsPerSecond,
    logBusy: busyOf(eventsPerSecond, rates.turn, TURN_EVENTS),
    relayBusy: busyOf(eventsPerSecond, rates.page, PAGE_EVENTS),
    projectors,
    // Two for each of four times as many projectors: a lane is projected by one at a time, and their number is for ever.
    lanes: Math.max(12, Math.ceil((projectors * 8) / 12) * 12),
    gateways: coresOf(answers * rates.coreMs.answer + (demand.peak * rates.coreMs.message) / 2),
    writers: coresOf((demand.peak * rates.coreMs.message) / 2),
    yearly: { log: yearlyEvents * log, views: yearlyEvents * views, access: yearlyMessages * demand.answersPerMessage * access }, // prettier-ignore
    inLanes: perDay * RETENTION_DAYS * lane * COPIES,
    brokers: COPIES,
    rebuildHours: yearlyEvents / (projectors * rateOf(rates.batch, PAGE_EVENTS)) / 3_600,
  };
}

/** Events a second at most, in units as large as they get. */
export function rateOf({ unitMs, eventMs }: Cost, largest: number): number {
  return (1_000 * largest) / (unitMs + largest * eventMs);
}

/** Share of the time at this rate, in units as large as they get: smaller ones are taken only while there is time for them. */
function busyOf(perSecond: number, cost: Cost, largest: number): number {
  return perSecond / rateOf(cost, largest);
}

export interface Simulated {
  /** From arrival to the view, ms. */
  readonly p50: number;
  readonly p99: number;
  /** Events that had arrived and were in no view when the last message arrived. */
  readonly backlog: number;
}

export interface Scenario {
  readonly messagesPerSecond: number;
  readonly seconds: number;
  readonly lanes: number;
  readonly projectors: number;
  readonly people: number;
  /** The same seed gives the same messages. */
  readonly seed: number;
  /** While this long (seconds from the start) the projectors stand still. */
  readonly pause?: { readonly from: number; readonly until: number };
  readonly rates?: Rates;
}

/** Stage after stage, each with what the one before gives: nothing flows back. */
export function simulate(scenario: Scenario): Simulated {
  const { rates = measured, seconds, lanes, projectors } = scenario;
  const { times, laneOf } = arrivals(scenario);
  const logged = served([times], rates.turn, TURN_EVENTS);
  const [relayed] = served(logged, rates.page, PAGE_EVENTS);
  const inLane = Array.from({ length: lanes }, (): number[] => []);
  laneOf.forEach((lane, index) => inLane[lane]!.push(index));
  const inView = new Float64Array(times.length);
  for (let projector = 0; projector < projectors; projector += 1) {
    const own = inLane.filter((_, lane) => lane % projectors === projector);
    const queues = own.map((indexes) => Float64Array.from(indexes, (index) => relayed![index]!));
    const left = served(queues, rates.batch, PAGE_EVENTS, scenario.pause);
    own.forEach((indexes, lane) => indexes.forEach((index, place) => (inView[index] = left[lane]![place]!)));
  }
  const delays = inView.map((at, index) => at - times[index]!).sort();
  return {
    p50: delays[Math.floor(delays.length * 0.5)] ?? 0,
    p99: delays[Math.floor(delays.length * 0.99)] ?? 0,
    backlog: inView.filter((at) => at > seconds * 1_000).length,
  };
}

/** Of each event: when its message arrived (ms), and its lane. Messages come by chance; busy patients have more of them. */
function arrivals({ messagesPerSecond, seconds, lanes, people, seed, rates = measured }: Scenario) {
  const random = generator(seed);
  const times: number[] = [];
  const laneOf: number[] = [];
  for (let at = 0; ;) {
    at += (-Math.log(1 - random()) / messagesPerSecond) * 1_000;
    if (at >= seconds * 1_000) return { times: Float64Array.from(times), laneOf };
    const patient = Math.floor(random() ** 2 * people);
    const lane = Math.floor(generator(patient + 1)() * lanes);
    const whole = Math.floor(rates.eventsPerMessage);
    const events = whole + (random() < rates.eventsPerMessage - whole ? 1 : 0);
    for (let n = 0; n < events; n += 1) {
      times.push(at);
      laneOf.push(lane);
    }
  }
}

/**
 * One server that takes by turns from queues (of times, in order) all that waits, at most `largest`, in units: when each left.
 * It is never idle while anything waits, so its units are as small as the rate allows.
 */
function served(
  queues: readonly Float64Array[],
  { unitMs, eventMs }: Cost,
  largest: number,
  pause: { readonly from: number; readonly until: number } = { from: 0, until: 0 },
): Float64Array[] {
  const left = queues.map((queue) => new Float64Array(queue.length));
  const next = queues.map(() => 0);
  let now = 0;
  for (let turn = 0, empty = 0; empty < queues.length; turn = (turn + 1) % queues.length) {
    const queue = queues[turn]!;
    const first = next[turn]!;
    let end = first;
    while (end < queue.length && end - first < largest && queue[end]! <= now) end += 1;
    if (end > first) {
      if (now >= pause.from * 1_000 && now < pause.until * 1_000) now = pause.until * 1_000;
      now += unitMs + (end - first) * eventMs;
      left[turn]!.fill(now, first, end);
      next[turn] = end;
      empty = 0;
    } else if (++empty === queues.length) {
      // Nothing waits anywhere: on to what comes next.
      const following = Math.min(...queues.map((it, index) => it[next[index]!] ?? Infinity));
      if (following === Infinity) break;
      now = following;
      empty = 0;
    }
  }
  return left;
}

/** Mulberry32: small, and the same everywhere. */
function generator(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The tables of docs/operating/capacity.md. */
export function tables(): string {
  const columns = demands.map((demand) => ({ demand, needs: needsOf(demand), simulated: atPeak(demand) }));
  const row = (name: string, cell: (column: (typeof columns)[number]) => string) =>
    `| ${name} | ${columns.map(cell).join(' | ')} |`;
  const tb = (bytes: number) => `${(bytes / 1e12).toFixed(bytes < 1e13 ? 1 : 0)} TB`;
  const percent = (share: number) => `${(share * 100).toFixed(0)} %`;
  const whole = (number: number) => Math.round(number).toLocaleString('en-GB');
  return [
    row('', ({ demand }) => demand.name),
    `| --- | ${columns.map(() => '---: |').join(' ')}`,
    row('people', ({ demand }) => whole(demand.people)),
    row('messages a month', ({ demand }) => whole(demand.messagesPerMonth)),
    row('messages a second, at the peak', ({ demand }) => whole(demand.peak)),
    row('events a second, at the peak', ({ needs }) => whole(needs.eventsPerSecond)),
    row('answers a second, at the peak', ({ demand }) => whole(demand.peak * demand.answersPerMessage)),
    row('the log’s one turn, busy at the peak', ({ needs }) => percent(needs.logBusy)),
    row('the relay, busy at the peak', ({ needs }) => percent(needs.relayBusy)),
    row('lanes', ({ needs }) => whole(needs.lanes)),
    row('projectors, of two cores', ({ needs }) => whole(needs.projectors)),
    row('gateways, of one core', ({ needs }) => whole(needs.gateways)),
    row('writers, of one core', ({ needs }) => whole(needs.writers)),
    row('brokers', ({ needs }) => whole(needs.brokers)),
    row('log, a year, one copy', ({ needs }) => tb(needs.yearly.log)),
    row('all views, a year, one copy', ({ needs }) => tb(needs.yearly.views)),
    row('log of accesses, a year, one copy', ({ needs }) => tb(needs.yearly.access)),
    row('in the lanes, seven days, three copies', ({ needs }) => tb(needs.inLanes)),
    row('to build all views anew from a year of events', ({ needs }) => `${needs.rebuildHours.toFixed(1)} h`),
    row('simulated: from arrival to the view, p50', ({ simulated }) => `${simulated.p50.toFixed(0)} ms`),
    row('simulated: from arrival to the view, p99', ({ simulated }) => `${simulated.p99.toFixed(0)} ms`),
  ].join('\n');
}

function atPeak(demand: Demand): Simulated {
  const { lanes, projectors } = needsOf(demand);
  return simulate({ messagesPerSecond: demand.peak, seconds: 20, lanes, projectors, people: demand.people, seed: 1 }); // prettier-ignore
}

export const MARKS = ['<!-- capacity:begin -->', '<!-- capacity:end -->'] as const;

if (import.meta.main) {
  const text = tables();
  console.log(text);
  if (process.argv.includes('--page')) {
    const page = path.resolve(import.meta.dirname, '../../docs/operating/capacity.md');
    const [before, rest] = readFileSync(page, 'utf8').split(MARKS[0]);
    const [, after] = rest!.split(MARKS[1]);
    writeFileSync(page, `${before}${MARKS[0]}\n\n${text}\n\n${MARKS[1]}${after}`);
  }
}
