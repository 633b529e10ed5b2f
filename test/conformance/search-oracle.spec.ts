/**
 * Random searches over real resources: what the gateway answers over HTTP, all pages together, is what a plain reading of the
 * specification finds. QUERIES=100000 is the long run (`npm run test:search`); a failure prints the search, what is missing
 * and what is too much, and QUERIES_SEED repeats it.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { realDataPresent } from '../../libs/fhir/src/real-data.ts';
import { oddResources } from '../support/odd-resources.ts';
import { exact } from '../support/search-oracle-ranges.ts';
import {
  compareValues,
  compartmentOf,
  searchPlainly,
  type Answer,
  type Pair,
} from '../support/search-oracle.ts';
import { queries, type Query } from '../support/search-queries.ts';
import {
  examples,
  someTransactions,
  startSearchedServer,
  type SearchedServer,
} from '../support/searched-server.ts';

const count = Number(process.env['QUERIES'] ?? 2_000);
const seed = Number(process.env['QUERIES_SEED'] ?? 20_261_121);
/** The long run has enough of them for every way in which the record plans a search. */
const people = count >= 10_000 ? 15 : 6;
const AT_ONCE = 8;
const FAILURES_SHOWN = 10;
const INCLUDED_MAX = 1_000;
const COUNT_MAX = 1_000;

let searched: SearchedServer;
beforeAll(async () => {
  searched = await startSearchedServer(someTransactions(people), [...examples(), ...oddResources(400, seed)]);
});
afterAll(() => searched.remove());

const over = realDataPresent ? 'real resources' : 'synthetic people (../shared/data is not there)';

