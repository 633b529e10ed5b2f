import { describe, expect, it } from 'vitest';
import { caughtUp, populationCaughtUp, settingCaughtUp } from './consistency.ts';
import { Refusal } from './gateway.ts';

const HEAD = 10;
/** One that can be told how far it is; waiting ends at once. */
const viewAt = (at: number) => ({ position: () => at, waitFor: async (wanted: number) => at >= wanted });

type View = 'record' | 'settings' | 'population';
const gatewayWith = (behind?: View) => {
  const of = (view: View) => viewAt(view === behind ? HEAD - 1 : HEAD);
  return {
    head: () => HEAD,
    projected: of('record'),
    careSettings: { of: new Map(), ...of('settings') },
    population: { queries: {} as never, ...of('population') },
  };
};

describe('what an answer rests on', () => {
  it.each([
    ['a read', caughtUp, ['record']],
    ['a page or a list', (it: ReturnType<typeof gatewayWith>) => settingCaughtUp(it, 'acute'), ['record', 'settings']], // prettier-ignore
    ['a report, which names organisations as the record does', populationCaughtUp, ['record', 'population']], // prettier-ignore
  ] as const)('%s', async (_, wait, needed) => {
    expect(await wait(gatewayWith())).toBeUndefined();
    for (const view of ['record', 'settings', 'population'] as const) {
      const refusal = await wait(gatewayWith(view));
      expect([view, refusal instanceof Refusal]).toEqual([view, (needed as readonly View[]).includes(view)]);
    }
  });
});
