/** Worklists page by page: each item once, whenever it is of, however many wait since one time, and for whomever. */
import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { person, snomed, workInPages, type Activity } from './care-setting-scene.ts';
import { generalPractice } from './general-practice.ts';

const START = [
  '1901-03-04T09:00:00Z',
  '1969-12-31T23:59:59.999Z',
  '1970-01-01T00:00:00Z',
  '2026-05-30T09:00:00Z',
];
const PEOPLE = [['p'], ['q'], ['p', 'q']];

/** Several may be for two people, and of one time. */
const missed = (id: number, start: string, people: readonly string[]): Activity => ({
  resource: { resourceType: 'Appointment', id: `a${id}`, status: 'noshow', serviceType: [snomed(String(id), 'Clinic')], start, participant: people.map((it) => ({ actor: { reference: `Patient/${it}` }, status: 'accepted' })) }, // prettier-ignore
});

describe('pages of a worklist', () => {
  it('have together each item once, oldest first, whatever their size', async () => {
    const anyList = fc.array(fc.tuple(fc.constantFrom(...START), fc.constantFrom(...PEOPLE)), { maxLength: 12 }); // prettier-ignore
    await fc.assert(
      fc.asyncProperty(anyList, fc.integer({ min: 1, max: 5 }), async (list, count) => {
        const waiting = list.flatMap(([start, people], id) => people.map((it) => ({ start, line: `Appointment/a${id} Patient/${it}` }))); // prettier-ignore
        const inOrder = waiting.toSorted((a, b) => Date.parse(a.start) - Date.parse(b.start) || (a.line < b.line ? -1 : 1)); // prettier-ignore
        const other: Activity = { resource: { resourceType: 'Patient', id: 'q' } };
        const activities = [person(), other, ...list.map(([start, people], id) => missed(id, start, people))]; // prettier-ignore
        expect(await workInPages(generalPractice, 'appointments-missed', activities, count)).toEqual(inOrder.map(({ line }) => line)); // prettier-ignore
      }),
      {
        numRuns: 12,
        examples: [
          [
            [
              [START[0]!, ['p', 'q']],
              [START[0]!, ['p']],
            ],
            1,
          ],
        ],
      },
    );
  });
});
