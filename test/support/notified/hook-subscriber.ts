/** A rest-hook whose endpoint is now and then not what it should be. */
import type { HookEndpoint, TakenNotification } from '../hook-endpoint.ts';
import type { Chance } from './chance.ts';
import { numberFaults, subscribe, withoutGap, type FhirSubscription } from './fhir-subscription.ts';
import { until, type Site, type Subscriber, type Wanted } from './subscriber.ts';

/** Each keeps the server waiting for as long as it waits at all. */
const HANGS_MAX = 1;

/** Resolves when it is active. */
export async function startHookSubscriber(
  site: Site,
  wanted: Wanted,
  chance: Chance,
  endpoint: HookEndpoint,
): Promise<Subscriber & { readonly subscription: FhirSubscription }> {
  const subscription = await subscribe(site, chance, wanted, endpoint.origin);
  await until(() => endpoint.taken.some(({ type }) => type === 'handshake'));
  let isCalm = false;
  let hangs = 0;
  /** Whether it could say so or not. */
  const took: TakenNotification[] = [];
  endpoint.answer = (request, response) => {
    const what = isCalm ? 1 : chance();
    if (what < 0.03 && hangs < HANGS_MAX) return void (hangs += 1);
    if (what < 0.07) return void request.socket.destroy();
    if (what < 0.15) return void response.writeHead(500).end();
    took.push(endpoint.came.at(-1)!);
    // It did its work, and nobody heard of it.
    if (what < 0.2) return void request.socket.destroy();
    response.writeHead(204).end();
  };

  const notifications = () => endpoint.came.filter(({ type }) => type === 'event-notification');
  const told = (): ReadonlyMap<number, string> =>
    new Map(took.flatMap(({ numbers, focuses }) => numbers.map((number, at) => [number, focuses[at]!])));

  return {
    name: `rest-hook of ${wanted.name}`,
    wanted,
    subscription,
    has: () => withoutGap(told()),
    async disturb() {
      await endpoint.close();
      return () => endpoint.open();
    },
    calm: () => void (isCalm = true),
    faults(expected) {
      let highest = 0;
      const skipped = notifications().flatMap(({ numbers }) => {
        const [first = 0] = numbers;
        const isNext = first <= highest + 1 && numbers.every((number, at) => number === first + at);
        highest = Math.max(highest, numbers.at(-1) ?? 0);
        return isNext ? [] : [`numbers ${numbers.join()} came after ${highest}`];
      });
      return [...skipped, ...numberFaults(told(), expected)];
    },
    stop: () => endpoint.close(),
  };
}