it(
  `answers ${count} random searches over ${over} as the specification reads (seed ${seed})`,
  { timeout: 120_000 + count * 100 },
  async () => {
    const { resources, searchable, base } = searched;
    expect(resources.length).toBeGreaterThan(500);
    const sampled = fc.sample(queries(resources, searchable, base), { seed, numRuns: count });
    const failures: string[] = [];
    const tally = { answered: 0, found: 0, several: 0, unsure: 0 };
    const waiting = sampled.values();
    const work = async () => {
      for (const query of waiting) {
        if (failures.length >= FAILURES_SHOWN) return;
        const failure = await judge(query, tally);
        if (failure !== undefined) failures.push(await smaller(query, failure));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    expect(failures.join('\n\n')).toBe('');
    expect(tally.answered).toBe(count);
    // Searches that find nothing, or that nothing can be said about, prove little.
    expect(tally.found).toBeGreaterThan(count * 0.3);
    expect(tally.several).toBeGreaterThan(count * 0.02);
    expect(tally.unsure).toBeLessThan(count * 0.02);
  },
);

type Tally = Record<'answered' | 'found' | 'several' | 'unsure', number>;

/** What is wrong with the answer, if anything is. */
async function judge(query: Query, tally?: Tally): Promise<string | undefined> {
  const { pairs } = query;
  const expected = plain(query, 100);
  const { ids } = expected;
  if (tally) tally.answered++;
  // How near is near (`ap`) is for the server to say: nothing is judged that a little more or less would change.
  const isNear = pairs.some(([, value]) => /(^|,)ap\d/.test(value));
  if (isNear && plain(query, 95).ids.length !== plain(query, 105).ids.length) {
    if (tally) tally.unsure++;
    return undefined;
  }
  const size = Math.min(COUNT_MAX, Math.max(1, Math.ceil(ids.length / query.pages)));
  const pages = await allPages(query, size);
  if (typeof pages === 'string') return pages;
  if (tally && ids.length > 0) tally.found++;
  if (tally && pages.length > 1) tally.several++;
  const answered = pages.flatMap((page) => page.matches);
  return (
    differences(ids, answered) ??
    disorder(expected, answered, pairs) ??
    wrongTotal(pages, ids.length, pairs) ??
    wrongIncludes(expected, pages)
  );
}

/** `near` in thousandths. */
function plain({ type, pairs, within }: Query, near: number): Answer {
  const asking = { base: searched.base, now: Date.now(), near: exact(near, 1_000) };
  const { resources } = searched;
  const among = within === undefined ? resources : compartmentOf(within, resources, asking);
  return searchPlainly(resources, type, pairs, asking, among);
}

interface Page {
  readonly matches: readonly string[];
  readonly included: readonly string[];
  readonly total?: number;
}

async function allPages({ type, pairs, posted, within }: Query, size: number): Promise<Page[] | string> {
  const form = new URLSearchParams([
    ...pairs.map(([name, value]) => [name, value]),
    ['_count', String(size)],
  ]);
  const pages: Page[] = [];
  const path = within === undefined ? type : `Patient/${within}/${type}`;
  let answer = posted ? await searched.ask(path, form) : await searched.get(`/${path}?${form}`);
  for (;;) {
    if (answer.status !== 200) {
      const said = (answer.json as { issue: { diagnostics: string }[] }).issue;
      return `was answered ${answer.status}: ${said.map(({ diagnostics }) => diagnostics).join(' ')}`;
    }
    const {
      entry = [],
      link,
      total,
    } = answer.json as {
      entry?: { resource: { resourceType: string; id: string }; search: { mode: string } }[];
      link: { relation: string; url: string }[];
      total?: number;
    };
    const of = (mode: string) =>
      entry.filter(({ search }) => search.mode === mode).map(({ resource }) => resource);
    pages.push({
      matches: of('match').map(({ id }) => id),
      included: of('include').map(({ resourceType, id }) => `${resourceType}/${id}`),
      ...(total !== undefined && { total }),
    });
    const next = link.find(({ relation }) => relation === 'next')?.url;
    if (next === undefined) return pages;
    if (pages.length > 1_000) return 'has no last page';
    answer = await searched.get(next);
  }
}

function differences(expected: readonly string[], answered: readonly string[]): string | undefined {
  const twice = answered.filter((id, i) => answered.indexOf(id) !== i);
  const missing = expected.filter((id) => !answered.includes(id));
  const surplus = answered.filter((id) => !expected.includes(id));
  if (twice.length + missing.length + surplus.length === 0) return undefined;
  return `twice: ${few(twice)}; missing: ${few(missing)}; too much: ${few(surplus)}; right: ${expected.length - missing.length}`;
}

function disorder(
  { sortValues }: Answer,
  answered: readonly string[],
  pairs: readonly Pair[],
): string | undefined {
  const keys = pairs.find(([name]) => name === '_sort')?.[1].split(',') ?? [];
  for (const [i, id] of answered.entries()) {
    if (i === 0) continue;
    const [before, after] = [sortValues(answered[i - 1]!), sortValues(id)];
    const key = keys.findIndex((_, k) => before[k] !== after[k]);
    if (key >= 0 && compareValues(before[key], after[key], keys[key]!.startsWith('-')) > 0)
      return `${id} (${after[key]}) comes after ${answered[i - 1]} (${before[key]}) by ${keys[key]}`;
  }
  return undefined;
}

function wrongTotal(pages: readonly Page[], count: number, pairs: readonly Pair[]): string | undefined {
  const asked = pairs.some(([name, value]) => name === '_total' && value === 'accurate');
  const wrong = pages.find(({ total }) => (total === undefined ? asked : total !== count));
  return wrong && `says that ${wrong.total} match, ${count} do`;
}

function wrongIncludes({ included }: Answer, pages: readonly Page[]): string | undefined {
  for (const page of pages) {
    const expected = [...included(page.matches)];
    if (expected.length > INCLUDED_MAX) continue;
    const wrong = differences(expected, page.included);
    if (wrong !== undefined) return `includes ${wrong}`;
  }
  return undefined;
}

/** The search with as few parameters and values as still fail, and how it fails. */
async function smaller(query: Query, failure: string): Promise<string> {
  for (const lesser of lessened(query)) {
    const wrong = await judge(lesser);
    if (wrong !== undefined) return smaller(lesser, wrong);
  }
  const asked = query.pairs.map(([name, value]) => `${name}=${value}`).join('&');
  const path = query.within === undefined ? query.type : `Patient/${query.within}/${query.type}`;
  return `${path}?${asked} (${query.pages} pages${query.posted ? ', posted' : ''})\n  ${failure}`;
}

function* lessened(query: Query): Generator<Query> {
  const { pairs } = query;
  for (const i of pairs.keys()) if (pairs.length > 1) yield { ...query, pairs: pairs.toSpliced(i, 1) };
  for (const [i, [name, value]] of pairs.entries()) {
    const values = value.split(/(?<!\\),/);
    for (const k of values.keys())
      if (values.length > 1)
        yield { ...query, pairs: pairs.with(i, [name, values.toSpliced(k, 1).join(',')]) };
  }
  if (query.within !== undefined) yield { ...query, within: undefined };
  if (query.posted) yield { ...query, posted: false };
  if (query.pages > 1) yield { ...query, pages: 1 };
}

function few(ids: readonly string[]): string {
  return ids.length > 5 ? `${ids.slice(0, 5).join(' ')} and ${ids.length - 5} more` : ids.join(' ') || 'none';
}
