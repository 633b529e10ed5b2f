import type { RecordedAccess } from '@carelog/access-log';
import { expect, it } from 'vitest';
import { plainWords } from './plain-words.ts';

const record: RecordedAccess = {
  at: Date.parse('2026-11-21T18:03:00Z'),
  who: {
    subject: '1',
    kind: 'staff',
    organisation: 'Y90001',
    system: 'ehr',
    careSetting: 'general-practice',
  },
  ground: { policy: '1', view: 'record 1', epoch: 'e' },
  interaction: 'read',
  query: 'Observation/1',
  status: 200,
  decision: 'permitted',
  basis: 'direct-care',
  patients: ['ada'],
  shown: '7',
  position: 7,
  correlation: 'c',
  event: 1,
  ordinal: 0,
};
const names = { person: 'Dr Ada Floor', organisation: 'Grange Surgery', types: ['Observation'] };

it.each<[Partial<RecordedAccess>, string]>([
  [{}, 'looked at your measurements and test results'],
  [{ interaction: 'notification' }, 'was told of what is new in your measurements and test results'],
  [{ interaction: 'create' }, 'added to your measurements and test results'],
  [{ interaction: 'notification', decision: 'refused' }, 'asked to look at your record and was refused'],
])('%o', (more, deed) => {
  const said = plainWords({ ...record, ...more }, names);
  expect(said).toBe(`On 21 November 2026 at 18:03, Dr Ada Floor of Grange Surgery ${deed}.`);
});
