/**
 * Things are recorded about a few dozen people while servers are broken and subscribers are killed, paused and connected anew, over
 * every channel; in the end each of them has to have what it asked for.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { RecordedEvent } from '@carelog/event-store';
import { createClient, type NewEvent } from '../../../libs/client/src/index.ts';
import { startHookEndpoint, type HookEndpoint } from '../hook-endpoint.ts';
import { below, chanceOf, oneOf } from './chance.ts';
import { startClientSubscribers } from './client-subscriber.ts';
import { numberFaults, subscribe, type FhirSubscription } from './fhir-subscription.ts';
import { startHookSubscriber } from './hook-subscriber.ts';
import { startStreamSubscriber } from './stream-subscriber.ts';
import { everything, family, recordOf, setting, until, type Disturbed, type Site, type Subscriber, type Wanted } from './subscriber.ts'; // prettier-ignore
import { startWebsocketSubscriber } from './websocket-subscriber.ts';

export interface Reliability {
  readonly site: Site;
  readonly seed: number;
  /** How many are recorded. */
  readonly events: number;
  /** So often a server is broken. */
  readonly breaks: number;
  readonly folder: string;
  readonly endpoints: HookEndpoints;
  /** Breaks a server, and resolves when it is well. `numbered` resolves when whatever was recorded before has its numbers. */
  breakServer(chance: () => number, numbered: () => Promise<void>): Promise<void>;
  /** The whole log. */
  log(): Promise<readonly RecordedEvent[]>;
}

/** Known before there is a server, which is told that it may call them. */
export interface HookEndpoints {
  readonly several: readonly HookEndpoint[];
  /** Of the one that nobody reaches while the test runs. */
  readonly away: HookEndpoint;
}

const PEOPLE = 24;
const PUBLISHERS = 4;
const BATCH = 5;
/** A server that hangs is given up by whoever publishes, and another is asked. */
const TRY_MS = 5_000;
/** Longer than the longest pause between two tries, of whoever was disturbed as little as they are here. */
const SETTLED_MS = 60_000;

const people = Array.from({ length: PEOPLE }, (_, at) => `p${at}`);
/** Of each channel. */
const asked: readonly Wanted[] = [everything, recordOf('p0'), setting, family];

export async function startHookEndpoints(): Promise<HookEndpoints> {
  const [away, ...several] = await Promise.all([...asked, undefined].map(() => startHookEndpoint()));
  return { several, away: away! };
}

export const originsOf = ({ several, away }: HookEndpoints): readonly string[] =>
  [...several, away].map(({ origin }) => origin);

/** Resolves with everything that is not as it should be; the time is the test's. */
export async function faultsUnder(run: Reliability): Promise<readonly string[]> {
  const { site, events, log } = run;
  const chance = chanceOf(run.seed);
  const publishing = new Publishing(site, chance);
  await publishing.publish(people.map((id) => ({ source: SOURCE, data: { resourceType: 'Patient', id } })));
  const before = (await log()).at(-1)!;
  const told = async (wanted: Wanted): Promise<readonly RecordedEvent[]> =>
    (await log()).filter((event) => event.position > before.position && wanted.matches(event));

  const listening = await startAll(run, chance);
  const { subscribers, away, ofStatus } = listening;
  const numbered = async (): Promise<void> => {
    for (const { wanted, subscription } of ofStatus) {
      const { length } = await told(wanted);
      await until(async () => (await subscription.events()) >= length);
    }
  };
  try {
    const breaking = breakServers(run, chance, publishing, numbered);
    const disturbing = disturb(subscribers, events, chance, publishing);
    await publishing.run(events);
    await Promise.all([breaking, disturbing]);
    for (const it of subscribers) it.calm?.();

    const faults: string[] = [];
    const end = performance.now() + SETTLED_MS;
    for (const it of subscribers) {
      const expected = await told(it.wanted);
      await until(() => it.has() >= expected.length, end - performance.now());
      const [first, ...others] = it.faults(expected);
      if (first !== undefined) faults.push(`${it.name} has ${it.has()} of ${expected.length}: ${first}, and ${others.length} more`); // prettier-ignore
    }
    const all = await told(everything);
    if (all.length !== events) faults.push(`the log has ${all.length} events, and should have ${events}`);
    return [...faults, ...(await awayFaults(run, chance, away, all)), ...publishing.refused];
  } finally {
    for (const it of subscribers) await it.stop();
    await run.endpoints.away.close();
  }
}

interface Listening {
  readonly subscribers: readonly Subscriber[];
  /** Of a rest-hook whose endpoint is never there. */
  readonly away: FhirSubscription;
  /** Of whom it can be asked how far their numbers go. */
  readonly ofStatus: readonly { readonly wanted: Wanted; readonly subscription: FhirSubscription }[];
}

