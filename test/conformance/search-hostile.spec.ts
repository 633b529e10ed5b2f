/**
 * Searches that mean harm end in time with a clear answer, and whoever reads meanwhile is served.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hostileSearches, type HostileSearch } from '../support/hostile-searches.ts';
import { someTransactions, startSearchedServer, type SearchedServer } from '../support/searched-server.ts';

const LIMIT_MS = 20_000;
/** As docs/reference/search.md says of those who read meanwhile. */
const READ_LIMIT_MS = 3_000;
const READS = 100;
const AT_ONCE = 16;

let searched: SearchedServer;
beforeAll(async () => {
  searched = await startSearchedServer(someTransactions(40), []);
});
afterAll(() => searched.remove());

const searches = hostileSearches();

describe('a search for', () => {
  it.each(searches)('$what ends in time, with a clear answer', async (search) => {
    expectClear(search, await ask(search));
  });
});

it('lets others read while searches that mean harm run', async () => {
  const people = searched.resources
    .filter(({ resourceType }) => resourceType === 'Patient')
    .map(({ id }) => id);
  let isUnderAttack = true;
  const waits: number[] = [];
  const reading = (async () => {
    for (let i = 0; isUnderAttack; i++) {
      const id = people[i % people.length]!;
      for (const path of [`/Patient/${id}`, `/Observation?subject=Patient/${id}&_count=20`]) {
        const before = performance.now();
        const { status } = await searched.get(path);
        waits.push(performance.now() - before);
        expect([path, status]).toEqual([path, 200]);
      }
    }
  })();
  // Three times over, and for as long as it takes others to read often enough.
  const waiting = (function* () {
    for (let round = 0; round < 3 || waits.length <= READS; round += 1) yield* searches;
  })();
  // By two callers: one alone may not have so many searches wait.
  const attack = async (as: string) => {
    for (const search of waiting) expectClear({ ...search, expected: 'either' }, await ask(search, as));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => attack(i % 2 === 0 ? 'publisher' : 'auditor')));
  isUnderAttack = false;
  await reading;
  expect(waits.length).toBeGreaterThan(READS);
  expect(Math.max(...waits)).toBeLessThan(READ_LIMIT_MS);
});

interface Asked {
  readonly status: number;
  readonly json: Readonly<Record<string, unknown>> | undefined;
  readonly took: number;
}

async function ask({ type, query }: HostileSearch, as?: string): Promise<Asked> {
  const before = performance.now();
  const { status, json } = await searched.ask(type, query, as);
  return { status, json: json as Asked['json'], took: performance.now() - before };
}

function expectClear({ what, expected }: HostileSearch, { status, json, took }: Asked): void {
  expect(took, what).toBeLessThan(LIMIT_MS);
  if (expected === 'answered') expect(status, `${what}: ${JSON.stringify(json).slice(0, 500)}`).toBe(200);
  if (expected === 'refused') expect([400, 413], what).toContain(status);
  // 422: it took too long; 429: too many of them at once.
  expect([200, 400, 413, 422, 429], `${what}: ${JSON.stringify(json).slice(0, 500)}`).toContain(status);
  if (status === 200) {
    expect(json?.['resourceType'], what).toBe('Bundle');
    return;
  }
  expect(json?.['resourceType'], what).toBe('OperationOutcome');
  const { issue } = json as unknown as { issue: { diagnostics: string }[] };
  for (const { diagnostics } of issue) expect(diagnostics, what).toMatch(/\S{3}.*[.?]$/s);
}
