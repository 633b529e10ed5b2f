// That the reckoning of docs/operating/capacity.md says what a simulation of the queues says, and the page what the reckoning says.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { demands, MARKS, measured, needsOf, rateOf, simulate, tables, type Scenario } from './capacity.ts';

const [region, nation] = demands as [(typeof demands)[number], (typeof demands)[number]];
const scenario = (special: Partial<Scenario>): Scenario => ({ messagesPerSecond: 100, seconds: 20, lanes: 12, projectors: 2, people: 100_000, seed: 3, ...special }); // prettier-ignore

/** Messages a second that so many projectors take at most, in batches as large as they get. */
const takenBy = (projectors: number) =>
  (projectors * rateOf(measured.batch, 500)) / measured.eventsPerMessage;

describe('what is reckoned holds where messages queue by chance', () => {
  it.each(demands)('$name: at the peak every stage keeps up', (demand) => {
    const { lanes, projectors, logBusy } = needsOf(demand);
    expect(logBusy).toBeLessThan(0.5);
    const { backlog, p99 } = simulate({ messagesPerSecond: demand.peak, seconds: 20, lanes, projectors, people: demand.people, seed: 2 }); // prettier-ignore
    // What a second brings is in the view within that second.
    expect(p99).toBeLessThan(1_000);
    expect(backlog).toBeLessThan(demand.peak * measured.eventsPerMessage);
  });

  it('below the rate reckoned for projectors they follow; above it what is left behind grows by the difference', () => {
    const below = simulate(scenario({ messagesPerSecond: 0.8 * takenBy(2), seconds: 20 }));
    const above = simulate(scenario({ messagesPerSecond: 1.3 * takenBy(2), seconds: 20 }));
    expect(below.backlog / (takenBy(2) * measured.eventsPerMessage)).toBeLessThan(1);
    const grown = 0.3 * takenBy(2) * measured.eventsPerMessage * 20;
    expect(above.backlog / grown).toBeGreaterThan(0.7);
    expect(above.backlog / grown).toBeLessThan(1.3);
  });

  it('twice the projectors take twice as much, as long as there are lanes for them', () => {
    const heavy = { messagesPerSecond: 1.3 * takenBy(2), seconds: 15 };
    expect(simulate(scenario(heavy)).backlog).toBeGreaterThan(1_000);
    expect(simulate(scenario({ ...heavy, projectors: 4 })).backlog).toBeLessThan(1_000);
    const idle = simulate(scenario({ ...heavy, projectors: 24, lanes: 2 }));
    expect(idle.backlog).toBeGreaterThan(1_000);
  });

  it('projectors that stood still for ten seconds at the peak catch up in about as long again', () => {
    const { lanes, projectors } = needsOf(nation);
    const at = { messagesPerSecond: nation.peak, lanes, projectors, people: nation.people, pause: { from: 2, until: 12 } }; // prettier-ignore
    expect(simulate(scenario({ ...at, seconds: 12 })).backlog).toBeGreaterThan(nation.peak * 8);
    expect(simulate(scenario({ ...at, seconds: 30 })).backlog).toBeLessThan(
      nation.peak * measured.eventsPerMessage,
    );
  });
});

it('is the same each time', () => {
  expect(simulate(scenario({ seed: 5 }))).toEqual(simulate(scenario({ seed: 5 })));
  expect(simulate(scenario({ seed: 5 }))).not.toEqual(simulate(scenario({ seed: 6 })));
});

it('needs more of everything for a nation than for a region', () => {
  const [less, more] = [needsOf(region), needsOf(nation)];
  for (const key of ['eventsPerSecond', 'logBusy', 'relayBusy', 'projectors', 'lanes', 'gateways', 'writers', 'inLanes'] as const) expect([key, more[key] > less[key]]).toEqual([key, true]); // prettier-ignore
});

test('capacity.md shows what is reckoned now: node test/load/capacity.ts --page', () => {
  const page = readFileSync(path.resolve(import.meta.dirname, '../../docs/operating/capacity.md'), 'utf8');
  const shown = page.split(MARKS[0])[1]!.split(MARKS[1])[0]!;
  const cells = (text: string) => text.split('\n').filter((line) => /^\|(?! -)/.test(line)).map((line) => line.split('|').map((cell) => cell.trim())); // prettier-ignore
  expect(cells(shown).filter((row) => !/^-/.test(row[1]!))).toEqual(cells(tables()).filter((row) => !/^-/.test(row[1]!))); // prettier-ignore
});
