/** Whatever was asked, told and let go of before, what is given of a person is what is stored. */
import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import type { Placed } from './care-setting.ts';
import { factOf, type Kind } from './fact.ts';
import { RecentPeople } from './recent-people.ts';

const TYPES = ['Observation', 'Condition'] as const;
const KINDS: readonly ReadonlySet<Kind>[] = [new Set(['observation']), new Set(['problem']), new Set(['observation', 'problem'])]; // prettier-ignore
const PEOPLE = ['Patient/a', 'Patient/b', 'Patient/c'];

const anyPatient = fc.constantFrom(...PEOPLE);
const anyStream = fc.tuple(fc.constantFrom(...TYPES), fc.nat(6)).map((it) => it.join('/'));
const anyAct = fc.oneof(
  fc.record({ kind: fc.constant('put' as const), patient: anyPatient, stream: anyStream }),
  fc.record({ kind: fc.constant('remove' as const), patient: anyPatient, stream: anyStream }),
  fc.record({ kind: fc.constant('ask' as const), patient: anyPatient, kinds: fc.constantFrom(...KINDS) }),
  fc.record({ kind: fc.constant('forget' as const) }),
);

const factIn = (stream: string, patient: string, version: number): Placed => ({
  stream,
  patient,
  version,
  fact: factOf({ resourceType: stream.slice(0, stream.indexOf('/')) })!,
  source: { event: 'e', position: version, organisation: 'RX1', system: 's', careSetting: 'any', occurredAt: '', recordedAt: '' }, // prettier-ignore
});

const namesOf = (facts: readonly Placed[]) => facts.map(({ stream, version }) => `${stream} ${version}`).toSorted(); // prettier-ignore

describe('facts of people of whom something came', () => {
  it('are those that are stored', () => {
    fc.assert(
      fc.property(fc.array(anyAct, { maxLength: 60 }), fc.integer({ min: 1, max: 12 }), (acts, most) => {
        const people = new RecentPeople(most);
        const stored = new Map(PEOPLE.map((it) => [it, new Map<string, Placed>()]));
        for (const [version, act] of acts.entries()) {
          if (act.kind === 'forget') people.forget();
          if (act.kind === 'put') {
            const fact = factIn(act.stream, act.patient, version);
            stored.get(act.patient)!.set(act.stream, fact);
            people.put(fact);
          }
          if (act.kind === 'remove') {
            stored.get(act.patient)!.delete(act.stream);
            people.remove(act.patient, act.stream);
          }
          if (act.kind !== 'ask') continue;
          const of = (kinds: ReadonlySet<Kind>) => [...stored.get(act.patient)!.values()].filter((it) => kinds.has(it.fact.kind)); // prettier-ignore
          expect(namesOf(people.factsOf(act.patient, act.kinds, of))).toEqual(namesOf(of(act.kinds)));
        }
      }),
    );
  });

  it('are not read again, also of a kind of which there is nothing', () => {
    const people = new RecentPeople();
    const reads: (readonly Kind[])[] = [];
    const ask = (kinds: ReadonlySet<Kind>) =>
      people.factsOf('Patient/a', kinds, (missing) => (reads.push([...missing]), []));
    ask(new Set(['observation']));
    ask(new Set(['observation', 'problem']));
    ask(new Set(['observation', 'problem']));
    expect(reads).toEqual([['observation'], ['problem']]);
  });

  it('are let go of when those of others came, and kept of one person however many they are', () => {
    const people = new RecentPeople(10);
    let reads = 0;
    const many = Array.from({ length: 50 }, (_, index) => factIn(`Observation/${index}`, 'Patient/a', 1));
    const ask = (patient: string) => people.factsOf(patient, KINDS[0]!, () => ((reads += 1), patient === 'Patient/a' ? many : [])); // prettier-ignore
    for (let i = 0; i < 3; i += 1) expect(ask('Patient/a')).toHaveLength(50);
    expect(reads).toBe(1);
    for (const patient of ['Patient/b', 'Patient/c']) for (const it of many) people.factsOf(patient, KINDS[0]!, () => [{ ...it, patient }, ...many]); // prettier-ignore
    ask('Patient/a');
    expect(reads).toBe(2);
  });

  it('are not all kept of the same few people, of whom more and more comes', () => {
    const people = new RecentPeople(100);
    const everybody = Array.from({ length: 8 }, (_, index) => `Patient/${index}`);
    const read: string[] = [];
    const ask = (patient: string) => people.factsOf(patient, KINDS[0]!, () => (read.push(patient), []));
    for (const patient of everybody) ask(patient);
    for (let index = 0; index < 1_000; index += 1) for (const patient of everybody) people.put(factIn(`Observation/${index}`, patient, 1)); // prettier-ignore
    for (const _ of [1, 2, 3]) for (const patient of everybody) ask(patient);
    expect(read.length).toBeGreaterThan(everybody.length);
  });
});
