/** A FHIR Subscription, and what its owner asks of it at whichever server is there. */
import { setTimeout as delay } from 'node:timers/promises';
import { read } from '../hook-endpoint.ts';
import { restHook, websocket } from '../some-subscriptions.ts';
import { oneOf, type Chance } from './chance.ts';
import type { Site, Wanted } from './subscriber.ts';

export interface FhirSubscription {
  readonly id: string;
  /** Numbers that were given so far. */
  events(): Promise<number>;
  /** Streams by their numbers, from this number on, as `$events` tells. */
  missed(since: number): Promise<ReadonlyMap<number, string>>;
}

export interface Asked {
  /** Of the server that answered. */
  readonly url: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly json: any;
}

const AGAIN_MS = 100;
const PATIENCE_MS = 5_000;

/** Asks until a server answers; throws what it says where it refuses. */
export async function ask(
  site: Site,
  chance: Chance,
  method: string,
  path: string,
  body?: object,
): Promise<Asked> {
  for (;;) {
    const url = oneOf(chance, site.urls);
    const headers = { authorization: `Bearer ${site.token}`, 'content-type': 'application/fhir+json' };
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const sent = { method, headers, signal, ...(body && { body: JSON.stringify(body) }) };
    const answer = await fetch(`${url}/fhir/R4${path}`, sent).then(
      async (it) => ({ status: it.status, text: await it.text() }),
      () => undefined,
    );
    if (answer !== undefined && answer.status < 300) return { url, json: JSON.parse(answer.text) };
    if (answer !== undefined && answer.status < 500) throw new Error(`${method} ${path}: ${answer.text}`);
    await delay(AGAIN_MS);
  }
}

/** `endpoint`: of a rest-hook; a websocket without it. */
export async function subscribe(
  site: Site,
  chance: Chance,
  { topic, filters }: Wanted,
  endpoint?: string,
): Promise<FhirSubscription> {
  const asked = { topic, filters };
  const body = endpoint === undefined ? websocket(asked) : restHook({ ...asked, channel: { endpoint } });
  const { json } = await ask(site, chance, 'POST', '/Subscription', body);
  const id = json.id as string;
  const get = (path: string): Promise<Asked> => ask(site, chance, 'GET', `/Subscription/${id}/${path}`);
  return {
    id,
    async events() {
      const status = (await get('$status')).json.entry[0];
      return read(JSON.stringify({ entry: [status] })).events;
    },
    async missed(since) {
      const found = new Map<number, string>();
      for (let from = since; ;) {
        const { json: page } = await get(`$events?eventsSinceNumber=${from}`);
        const { numbers, focuses } = read(JSON.stringify(page));
        for (const [at, number] of numbers.entries()) found.set(number, focuses[at]!);
        const next = (page.link as { relation: string }[] | undefined)?.some(({ relation }) => relation === 'next'); // prettier-ignore
        if (next !== true) return found;
        from = numbers.at(-1)! + 1;
      }
    },
  };
}

/** What came by numbers: all of them from 1 on, each what it stands for in the log. */
export function numberFaults(
  told: ReadonlyMap<number, string>,
  expected: readonly { readonly stream: string }[],
): readonly string[] {
  const wrong = expected.flatMap(({ stream }, at) => {
    const is = told.get(at + 1);
    return is === stream ? [] : [`number ${at + 1} is ${is}, and should be ${stream}`];
  });
  return told.size > expected.length ? [...wrong, `there are ${told.size} numbers, not ${expected.length}`] : wrong; // prettier-ignore
}

/** The highest of numbers up to which none is missing. */
export function withoutGap(told: ReadonlyMap<number, string>, from = 0): number {
  let number = from;
  while (told.has(number + 1)) number += 1;
  return number;
}
