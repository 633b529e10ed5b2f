/** Is told by a websocket, and reads by `$events` what it missed while it had none. */
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { read, type TakenNotification } from '../hook-endpoint.ts';
import type { Chance } from './chance.ts';
import { ask, numberFaults, subscribe, withoutGap, type FhirSubscription } from './fhir-subscription.ts';
import { until, type Site, type Subscriber, type Wanted } from './subscriber.ts';

const AGAIN_MS = 100;

/** Resolves when it is bound. */
export async function startWebsocketSubscriber(
  site: Site,
  wanted: Wanted,
  chance: Chance,
): Promise<Subscriber & { readonly subscription: FhirSubscription }> {
  const subscription = await subscribe(site, chance, wanted);
  const told = new Map<number, string>();
  const wrong: string[] = [];
  let socket: WebSocket | undefined;
  let isBound = false;
  let isEnding = false;

  async function run(): Promise<void> {
    while (!isEnding) {
      await once();
      if (!isEnding) await delay(AGAIN_MS);
    }
  }

  /** One connection, until it is no more. */
  async function once(): Promise<void> {
    const { url, json } = await ask(site, chance, 'GET', `/Subscription/${subscription.id}/$get-ws-binding-token`); // prettier-ignore
    const valueOf = (name: string) => json.parameter.find((it: { name: string }) => it.name === name);
    const { pathname } = new URL(valueOf('websocket-url').valueUrl as string);
    const opened = new WebSocket(`${url.replace('http', 'ws')}${pathname}`);
    socket = opened;
    let last: number | undefined;
    let reading: Promise<void> | undefined;
    opened.on('message', (data) => {
      const notification = read(String(data));
      if (notification.type === 'handshake') {
        last = notification.events;
        isBound = true;
        reading = catchUp(last);
      } else last = hear(notification, last);
    });
    opened.on('error', () => {});
    await new Promise<void>((resolve) => {
      opened.once('open', () => opened.send(`bind-with-token ${valueOf('token').valueString as string}`));
      opened.once('close', resolve);
      if (isEnding) opened.terminate();
    });
    await reading;
  }

  async function catchUp(upTo: number): Promise<void> {
    const from = withoutGap(told) + 1;
    if (from > upTo) return;
    for (const [number, stream] of await subscription.missed(from)) note(number, stream);
  }

  function hear({ type, numbers, focuses }: TakenNotification, last: number | undefined): number | undefined {
    if (type !== 'event-notification') return last;
    if (last === undefined) wrong.push('was told of something before the handshake');
    for (const [at, number] of numbers.entries()) {
      if (last !== undefined && number !== last + 1) wrong.push(`was told of ${number} after ${last}`);
      last = number;
      note(number, focuses[at]!);
    }
    return last;
  }

  function note(number: number, stream: string): void {
    const before = told.get(number) ?? stream;
    if (before !== stream) wrong.push(`number ${number} was ${before}, and then ${stream}`);
    told.set(number, stream);
  }

  const running = run();
  await until(() => isBound);
  return {
    name: `websocket of ${wanted.name}`,
    wanted,
    subscription,
    has: () => withoutGap(told),
    disturb() {
      const opened = socket;
      if (chance() < 0.3 && opened?.readyState === WebSocket.OPEN) {
        opened.pause();
        return () => opened.resume();
      }
      opened?.terminate();
      return undefined;
    },
    faults: (expected) => [...wrong, ...numberFaults(told, expected)],
    async stop() {
      isEnding = true;
      socket?.terminate();
      await running;
    },
  };
}
