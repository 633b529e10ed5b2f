/** The 24-hour clock: a day after the end, in any order, in summer time too. */
import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import type { Placed } from './care-setting.ts';
import { factOf } from './fact.ts';
import { isOverdue, spells } from './discharge-clock.ts';

const HOUR = 3_600_000;

function placed(
  resource: Record<string, unknown>,
  organisation = 'RX1',
  occurredAt = '2026-03-30T10:00:00Z',
): Placed {
  // prettier-ignore
  const source = { event: 'e', position: 1, organisation, system: 's', careSetting: 'acute', occurredAt, recordedAt: occurredAt }; // prettier-ignore
  return { stream: `${String(resource['resourceType'])}/${String(resource['id'])}`, version: 1, patient: 'Patient/p', fact: factOf(resource)!, source }; // prettier-ignore
}

const stay = (end: string | undefined, more: object = {}) =>
  placed({ resourceType: 'Encounter', id: 'e', status: 'finished', class: { code: 'IMP' }, period: { start: '2026-03-28T09:00:00Z', ...(end && { end }) }, ...more }); // prettier-ignore

const summary = (resource: object, id = 's') =>
  placed({ id, date: '2026-03-30T09:00:00Z', type: { coding: [{ system: 'http://snomed.info/sct', code: '373942005' }] }, ...resource }); // prettier-ignore

describe('the deadline', () => {
  it.each([
    ['a day after the end', '2026-03-28T20:00:00Z', '2026-03-29T20:00:00.000Z'],
    ['24 hours, where the clocks go forward between', '2026-03-28T20:00:00+00:00', '2026-03-29T20:00:00.000Z'], // prettier-ignore
    ['by the instant, not by the hour on the wall', '2026-03-30T12:00:00+01:00', '2026-03-31T11:00:00.000Z'],
    ['from when it was said to have ended, where no end is told', undefined, '2026-03-31T10:00:00.000Z'],
  ])('is %s', (_, end, due) => {
    expect(new Date(spells([stay(end)])[0]!.dueAt!).toISOString()).toBe(due);
  });

  it('is missed a moment after it, not on it', () => {
    const [spell] = spells([stay('2026-03-30T12:00:00Z')]);
    const due = Date.parse('2026-03-31T12:00:00Z');
    expect([due - 1, due, due + 1].map((now) => isOverdue(spell!, now))).toEqual([false, false, true]);
  });
});

describe('what stops the clock', () => {
  const encounter = { reference: 'Encounter/e' };
  it.each([
    ['a final Composition', { resourceType: 'Composition', status: 'final', encounter }, 'summary-recorded'],
    ['an amended Composition', { resourceType: 'Composition', status: 'amended', encounter }, 'summary-recorded'], // prettier-ignore
    ['a current document', { resourceType: 'DocumentReference', status: 'current', context: { encounter: [encounter] } }, 'summary-recorded'], // prettier-ignore
    ['not a draft', { resourceType: 'Composition', status: 'preliminary', encounter }, 'ended'],
    ['not a document in preparation', { resourceType: 'DocumentReference', status: 'current', docStatus: 'preliminary', context: { encounter: [encounter] } }, 'ended'], // prettier-ignore
    ['not a document that was replaced', { resourceType: 'DocumentReference', status: 'superseded', context: { encounter: [encounter] } }, 'ended'], // prettier-ignore
    ['not the summary of another stay', { resourceType: 'Composition', status: 'final', encounter: { reference: 'Encounter/x' } }, 'ended'], // prettier-ignore
    ['not a letter of another kind', { resourceType: 'Composition', status: 'final', encounter, type: { coding: [{ code: '823681000000100' }] } }, 'ended'], // prettier-ignore
    ['a summary that names the ward of the stay', { resourceType: 'Composition', status: 'final', encounter: { reference: 'Encounter/w' } }, 'summary-recorded'], // prettier-ignore
  ])('%s', (_, resource, state) => {
    const ward = placed({ resourceType: 'Encounter', id: 'w', status: 'finished', class: { code: 'IMP' }, period: { start: '2026-03-28T10:00:00Z', end: '2026-03-29T10:00:00Z' }, partOf: encounter }); // prettier-ignore
    const told = spells([stay('2026-03-30T08:00:00Z'), ward, summary(resource)]);
    expect(told.map((it) => it.state)).toEqual([state]);
  });
});

describe('whatever is told', () => {
  const hours = fc.integer({ min: 0, max: 400 });
  const anyEncounter = fc.record({ id: fc.constantFrom('1', '2', '3'), code: fc.constantFrom('IMP', 'SS', 'EMER', 'AMB'), status: fc.constantFrom('planned', 'in-progress', 'finished'), start: hours, length: hours, number: fc.constantFrom('7', '8'), by: fc.constantFrom('RX1', 'RX2') }); // prettier-ignore
  const at = (hour: number) => new Date(Date.UTC(2026, 0, 1) + hour * HOUR).toISOString();
  const anyFacts = fc
    .tuple(
      fc.uniqueArray(anyEncounter, { selector: (it) => it.id }),
      fc.array(fc.record({ about: fc.option(fc.constantFrom('1', '2', '3')), at: hours }), { maxLength: 3 }),
    ) // prettier-ignore
    .map(([encounters, letters]) => [
      ...encounters.map(({ id, code, status, start, length, number, by }) => placed({ resourceType: 'Encounter', id, status, class: { code }, identifier: [{ value: number }], period: { start: at(start), ...(status === 'finished' && { end: at(start + length) }) } }, by)), // prettier-ignore
      ...letters.map((it, index) => summary({ resourceType: 'Composition', status: 'final', date: at(it.at), ...(it.about !== null && { encounter: { reference: `Encounter/${it.about}` } }) }, `s${index}`)), // prettier-ignore
    ]);

  it('the clock is the same in every order, and due a day after the end', () => {
    const shuffled = anyFacts.chain((facts) => fc.tuple(fc.constant(facts), fc.shuffledSubarray(facts, { minLength: facts.length }))); // prettier-ignore
    fc.assert(
      fc.property(shuffled, ([facts, mixed]) => {
        const told = spells(facts);
        expect(spells(mixed)).toEqual(told);
        for (const { endedAt, dueAt } of told) expect(dueAt).toBe(endedAt === undefined ? undefined : endedAt + 24 * HOUR); // prettier-ignore
      }),
    );
  });
});
