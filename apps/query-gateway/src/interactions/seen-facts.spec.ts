/** A care setting's view and the record each follow the log as fast as they are: what one has and the other has not yet. */
import type { Placed, RecordQueries, Viewer } from '@carelog/read-models';
import { expect, it, vi } from 'vitest';
import { seenBy } from './seen-facts.ts';

const source = { event: '1', organisation: 'Y90001', system: 'test', careSetting: 'acute', occurredAt: '2026-01-01T00:00:00Z', recordedAt: '2026-01-01T00:00:00Z' }; // prettier-ignore
const amended: Placed = {
  stream: 'AllergyIntolerance/penicillin',
  version: 2,
  patient: 'Patient/ann',
  fact: { kind: 'allergy', status: 'active', text: 'Penicillin' } as Placed['fact'],
  source: { ...source, position: 12 },
};

/** One that has each version from its position on; nobody else moves it. */
function recordAt(position: number) {
  let at = position;
  const record = {
    theseVersions: async (asked: readonly Placed[]) => {
      const known = asked.filter((it) => it.source.position <= at);
      const bodies = new Map(known.map(({ stream }) => [stream, { body: '{}', isConcealed: false, hidesPlaces: false }])); // prettier-ignore
      return { bodies, withheld: [], shown: [] };
    },
  } as unknown as RecordQueries;
  const waitFor = vi.fn(async (wanted: number) => {
    if (wanted > 12) return false;
    at = wanted;
    return true;
  });
  return { record, projected: { position: () => at, waitFor } };
}
const staff = { permit: true, basis: 'relationship', viewer: {} as Viewer, seesAll: false } as unknown as Parameters<typeof seenBy>[2]; // prettier-ignore

it('leaves nothing out that the record does not have yet: it is waited for', async () => {
  const gateway = recordAt(11);
  const { facts } = await seenBy(gateway, [amended], staff);
  expect(facts.map(({ stream, version }) => [stream, version])).toEqual([[amended.stream, 2]]);
  await seenBy(gateway, [amended], staff);
  expect(gateway.projected.waitFor).toHaveBeenCalledOnce();
});

it('waits for whoever sees everything too, for whom the record has the words', async () => {
  const gateway = recordAt(11);
  await seenBy(gateway, [amended], { ...staff, seesAll: true });
  expect(gateway.projected.position()).toBe(12);
});

it('is unavailable where the record does not come as far in time', async () => {
  const later = { ...amended, source: { ...amended.source, position: 13 } };
  await expect(seenBy(recordAt(11), [later], staff)).rejects.toMatchObject({ category: 'unavailable' });
});
