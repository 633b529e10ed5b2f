/** Which observations belong together, whatever order they are read in. */
import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import type { Placed } from './care-setting.ts';
import { factOf } from './fact.ts';
import { toldBy, type Told as Said } from './news2-observations.ts';
import { isScore, observationSets } from './news2-sets.ts';

const CODES = { respiration: '86290005', saturation: '103228002', systolic: '72313002', pulse: '364075005', temperature: '703421000' }; // prettier-ignore
type Measured = keyof typeof CODES;
const START = Date.UTC(2026, 5, 1, 10);

interface Told {
  readonly part: Measured;
  readonly value: number;
  readonly minute: number;
  readonly encounter?: string;
  readonly by?: string;
}

/** In their order, also as texts. */
const nameOf = (index: number) => `Observation/${String(index).padStart(3, '0')}`;

const placed = ({ part, value, minute, encounter, by = 'RX1' }: Told, index: number): Placed => ({
  stream: nameOf(index),
  version: 1,
  patient: 'Patient/p',
  fact: factOf({
    resourceType: 'Observation',
    status: 'final',
    code: { coding: [{ system: 'http://snomed.info/sct', code: CODES[part] }] },
    effectiveDateTime: new Date(START + minute * 60_000).toISOString(),
    valueQuantity: { value },
    ...(encounter !== undefined && { encounter: { reference: `Encounter/${encounter}` } }),
  })!,
  source: { event: 'e', position: index, organisation: by, system: 's', careSetting: 'any', occurredAt: '', recordedAt: '' }, // prettier-ignore
});

const fullSet = (minute: number, more: Partial<Told> = {}): Told[] =>
  (Object.keys(CODES) as Measured[]).map((part) => ({ part, value: part === 'systolic' ? 120 : 37, minute, ...more })); // prettier-ignore

const minutesOf = (told: readonly Told[]) =>
  observationSets(told.map(placed))
    .filter(isScore)
    .map(({ at, sources }) => `${(at - START) / 60_000}: ${sources.length}`);

describe('observations are one set', () => {
  it.each<[string, Told[], string[]]>([
    ['where they are of one moment', fullSet(0), ['0: 5']],
    ['where they are within a quarter of an hour', fullSet(0).map((it, index) => ({ ...it, minute: index * 3 })), ['0: 5']], // prettier-ignore
    ['but not where they were taken again', [...fullSet(0), ...fullSet(10)], ['10: 5', '0: 5']],
    ['but not where they are of two encounters', [...fullSet(0, { encounter: 'a' }), ...fullSet(0, { encounter: 'b' })], ['0: 5', '0: 5']], // prettier-ignore
    ['but not where two organisations took them and no encounter holds them together', [...fullSet(0), ...fullSet(0, { by: 'RX2' })], ['0: 5', '0: 5']], // prettier-ignore
    [
      'but not where there are fewer than three',
      [
        { part: 'pulse', value: 75, minute: 0 },
        { part: 'temperature', value: 37, minute: 0 },
      ],
      [],
    ],
    [
      'or one alone that scores three',
      [
        { part: 'pulse', value: 131, minute: 0 },
        { part: 'pulse', value: 130, minute: 40 },
      ],
      ['0: 1'],
    ],
  ])('%s', (_, told, expected) => {
    expect(minutesOf(told)).toEqual(expected);
  });

  it('and where one moment is told in two ways, the worse counts and it says so', () => {
    const told = [...fullSet(0), { part: 'pulse' as const, value: 140, minute: 0 }];
    const [set] = observationSets(told.map(placed));
    expect(set).toMatchObject({ differs: 'pulse is recorded in two ways' });
    expect(set!.score.parts.pulse).toBe(3);
  });
});

const anyMeasurement: fc.Arbitrary<Told> = fc.record(
  {
    part: fc.constantFrom(...(Object.keys(CODES) as Measured[])),
    value: fc.integer({ min: 20, max: 140 }),
    minute: fc.integer({ min: 0, max: 90 }),
    encounter: fc.constantFrom('a', 'b'),
    by: fc.constantFrom('RX1', 'RX2'),
  },
  { requiredKeys: ['part', 'value', 'minute'] },
);
/** Some of it is said again. */
const anyTold: fc.Arbitrary<Told[]> = fc
  .array(anyMeasurement, { maxLength: 20 })
  .chain((told) => fc.subarray(told).map((again) => [...told, ...again]));

/** Under names that have nothing to do with when they were recorded. */
const anyNamed: fc.Arbitrary<Placed[]> = anyTold.chain(
  (told) =>
  fc.shuffledSubarray(told.map((_, index) => nameOf(index)), { minLength: told.length }).map((names) => told.map((it, index) => ({ ...placed(it, index), stream: names[index]! }))), // prettier-ignore
);

