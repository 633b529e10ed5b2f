/**
 * Pages while others write: what matches throughout is in them exactly once, however it moves in the order meanwhile; and a
 * link to the next page is good for the one it was made for, unchanged.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anObservation } from '@carelog/testkit';
import { startSearchedServer, type SearchedServer } from '../support/searched-server.ts';

const RUNS = 5;
const SEED = 20_261_121;

let searched: SearchedServer;
beforeAll(async () => {
  searched = await startSearchedServer([], [{ resourceType: 'Patient', id: 'elsewhere' }], 'others');
});
afterAll(() => searched.remove());

interface Scenario {
  readonly asked: 'of one patient' | 'by code' | 'by category, of all';
  readonly size: number;
  readonly steady: number;
  readonly writes: readonly Write[];
}

type Write = readonly [kind: 'create' | 'change' | 'delete' | 'leave and return', which: number, day: number];

const scenarios: fc.Arbitrary<Scenario> = fc.record({
  asked: fc.constantFrom('of one patient', 'by code', 'by category, of all'),
  size: fc.integer({ min: 1, max: 7 }),
  steady: fc.integer({ min: 8, max: 30 }),
  writes: fc.array(
    fc.tuple(
      fc.constantFrom('create', 'change', 'change', 'delete', 'leave and return'),
      fc.nat(),
      fc.integer({ min: 1, max: 28 }),
    ),
    { minLength: 10, maxLength: 40 },
  ),
});

describe('pages while others create, change and delete', () => {
  const sorts = [
    '',
    '_id',
    'date',
    '-date',
    '_lastUpdated',
    '-_lastUpdated',
    '-value-quantity,date',
    'status',
  ];
  it.each(sorts)('hold what matches throughout exactly once, sorted by "%s"', async (sort) => {
    await fc.assert(
      fc.asyncProperty(scenarios, (scenario) => pageWhileWriting(scenario, sort)),
      { numRuns: RUNS, seed: SEED },
    );
  });
});

let runs = 0;

async function pageWhileWriting({ asked, size, steady, writes }: Scenario, sort: string): Promise<void> {
  const run = `run-${++runs}`;
  await put(`Patient/${run}`, { resourceType: 'Patient', id: run });
  const matching = (id: string, day: number, special: object = {}) => ({
    id,
    category: [{ coding: [{ code: run }] }],
    effectiveDateTime: `2025-03-${String(day).padStart(2, '0')}`,
    status: day % 2 === 0 ? 'final' : 'amended',
    valueQuantity: { value: day % 5 },
    ...special,
  });
  const write = (id: string, day: number, special?: object) =>
    put(`Observation/${id}`, anObservation(`Patient/${run}`, codedFor(run, matching(id, day, special))));
  const staying = Array.from({ length: steady }, (_, i) => `${run}-stays-${i}`);
  const going = Array.from({ length: 12 }, (_, i) => `${run}-goes-${i}`);
  // One after the other, so that the order of recording is no order that anything else has.
  for (const [i, id] of [...staying, ...going].entries()) await write(id, ((i * 7) % 28) + 1);

  let isPaging = true;
  const created: string[] = [];
  const writing = (async () => {
    for (let i = 0; isPaging; i++) {
      const [kind, which, day] = writes[i % writes.length]!;
      const gone = going[which % going.length]!;
      if (kind === 'create') {
        created.push(`${run}-new-${i}`);
        await write(created.at(-1)!, day);
      } else if (kind === 'change') await write(staying[which % staying.length]!, day);
      else if (kind === 'delete') await searched.send('DELETE', `/Observation/${gone}`);
      else {
        const elsewhere = {
          subject: { reference: 'Patient/elsewhere' },
          code: { text: 'other' },
          category: [],
        };
        await write(gone, day, { ...elsewhere, category: [{ text: 'other' }] });
        await write(gone, day);
      }
    }
  })();
  const question = {
    'of one patient': { subject: `Patient/${run}` },
    'by code': { code: `http://example.org/codes|${run}` },
    'by category, of all': { category: run },
  }[asked];
  const query = new URLSearchParams({
    ...question,
    _count: String(size),
    ...(sort !== '' && { _sort: sort }),
  });
  const ids: string[] = [];
  try {
    for (let next: string | undefined = `/Observation?${query}`; next !== undefined;) {
      const { status, json } = await searched.get(next);
      expect(status, JSON.stringify(json)).toBe(200);
      const { entry = [], link } = json as Bundle;
      expect(entry.length).toBeLessThanOrEqual(size);
      ids.push(...entry.map(({ resource }) => resource.id));
      next = link.find(({ relation }) => relation === 'next')?.url;
    }
  } finally {
    isPaging = false;
    await writing;
  }
  const times = Map.groupBy(ids, (id) => id);
  const wrong = staying.filter((id) => times.get(id)?.length !== 1);
  expect(wrong.map((id) => `${id}: ${times.get(id)?.length ?? 0} times`)).toEqual([]);
  expect(ids.filter((id) => times.get(id)!.length > 1)).toEqual([]);
  const known = new Set([...staying, ...going, ...created]);
  expect(ids.filter((id) => !known.has(id))).toEqual([]);
}

function codedFor(run: string, special: object): Record<string, unknown> {
  return { code: { coding: [{ system: 'http://example.org/codes', code: run }] }, ...special };
}

interface Bundle {
  readonly entry?: readonly { readonly resource: { readonly id: string } }[];
  readonly link: readonly { readonly relation: string; readonly url: string }[];
}

async function put(path: string, body: object): Promise<void> {
  const { status, json } = await searched.send('PUT', `/${path}`, body);
  expect([200, 201], JSON.stringify(json)).toContain(status);
}

describe('a link to the next page', () => {
  const pair = ['a', 'b', 'c', 'd'];
  let link: string;
  beforeAll(async () => {
    for (const id of pair)
      await put(`Patient/link-${id}`, { resourceType: 'Patient', id: `link-${id}`, gender: 'other' });
    const { json } = await searched.get('/Patient?gender=other&_sort=_id&_count=1');
    link = (json as Bundle).link.find(({ relation }) => relation === 'next')!.url;
  });

  it('is good for its caller, again and again', async () => {
    for (const _ of [1, 2]) {
      const { status, json } = await searched.get(link);
      expect(status).toBe(200);
      expect((json as Bundle).entry?.map(({ resource }) => resource.id)).toEqual(['link-b']);
    }
  });

  const changed: Record<string, (url: URL) => void> = {
    'another cursor': (url) => url.searchParams.set('_cursor', swapped(url.searchParams.get('_cursor')!, 0)),
    'another signature': (url) =>
      url.searchParams.set('_cursor', swapped(url.searchParams.get('_cursor')!, -1)),
    'no signature': (url) => url.searchParams.set('_cursor', url.searchParams.get('_cursor')!.split('.')[0]!),
    'another question': (url) => url.searchParams.set('gender', 'male'),
    'a further question': (url) => url.searchParams.append('active', 'true'),
    'another order': (url) => url.searchParams.set('_sort', '-_id'),
    'another type': (url) => (url.pathname = url.pathname.replace('Patient', 'Person')),
    nonsense: (url) => url.searchParams.set('_cursor', '%00.\u{1f600}'),
  };

  it.each(Object.keys(changed))('is refused with %s', async (what) => {
    const url = new URL(link);
    changed[what]!(url);
    expectRefused(await searched.get(url.href));
  });

  it.each(['patient', 'operator', 'auditor'])('is refused to another caller: %s', async (persona) => {
    const { status, json } = await searched.get(link, persona);
    expect(json.resourceType).toBe('OperationOutcome');
    expect([400, 403]).toContain(status);
  });

  it('of a patient is refused to another, where both may search', async () => {
    expectRefused(await searched.get(link, 'patient'));
  });

  function expectRefused({ status, json }: { status: number; json: unknown }): void {
    expect(status).toBe(400);
    expect(json).toMatchObject({
      resourceType: 'OperationOutcome',
      issue: [{ severity: 'error', expression: ['_cursor'] }],
    });
  }
});

/** With the character at this place changed for another. */
function swapped(text: string, at: number): string {
  const place = at < 0 ? text.length + at - 1 : at;
  return text.slice(0, place) + (text[place] === 'A' ? 'B' : 'A') + text.slice(place + 1);
}
