/** Waits for what a subscription is told of. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Answer, Stack } from './start-stack.ts';

const LOOK_EVERY_MS = 20;

/** Resolves when the subscription got so many numbers; the time is the test's. */
export async function untilTold(stack: Stack, id: string, events: number, as = 'publisher'): Promise<void> {
  for (;;) {
    const { json } = await stack.fhir('GET', `/Subscription/${id}/$status`, { as });
    const parameters = json.entry[0].resource.parameter as { name: string; valueString?: string }[];
    const told = Number(
      parameters.find(({ name }) => name === 'events-since-subscription-start')?.valueString,
    );
    if (told > events) throw new Error(`There are ${told} events, more than ${events}.`);
    if (told === events) return;
    await delay(LOOK_EVERY_MS);
  }
}

/** Resolves when this resource is among what it was told of. */
export async function untilToldOf(stack: Stack, id: string, stream: string, as: string): Promise<void> {
  for (;;) {
    let path: string | undefined = `/Subscription/${id}/$events?content=id-only`;
    while (path !== undefined) {
      const { text, json }: Answer = await stack.fhir('GET', path, { as });
      if (text.includes(`/${stream}"`)) return;
      path = json.link?.find(({ relation }: { relation: string }) => relation === 'next')?.url as string | undefined; // prettier-ignore
    }
    await delay(LOOK_EVERY_MS);
  }
}
