import { describe, expect, it } from 'vitest';
import { caughtUp, populationCaughtUp, room, settingCaughtUp } from './consistency.ts';
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

describe('room for a writer', () => {
  const LAG_MAX = 4;
  const pressed = (view: ReturnType<typeof viewAt>) => ({ head: () => HEAD, projected: view, pressure: { lagMax: LAG_MAX, waiting: 0, turnedAway: 0 } }); // prettier-ignore

  it('is there at once while the record is as far behind as it may be', async () => {
    const gateway = pressed(viewAt(HEAD - LAG_MAX));
    expect(room(gateway)).toBeUndefined();
    expect(await room({ ...gateway, head: async () => HEAD })).toBeUndefined();
    expect(gateway.pressure).toMatchObject({ waiting: 0, turnedAway: 0 });
  });

  it('is waited for while the record is further behind, and counted', async () => {
    const reached = Promise.withResolvers<boolean>();
    const asked: number[] = [];
    const waitFor = (wanted: number) => (asked.push(wanted), reached.promise);
    const gateway = pressed({ position: () => HEAD - LAG_MAX - 1, waitFor });
    const waiting = room(gateway);
    expect([asked, gateway.pressure.waiting]).toEqual([[HEAD - LAG_MAX], 1]);
    reached.resolve(true);
    expect(await waiting).toBeUndefined();
    expect(gateway.pressure).toMatchObject({ waiting: 0, turnedAway: 0 });
  });

  it('is refused where the record stays behind', async () => {
    const gateway = pressed(viewAt(HEAD - LAG_MAX - 1));
    const refusal = await room(gateway);
    expect(refusal).toBeInstanceOf(Refusal);
    expect(refusal).toMatchObject({
      problems: [{ category: 'unavailable' }],
      headers: { 'retry-after': '1' },
    });
    expect(gateway.pressure).toMatchObject({ waiting: 0, turnedAway: 1 });
  });
});
