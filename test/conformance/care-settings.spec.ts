/** The views of care settings are what the log says, however it came: kept, rebuilt, and in any order of the patients. */
import { join } from 'node:path';
import { engineOrReason, startPostgres } from '@carelog/engines';
import { generatePopulation } from '@carelog/synthetic';
import { temporaryFolder } from '@carelog/testkit';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { difference, keptIn, onPostgres, onSqlite, permutedLog, rebuiltFrom, type Contents } from '../support/care-settings-contents.ts'; // prettier-ignore
import { startEmptyStack, type Stack } from '../support/start-stack.ts';

const postgres = await engineOrReason(() =>
  startPostgres({ folder: join(temporaryFolder(), 'postgres'), sync: false }),
);

let stack: Stack;
let kept: Contents;
beforeAll(async () => {
  stack = await startEmptyStack();
  for (const bundles of generatePopulation({ seed: 5, people: 30 }))
    for (const body of bundles) expect((await stack.fhir('POST', '', { body })).status).toBe(200);
  await changeMinds();
  await vi.waitUntil(async () => {
    const { json } = await stack.fhir('GET', `${stack.url}/status`, { as: 'operator' });
    return json.projections.every(({ lag }: { lag: number }) => lag === 0);
  }, 60_000);
  await stack.stop();
  kept = keptIn(stack.folder);
}, 120_000);
afterAll(async () => {
  await stack.remove();
  if (typeof postgres !== 'string') await postgres.stop();
});

/** What is moved, linked and parted, late, taken back and retracted. */
async function changeMinds(): Promise<void> {
  const put = async (resourceType: string, id: string, more: object) => {
    const { status, text } = await stack.fhir('PUT', `/${resourceType}/${id}`, { body: { resourceType, id, ...more } }); // prettier-ignore
    if (status >= 300) throw new Error(`${status} ${text}`);
  };
  const subject = (id: string) => ({ subject: { reference: `Patient/${id}` } });
  const stay = { status: 'finished', class: { code: 'IMP' }, period: { start: '2026-05-01', end: '2026-05-03' } }; // prettier-ignore
  for (const id of ['p1', 'p2', 'p3', 'p4']) await put('Patient', id, {});
  await put('Encounter', 'moved', { ...stay, ...subject('p1') });
  await put('Encounter', 'moved', { ...stay, ...subject('p2') });
  await put('Encounter', 'late', {
    ...stay,
    ...subject('p3'),
    meta: { lastUpdated: '2026-05-09T00:00:00Z' },
  });
  await put('Encounter', 'late', { ...stay, status: 'in-progress', ...subject('p3'), meta: { lastUpdated: '2026-05-02T00:00:00Z' } }); // prettier-ignore
  await put('Encounter', 'mistake', { ...stay, ...subject('p3') });
  await put('Encounter', 'mistake', { ...stay, status: 'entered-in-error', ...subject('p3') });
  await put('Flag', 'gone', { status: 'active', code: { text: 'Falls' }, ...subject('p4') });
  expect((await stack.fhir('DELETE', '/Flag/gone')).status).toBe(204);
  const missed = ['p1', 'p4'].map((id) => ({ actor: { reference: `Patient/${id}` }, status: 'accepted' }));
  await put('Appointment', 'both', { status: 'noshow', start: '2026-05-09T08:00:00Z', end: '2026-05-09T08:10:00Z', participant: missed }); // prettier-ignore
  await put('Patient', 'p3', { link: [{ type: 'replaced-by', other: { reference: 'Patient/p4' } }] });
  await put('Patient', 'p2', { link: [{ type: 'seealso', other: { reference: 'Patient/p1' } }] });
  await put('Patient', 'p2', {});
}

it('hold something of every setting', () => {
  for (const [name, text] of kept) expect(text.length, name).toBeGreaterThan(10_000);
});

it('are rebuilt byte for byte as they were kept', async () => {
  expect([...(await rebuiltFrom(stack.folder))]).toEqual([...kept]);
});

it('are the same in any order across patients', async () => {
  const seeds = fc.integer({ min: 1, max: 2 ** 31 - 1 });
  const same = async (seed: number) => {
    expect(difference(await onSqlite(await permutedLog(stack.folder, seed)), kept)).toEqual([]);
  };
  await fc.assert(fc.asyncProperty(seeds, same), { numRuns: 4, endOnFailure: true });
});

it.skipIf(typeof postgres === 'string')(
  `are the same on PostgreSQL, in lanes${typeof postgres === 'string' ? `: ${postgres}` : ''}`,
  async () => {
    if (typeof postgres === 'string') return;
    expect(difference(await onPostgres(postgres.url(), await permutedLog(stack.folder, 77)), kept)).toEqual(
      [],
    );
  },
);
