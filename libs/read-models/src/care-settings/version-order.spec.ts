/** Which version of a resource stands: by what its source says of the version, else by the log; never by a date in what it tells. */
import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { careSettingsProjection, type Told } from './care-settings-projection.ts';
import { standingOf, type Edition } from './version-order.ts';

interface Sent {
  readonly resource?: Readonly<Record<string, unknown>>;
  readonly updated?: string;
  readonly number?: string;
  readonly by?: string;
}

const START = Date.UTC(2026, 5, 1, 12);

/** As the log has it: a minute after the one before; without a resource it was deleted. */
function told({ resource, updated, number = '', by = 'RX1' }: Sent, index: number): Told {
  const isSaid = updated !== undefined || number !== '';
  const event = {
    stream: `${String(resource?.['resourceType'] ?? 'Observation')}/r`,
    revision: index + 1,
    position: index + 1,
    action: resource === undefined ? 'retract' : index === 0 ? 'new' : 'amend',
    recordedAt: new Date(START + index * 60_000).toISOString(),
    occurredAt: new Date(START).toISOString(),
    publisher: { organisation: by, system: 'spec' },
    careSetting: 'any',
    ...(isSaid && { sourceVersion: { version: number, ...(updated && { issuedAt: updated }) } }),
  } as unknown as Parameters<typeof careSettingsProjection.evolve>[0];
  const bytes = new TextEncoder().encode(JSON.stringify(resource ?? {}));
  return careSettingsProjection.evolve(event, { kind: 'opened', bytes })!;
}

const standing = (sent: readonly Sent[]): number =>
  sent.map(told).reduce<Edition | undefined>(standingOf, undefined)!.version;

const resource = (resourceType: string, more: object = {}) => ({ resource: { resourceType, subject: { reference: 'Patient/p' }, status: 'active', ...more } }); // prettier-ignore
const allergy = (recordedDate: string, more: object = {}) => resource('AllergyIntolerance', { recordedDate, ...more }); // prettier-ignore
const order = (more: object = {}) => resource('MedicationRequest', { authoredOn: '2026-05-01', ...more });
const result = (issued: string, more: object = {}) => resource('Observation', { issued, ...more });
const isWrong = { status: 'entered-in-error' };
const gone: Sent = {};

describe('what stands', () => {
  it.each<[string, Sent[], number]>([
    ['is a correction that gives an earlier day for what it tells', [allergy('2026-05-05'), allergy('2026-05-03')], 2],
    ['is a correction that does not say when it was issued, of what did', [{ ...order(), updated: '2026-06-01T11:00:00Z' }, order({ status: 'stopped' })], 2],
    ['is nothing, where it was entered in error and that has only the old day', [{ ...order(), updated: '2026-06-01T11:00:00Z' }, order(isWrong)], 2],
    ['is a choice that was taken back, on the day of the choice', [{ ...resource('Consent', { dateTime: '2026-05-01' }), updated: '2026-06-01T11:00:00Z' }, resource('Consent', { dateTime: '2026-05-01', status: 'inactive' })], 2],
    ['is a document that was signed, with the day of the visit', [resource('Composition', { date: '2026-05-03', status: 'preliminary' }), resource('Composition', { date: '2026-05-02', status: 'final' })], 2],
    ['is not what its source issued before, and sent late', [{ ...order(), updated: '2026-06-01T11:00:00Z' }, { ...order(), updated: '2026-06-01T10:00:00Z' }], 1],
    ['is not what its source counts before, and sent late', [{ ...order(), number: '10' }, { ...order(), number: '9' }], 1],
    ['is the latest where two sources count, each for itself', [{ ...order(), number: '10' }, { ...order(), number: '9', by: 'RX2' }], 2],
    ['is the latest where the source has names that are no numbers', [{ ...order(), number: 'b' }, { ...order(), number: 'a' }], 2],
    ['is what is counted higher, of one instant', [{ ...order(), number: '3', updated: '2026-06-01T11:00:00Z' }, { ...order(), number: '2', updated: '2026-06-01T11:00:00Z' }], 1],
    ['is what was issued later, where the source began to count anew', [{ ...order(), number: '30', updated: '2026-06-01T11:00:00Z' }, { ...order(), number: '1', updated: '2026-06-01T11:30:00Z' }], 2],
    ['is not a result that was issued before, and sent late', [result('2026-06-01T11:00:00Z'), result('2026-06-01T10:00:00Z')], 1],
    ['is a corrected result whose time of issue nobody changed', [result('2026-06-01T11:00:00Z'), result('2026-06-01T11:00:00Z', { status: 'corrected' })], 2],
    ['is a result’s correction by its time of issue alone, of what said when it was updated', [{ ...result('2026-06-01T10:00:00Z'), updated: '2026-06-01T11:00:00Z' }, result('2026-06-01T10:00:00Z', { status: 'corrected' })], 2],
    ['is no result that was entered in error, whenever it says that it was issued', [result('2026-06-01T11:00:00Z'), result('2026-06-01T10:00:00Z', isWrong)], 2],
    ['is a Task as it was last modified', [resource('Task', { lastModified: '2026-06-01T11:00:00Z', status: 'completed' }), resource('Task', { lastModified: '2026-06-01T10:00:00Z', status: 'accepted' })], 1],
    ['is nothing after it was deleted, whatever older version comes', [{ ...order(), number: '2' }, gone, { ...order(), number: '1' }], 2],
    ['is nothing after it was deleted, whatever was issued before', [gone, { ...order(), updated: '2026-06-01T11:59:00Z' }], 1],
    ['is what was recorded again after it was deleted', [order(), gone, order()], 3],
    ['is what its source made anew after it was deleted, and counts from one', [{ ...order(), number: '30', updated: '2026-06-01T11:00:00Z' }, gone, { ...order(), number: '1', updated: '2026-06-01T12:01:30Z' }], 3],
    ['is not for ever what a clock that runs ahead says', [{ ...order(), updated: '2027-01-01T00:00:00Z' }, order()], 2],
  ])('%s', (_, sent, expected) => expect(standing(sent)).toBe(expected)); // prettier-ignore

  it.each<[string, (at: number) => Sent]>([
    ['say when they were issued', (at) => ({ ...order({ note: at }), updated: new Date(Date.UTC(2026, 4, 1) + at * 1_000).toISOString() })], // prettier-ignore
    ['are counted by one source', (at) => ({ ...order({ note: at }), number: String(at) })],
    ['are results that say when they were issued', (at) => result(new Date(Date.UTC(2026, 4, 1) + at * 1_000).toISOString())], // prettier-ignore
  ])('is the same in every order, where all versions %s', (_, version) => {
    const orders = fc.shuffledSubarray([1, 2, 3, 4, 5, 6], { minLength: 1 });
    fc.assert(
      fc.property(orders, (order) => {
        expect(standing(order.map(version)) - 1).toBe(order.indexOf(Math.max(...order)));
      }),
    );
  });

  it('is the last, where no version says when it was issued, whatever days they tell of', () => {
    const day = fc.integer({ min: 1, max: 28 }).map((it) => `2026-05-${String(it).padStart(2, '0')}`);
    fc.assert(
      fc.property(fc.array(day, { minLength: 1, maxLength: 8 }), (days) => {
        expect(standing(days.map((it) => allergy(it)))).toBe(days.length);
      }),
    );
  });
});