async function startAll({ site, folder, endpoints }: Reliability, chance: () => number): Promise<Listening> {
  for (const of of ['one', 'other']) mkdirSync(join(folder, of), { recursive: true });
  await endpoints.away.close();
  const away = await subscribe(site, chance, everything, endpoints.away.origin);
  const ofRecords = people.slice(1, 7).map(recordOf);
  const [streams, clients, others, hooks, websockets] = await Promise.all([
    Promise.all([...asked, ...ofRecords].map((wanted) => startStreamSubscriber(site, wanted, chance))),
    startClientSubscribers(site, asked.slice(0, 2), chance, join(folder, 'one')),
    startClientSubscribers(site, asked.slice(2), chance, join(folder, 'other')),
    Promise.all(asked.map((wanted, at) => startHookSubscriber(site, wanted, chance, endpoints.several[at]!))),
    Promise.all(asked.map((wanted) => startWebsocketSubscriber(site, wanted, chance))),
  ]);
  return {
    subscribers: [...streams, ...clients, ...others, ...hooks, ...websockets],
    away,
    ofStatus: [{ wanted: everything, subscription: away }, ...hooks, ...websockets],
  };
}

/** Whoever was away all the time has everything by asking for it. */
async function awayFaults(
  { site, log }: Reliability,
  chance: () => number,
  away: FhirSubscription,
  all: readonly RecordedEvent[],
): Promise<readonly string[]> {
  await until(async () => (await away.events()) >= all.length, SETTLED_MS);
  const byNumber = numberFaults(await away.missed(1), all).map(
    (fault) => `rest-hook that was away: ${fault}`,
  );
  const stream = await startStreamSubscriber(site, everything, chance, '0');
  const whole = (await log()).filter((event) => everything.matches(event));
  await until(() => stream.has() >= whole.length, SETTLED_MS);
  const byStream = stream.faults(whole).map((fault) => `stream that was away: ${fault}`);
  await stream.stop();
  return [...byNumber, ...byStream];
}

/** Each time when some more was recorded. */
async function breakServers(
  { breakServer, breaks, events }: Reliability,
  chance: () => number,
  publishing: Publishing,
  numbered: () => Promise<void>,
): Promise<void> {
  for (let at = 0; at < breaks; at += 1) {
    const goal = Math.floor(((at + 0.2 + 0.6 * chance()) / breaks) * events);
    await until(() => publishing.count >= goal);
    await breakServer(chance, numbered);
  }
}

/** Whoever was disturbed is well again when the next one is. */
const DISTURBED_EVERY = 25;

async function disturb(
  subscribers: readonly Subscriber[],
  events: number,
  chance: () => number,
  publishing: Publishing,
): Promise<void> {
  let mend: Disturbed;
  for (let goal = DISTURBED_EVERY; goal < events; goal += 1 + below(chance, 2 * DISTURBED_EVERY)) {
    await until(() => publishing.count >= goal);
    await mend?.();
    mend = await oneOf(chance, subscribers).disturb();
  }
  await mend?.();
}

const SOURCE = 'urn:example:ward';

class Publishing {
  /** Acknowledged. */
  count = 0;
  readonly refused: string[] = [];
  readonly #client: ReturnType<typeof createClient>;
  readonly #chance: () => number;

  constructor({ urls, token }: Site, chance: () => number) {
    this.#chance = chance;
    const balanced: typeof fetch = (input, init) => {
      const signal = AbortSignal.any([AbortSignal.timeout(TRY_MS), ...(init?.signal ? [init.signal] : [])]);
      return fetch(oneOf(chance, urls) + new URL(String(input)).pathname, { ...init, signal });
    };
    this.#client = createClient({ url: 'http://carelog.invalid', token: () => token, fetch: balanced });
  }

  /** Several at once, each of whom has people of their own. */
  async run(events: number): Promise<void> {
    let left = events;
    const publisher = async (own: readonly string[]): Promise<void> => {
      for (let count = 0; left > 0; count += 1) {
        const batch = Array.from({ length: Math.min(BATCH, left) }, (_, at) => this.#event(oneOf(this.#chance, own), count * BATCH + at)); // prettier-ignore
        left -= batch.length;
        await this.publish(batch);
        this.count += batch.length;
      }
    };
    const shares = Array.from({ length: PUBLISHERS }, (_, at) => people.filter((_, index) => index % PUBLISHERS === at)); // prettier-ignore
    await Promise.all(shares.map(publisher));
  }

  async publish(events: readonly NewEvent[]): Promise<void> {
    for (const result of await this.#client.publish(events))
      if (result.kind !== 'recorded' && result.kind !== 'recorded-before') this.refused.push(JSON.stringify(result)); // prettier-ignore
  }

  #event(patient: string, number: number): NewEvent {
    const subject = { reference: `Patient/${patient}` };
    const id = `${patient}-${number}`;
    const data = oneOf(this.#chance, [
      {
        resourceType: 'Observation',
        id,
        status: 'final',
        code: { text: 'Pulse' },
        subject,
        valueInteger: number,
      },
      { resourceType: 'Encounter', id, status: 'in-progress', class: { code: 'IMP' }, subject },
      { resourceType: 'MedicationDispense', id, status: 'completed', medicationCodeableConcept: { text: 'x' }, subject }, // prettier-ignore
      { resourceType: 'Patient', id: patient, name: [{ family: `Grey ${number}` }] },
    ]);
    return { id: randomUUID(), source: SOURCE, data };
  }
}