describe('what is said again', () => {
  const again = (told: readonly Told[]) => observationSets(told.map(placed)).map(({ sources }) => sources.map(({ stream }) => stream)); // prettier-ignore
  const pulse: Told = { part: 'pulse', value: 131, minute: 0, encounter: 'a' };

  it('by the same source in the same words is said once, and was recorded when it was said first', () => {
    const facts = [3, 1, 2].map((index) => placed(pulse, index));
    expect(observationSets(facts)).toMatchObject([{ sources: [facts[1]], recordedFirst: facts[1] }]);
    const swapped = facts.map((it, index) => ({ ...it, stream: nameOf(index) }));
    expect(observationSets(swapped)).toMatchObject([{ sources: [swapped[0]], recordedFirst: swapped[1] }]);
  });

  it.each<[string, Partial<Told>]>([
    ['by another source', { by: 'RX2' }],
    ['with another value', { value: 132 }],
  ])('%s is a source of the set too', (_, more) => {
    expect(again([pulse, { ...pulse, ...more }])).toEqual([[nameOf(0), nameOf(1)]]);
  });

  it.each<[string, Partial<Told>]>([
    ['of another moment', { minute: 5 }],
    ['in another encounter', { encounter: 'b' }],
  ])('%s is another set', (_, more) => {
    expect(again([pulse, { ...pulse, ...more }])).toHaveLength(2);
  });

  it('is said by whom it is said now, whoever looked at it before', () => {
    const [one, other] = [placed(pulse, 0), placed(pulse, 1)];
    const hidden = { ...one, source: { ...one.source, organisation: 'organisation 1, withheld' } };
    expect(observationSets([hidden])).toHaveLength(1);
    expect(observationSets([one, other])).toMatchObject([{ sources: [one] }]);
    expect(observationSets([hidden, other])).toMatchObject([{ sources: [hidden, other] }]);
  });

  it('is a total’s where the total names it', () => {
    const facts = [placed(pulse, 0), placed(pulse, 1), totalOf({ minute: 0, members: [1] }, 0)];
    expect(observationSets(facts).flatMap(({ sources }) => sources.map(({ stream }) => stream))).toEqual([nameOf(0), nameOf(1), nameOf(100)]); // prettier-ignore
  });

  it('changes no score, wherever its name puts it among the others', () => {
    fc.assert(
      fc.property(anyNamed, (facts) => {
        const apart = facts.map((it) => ({ ...it, source: { ...it.source, system: it.stream } }));
        const scoresOf = (some: readonly Placed[]) => observationSets(some).map(({ sources: _, ...set }) => ({ ...set, streams: set.streams.toSorted(), recordedFirst: set.recordedFirst.stream })); // prettier-ignore
        expect(scoresOf(facts)).toEqual(scoresOf(apart));
      }),
    );
  });
});

describe('whatever is told', () => {
  it('the sets are the same in every order', () => {
    fc.assert(
      fc.property(anyTold.chain((told) => fc.tuple(fc.constant(told.map(placed)), fc.shuffledSubarray(told.map(placed), { minLength: told.length }))), ([told, shuffled]) => {
        expect(observationSets(shuffled)).toEqual(observationSets(told));
      }), // prettier-ignore
    );
  });

  it('no observation is in two sets, and no set spans more than half an hour', () => {
    fc.assert(
      fc.property(anyTold, (told) => {
        const sets = observationSets(told.map(placed));
        const streams = sets.flatMap(({ sources }) => sources.map(({ stream }) => stream));
        expect(new Set(streams).size).toBe(streams.length);
        for (const { sources } of sets) {
          const times = sources.map(({ fact }) => Date.parse(fact.from!));
          expect(Math.max(...times) - Math.min(...times)).toBeLessThanOrEqual(30 * 60_000);
        }
      }),
    );
  });

  it('the sets are those of the rule, every observation held against every set', () => {
    fc.assert(
      fc.property(anyNamed, fc.array(anyTotal, { maxLength: 3 }), (told, totals) => {
        const facts = [...told, ...totals.map(totalOf)];
        const sets = observationSets(facts).map(({ streams }) => streams.toSorted().join());
        expect(sets.toSorted()).toEqual(setsByRule(facts));
      }),
    );
  });
});

const anyTotal = fc.record({ minute: fc.integer({ min: 0, max: 90 }), members: fc.uniqueArray(fc.nat(25), { minLength: 1, maxLength: 5 }) }); // prettier-ignore
const totalOf = (
  { minute, members }: { minute: number; members: readonly number[] },
  index: number,
): Placed => {
  const { fact, ...others } = placed({ part: 'pulse', value: 3, minute, encounter: 'a' }, 100 + index);
  const codes = [{ system: 'http://snomed.info/sct', code: '1104051000000101' }];
  return {
    ...others,
    fact: { ...fact, codes, refs: { ...fact.refs, members: members.map(nameOf) } },
  };
};

function setsByRule(facts: readonly Placed[]): readonly string[] {
  const told = facts.flatMap(toldBy).toSorted((a, b) => a.at - b.at || (a.placed.stream < b.placed.stream ? -1 : 1)); // prettier-ignore
  const sets = told.filter(({ members }) => members.length > 0).map((it) => [it]);
  const loose = told.filter((it) => {
    if (it.members.length > 0) return false;
    const set = sets.find(([total]) => total!.members.includes(it.placed.stream));
    set?.push(it);
    return set === undefined;
  });
  for (const it of loose) {
    const far = ([first]: readonly Said[]) => Math.abs(first!.at - it.at);
    const fitting = sets.filter((set) => keyOf(set[0]!) === keyOf(it) && far(set) <= 15 * 60_000 && !isThere(set, it)); // prettier-ignore
    const [nearest] = fitting.toSorted((a, b) => far(a) - far(b) || a[0]!.at - b[0]!.at);
    if (nearest === undefined) sets.push([it]);
    else nearest.push(it);
  }
  return sets.map((set) => set.map(({ placed: { stream } }) => stream).toSorted().join()).toSorted(); // prettier-ignore
}

const keyOf = ({ placed: { fact, source } }: Said) => fact.refs['encounter']?.[0] ?? source.organisation;
const namesOf = ({ measured, recorded }: Said) => [...measured.keys(), ...(recorded === undefined ? [] : ['total'])]; // prettier-ignore
/** Measured in the set already, and at another moment. */
const isThere = (set: readonly Said[], one: Said) =>
  namesOf(one).some((name) => {
    const same = set.filter((it) => namesOf(it).includes(name));
    return same.length > 0 && !same.some(({ at }) => at === one.at);
  });
