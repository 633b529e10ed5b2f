import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Caller } from '@carelog/access';
import type { Answered } from './access-record.ts';
import { contextLine, createLineReader, recordLine } from './record-text.ts';

const word = fc.stringMatching(/^[\w.:~-]{1,20}$/);
const answered: fc.Arbitrary<Answered> = fc.record({
  interaction: word,
  query: fc.webUrl({ withQueryParameters: true }),
  status: fc.integer({ min: 100, max: 599 }),
  decision: fc.constantFrom('permitted', 'redacted', 'refused', 'undecided'),
  basis: fc.oneof(fc.constant(''), word),
  patients: fc.array(fc.stringMatching(/^[A-Za-z0-9.-]{1,64}$/), { maxLength: 5 }),
  shown: fc.array(fc.nat()).map((positions) => positions.join(',')),
  position: fc.nat(),
  correlation: word,
});
// Anything may stand in a token.
const text = fc.string({ unit: 'binary' });
const caller: fc.Arbitrary<Caller> = fc.record(
  {
    subject: text,
    kind: fc.constantFrom('staff', 'system', 'patient'),
    organisation: text,
    system: text,
    careSetting: text,
    roleProfile: text,
    purpose: fc.constantFrom('direct-care', 'safeguarding'),
    nhsNumber: fc.constant('9434765919'),
  },
  { requiredKeys: ['subject', 'kind', 'organisation', 'system', 'careSetting'] },
);

it('reads back what was written, without the NHS number of a token', () => {
  const ground = { policy: '1\t2\n', view: 'record 2', epoch: 'e' };
  fc.assert(
    fc.property(fc.array(fc.tuple(caller, answered), { minLength: 1 }), (all) => {
      const lines = all.flatMap(([who, it], context) =>
        [contextLine(context, who, ground), recordLine(7, context, it)].map((line) => line.slice(0, -1)),
      );
      expect(lines.join('').includes('\n')).toBe(false);
      const reader = createLineReader();
      const read = lines.flatMap((line) => reader.read(line) ?? []);
      expect(read).toEqual(all.map(([{ nhsNumber: _, ...who }, it]) => ({ at: 7, who, ground, ...it })));
    }),
  );
});

it.each([
  ['is of another format', 'x\ty'],
  ['has a field too many', `1\t1${'\t1'.repeat(10)}`],
  ['names somebody who was not introduced', recordLine(1, 9, { interaction: 'read', query: '', status: 200, decision: 'permitted', basis: '', patients: [], shown: '', position: 0, correlation: '' }).slice(0, -1)], // prettier-ignore
])('does not read a line that %s', (_, line) => {
  expect(() => createLineReader().read(line)).toThrow();
});
