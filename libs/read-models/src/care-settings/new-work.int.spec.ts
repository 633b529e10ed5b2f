/** What is new on a worklist, in pages: how alerts find what to tell of, at a cost that follows what changed. */
import { expect, it } from 'vitest';
import { careSettingsProjection } from './care-settings-projection.ts';
import type { CareSettingQueries, NewCursor } from './care-setting-reader.ts';
import { askedOnPostgres, askedOnSqlite, type ToldInOrder } from './scene-engines.ts';
import { generalPractice } from './general-practice.ts';

const NOW = Date.parse('2026-06-01T12:00:00Z');
const PEOPLE = 5;
const VISITS = 3;

const told = (resources: readonly { readonly resourceType: string; readonly id: string }[]): ToldInOrder =>
  resources.map((resource, at) => {
    const event = { id: `e${at}`, stream: `${resource.resourceType}/${resource.id}`, revision: 1, position: at + 1, action: 'new', recordedAt: '2026-06-01T00:00:00Z', occurredAt: '2026-06-01T00:00:00Z', publisher: { organisation: 'RX1', system: 's' }, careSetting: 'any' } as unknown as ToldInOrder[number]['event']; // prettier-ignore
    const bytes = new TextEncoder().encode(JSON.stringify(resource));
    return { event, change: careSettingsProjection.evolve(event, { kind: 'opened', bytes })! };
  });

/** Appointments that people missed, all at one moment. */
const missed = told(Array.from({ length: PEOPLE * VISITS }, (_, at) => {
  const participant = [{ actor: { reference: `Patient/p${at % PEOPLE}` }, status: 'accepted' }];
  return { resourceType: 'Appointment', id: `a${at}`, status: 'noshow', start: '2026-05-30T09:00:00Z', participant }; // prettier-ignore
})); // prettier-ignore

/** Urgent referrals, each of another day; each is due a fortnight later. */
const referred = told(Array.from({ length: PEOPLE }, (_, at) => (
  { resourceType: 'ServiceRequest', id: `r${at}`, status: 'active', intent: 'order', priority: 'urgent', subject: { reference: `Patient/p${at}` }, authoredOn: `2026-05-0${at + 1}T09:00:00Z` } // prettier-ignore
))); // prettier-ignore

const read = (by: 'changed' | 'due', from: number, upTo: number, more: object = {}) => async (queries: CareSettingQueries) => {
  const found: string[] = [];
  let after: NewCursor | undefined = { at: from, patient: '', stream: '' };
  while (after !== undefined) {
    const page = await queries.newWork(by === 'due' ? 'referrals-without-appointment' : 'appointments-missed', { by, after, upTo, since: 0, now: NOW, count: 2, ...more }); // prettier-ignore
    found.push(...page.map(({ item }) => item.stream));
    const last = page.at(-1);
    after = last && { at: last.at, patient: last.patient, stream: last.item.stream };
  }
  return found.toSorted();
}; // prettier-ignore

const streams = (from: number) => missed.slice(from).map(({ event }) => event.stream).toSorted(); // prettier-ignore

it('gives each row once, page after page, though all wait since one moment', async () => {
  const all = read('changed', 0, Number.MAX_SAFE_INTEGER);
  expect(await askedOnSqlite(generalPractice, missed, all)).toEqual(streams(0));
  const other = await askedOnPostgres(generalPractice, missed, all);
  if (other !== undefined) expect(other.answer).toEqual(streams(0));
});

it('gives what changed since a position and no more', async () => {
  const last = missed.length;
  const since = read('changed', last, Number.MAX_SAFE_INTEGER);
  // With the last event all rows of its person may be put there again.
  const own = missed.filter(({ event }) => (event.position - last) % PEOPLE === 0).map(({ event }) => event.stream); // prettier-ignore
  const found = await askedOnSqlite(generalPractice, missed, since, 1);
  expect(found).toContain(`Appointment/a${last - 1}`);
  expect(own).toEqual(expect.arrayContaining(found));
  expect(await askedOnSqlite(generalPractice, missed, read('changed', last + 1, Number.MAX_SAFE_INTEGER), 1)).toEqual([]); // prettier-ignore
});

it('leaves out what waits since before', async () => {
  const since = Date.parse('2026-05-30T09:00:00Z');
  for (const [at, count] of [[since, missed.length], [since + 1, 0]] as const) // prettier-ignore
    expect(await askedOnSqlite(generalPractice, missed, read('changed', 0, Number.MAX_SAFE_INTEGER, { since: at }))).toHaveLength(count); // prettier-ignore
});

it('gives what became due in a time, and neither what was due before nor what is due later', async () => {
  const due = (day: number) => Date.parse(`2026-05-${day}T09:00:00Z`);
  const inTime = read('due', due(16), due(18));
  const expected = ['ServiceRequest/r1', 'ServiceRequest/r2', 'ServiceRequest/r3'];
  expect(await askedOnSqlite(generalPractice, referred, inTime)).toEqual(expected);
  const other = await askedOnPostgres(generalPractice, referred, inTime);
  if (other !== undefined) expect(other.answer).toEqual(expected);
});
