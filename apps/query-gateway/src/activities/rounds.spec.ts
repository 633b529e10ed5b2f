import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RecordEntry } from '@carelog/activity';
import { roundsOf } from './rounds.ts';

let names = 0;
const entry = (value: Record<string, unknown>, publishedAs = `${(names += 1)}`): RecordEntry => {
  const { resourceType: type, id } = value as { resourceType: string; id?: string };
  const asked = { type, resource: { value }, publishedAs };
  return id === undefined ? { method: 'POST', ...asked } : { method: 'PUT', id, ...asked };
};
const patient = (id: string, more = {}) => entry({ resourceType: 'Patient', id, ...more });
const about = (reference: string, more = {}) =>
  entry({ resourceType: 'Observation', subject: { reference }, ...more });
const NHS = 'https://fhir.nhs.uk/Id/nhs-number';
const number = { identifier: [{ system: NHS, value: '9434765919' }] };

describe('events are recorded', () => {
  it.each<[string, readonly RecordEntry[], readonly (readonly number[])[]]>([
    ['at once where they have nothing to do with each other', [about('Patient/a'), about('Patient/b'), patient('c')], [[0, 1, 2]]],
    ['one after another where they are of one resource', [patient('a'), patient('b'), patient('a'), patient('a')], [[0, 1], [2], [3]]],
    ['one after another where they are one event', [entry({ resourceType: 'Flag' }, 'x'), entry({ resourceType: 'Flag' }, 'x')], [[0], [1]]],
    ['after what they refer to, wherever it stands', [about('Patient/a'), patient('a'), about('Patient/a/_history/1')], [[1], [0, 2]]],
    ['after the person whose number they name', [entry({ resourceType: 'Flag', subject: { identifier: number.identifier[0] } }), patient('a', number)], [[1], [0]]],
    ['after the person whom a condition finds', [about(`Patient?identifier=${NHS}|9434765919`), patient('a', number)], [[1], [0]]],
    ['in order where they are of one person', [entry({ resourceType: 'Patient', ...number }), patient('a', number)], [[0], [1]]],
    ['in a circle that is cut', [patient('a', { link: [{ other: { reference: 'Patient/b' } }] }), patient('b', { link: [{ other: { reference: 'Patient/a' } }] })], [[1], [0]]],
    ['where they refer to themselves', [patient('a', { link: [{ other: { reference: 'Patient/a' } }] })], [[0]]],
    ['where there are none', [], []],
  ])('%s', (_, entries, rounds) => expect(roundsOf(entries)).toEqual(rounds)); // prettier-ignore

  it('each once, those of one resource in order, also a thousand in a row', () => {
    const id = fc.constantFrom('a', 'b', 'c', 'd', 'e');
    const some = fc.array(fc.tuple(id, fc.array(id, { maxLength: 2 })), { maxLength: 30 });
    fc.assert(
      fc.property(some, (sent) => {
        const entries = sent.map(([own, others]) =>
          patient(own, { link: others.map((it) => ({ other: { reference: `Patient/${it}` } })) }),
        );
        const rounds = roundsOf(entries);
        expect(rounds.flat().sort((a, b) => a - b)).toEqual([...entries.keys()]);
        const roundOf = new Map(rounds.flatMap((round, at) => round.map((index) => [index, at] as const)));
        for (const [later, [own]] of sent.entries()) {
          for (let earlier = 0; earlier < later; earlier += 1) {
            if (sent[earlier]![0] === own) expect(roundOf.get(earlier)).toBeLessThan(roundOf.get(later)!);
          }
        }
      }),
    );
    expect(roundsOf(Array.from({ length: 1_000 }, () => patient('a')))).toHaveLength(1_000);
    const chain = Array.from({ length: 1_000 }, (_, at) => entry({ resourceType: 'Observation', id: `${at}`, hasMember: [{ reference: `Observation/${at + 1}` }] })); // prettier-ignore
    expect(roundsOf(chain)).toHaveLength(1_000);
  });
});
