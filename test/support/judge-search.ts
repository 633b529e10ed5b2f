/** Asks the server what was drawn, all pages of it, and says how the answer differs from what a plain reading finds. */
import { isDeepStrictEqual } from 'node:util';
import { compartmentOf } from './search-oracle-compartments.ts';
import type { Asking, Resource } from './search-oracle-definitions.ts';
import { exact } from './search-oracle-ranges.ts';
import { reduced } from './search-oracle-subsets.ts';
import { compareValues, searchPlainly, type Answer, type Pair } from './search-oracle.ts';
import type { Drawn, Query } from './search-queries.ts';
import type { SearchedServer } from './searched-server.ts';

/** How many searches were judged, found anything, took several pages, were the patient's, came in part; and could not be judged. */
export type Tally = Record<'answered' | 'found' | 'several' | 'own' | 'shaped' | 'unsure', number>;

const INCLUDED_MAX = 1_000;
const COUNT_MAX = 1_000;

export class Judge {
  readonly #searched: SearchedServer;
  readonly #drawn: Drawn;
  readonly #byName: ReadonlyMap<string, Resource>;
  readonly #own: readonly Resource[];

  constructor(searched: SearchedServer, drawn: Drawn) {
    this.#searched = searched;
    this.#drawn = drawn;
    this.#byName = new Map(drawn.resources.map((each) => [`${each.resourceType}/${each.id}`, each]));
    this.#own = drawn.resources.filter(({ resourceType, id }) => drawn.own.has(`${resourceType}/${id}`));
  }

  /** What is wrong with the answer, if anything is. */
  async judge(query: Query, tally?: Tally): Promise<string | undefined> {
    const { pairs, own } = query;
    if (tally) tally.answered++;
    const expected = this.#plain(query, 100);
    const { ids } = expected;
    if (ids.length === 0 && this.#isHidden(query)) {
      const asked = new URLSearchParams(pairs.map(([name, value]) => [name, value]));
      const { status } = await this.#get(`/${pathOf(query)}?${asked}`, query);
      return status === 404 ? undefined : `was answered ${status} though its compartment is not to be seen`;
    }
    // How near is near (`ap`) is for the server to say: nothing is judged that a little more or less would change.
    const isNear = pairs.some(([, value]) => /(^|,)ap-?\d/.test(value));
    if (isNear && this.#plain(query, 95).ids.length !== this.#plain(query, 105).ids.length) {
      if (tally) tally.unsure++;
      return undefined;
    }
    const pages = await this.#pages(query, Math.max(1, Math.ceil(ids.length / query.pages)));
    if (typeof pages === 'string') return pages;
    const isCounted = pairs.some(([name, value]) => name === '_summary' && value === 'count');
    if (tally && ids.length > 0) {
      tally.found++;
      if (pages.length > 1) tally.several++;
      if (own) tally.own++;
      if (pairs.some(([name]) => name === '_elements' || name === '_summary')) tally.shaped++;
    }
    if (isCounted) return wrongCount(pages, ids.length);
    const answered = pages.flatMap(({ matches }) => matches.map(({ id }) => id));
    return (
      differences(ids, answered) ??
      disorder(expected, answered, pairs) ??
      wrongTotal(pages, ids.length, pairs) ??
      wrongIncludes(expected, pages) ??
      this.#wrongContent(pages, pairs)
    );
  }

  #asking(near: number): Asking {
    return { base: this.#searched.base, now: Date.now(), near: exact(near, 1_000) };
  }

  /** Whether the patient asks about a compartment that is none of their business. */
  #isHidden({ own, within }: Query): boolean {
    return own && within !== undefined && !this.#drawn.opened.has(`${within.type}/${within.id}`);
  }

  /** `near` in thousandths. */
  #plain({ type, pairs, within, own }: Query, near: number): Answer {
    const asking = this.#asking(near);
    const { resources } = this.#drawn;
    const seen = own ? this.#own : resources;
    const among = within === undefined ? seen : compartmentOf(within, seen, asking);
    const maySee = (name: string) => !own || this.#drawn.opened.has(name);
    return searchPlainly(resources, type, pairs, asking, among, maySee);
  }

  #get(path: string, { own }: Query) {
    return this.#searched.get(path, own ? 'patient' : undefined);
  }

  async #pages(query: Query, size: number): Promise<Page[] | string> {
    const form = new URLSearchParams([
      ...query.pairs.map(([name, value]) => [name, value]),
      ['_count', String(Math.min(COUNT_MAX, size))],
    ]);
    const pages: Page[] = [];
    const path = pathOf(query);
    let answer = query.posted
      ? await this.#searched.ask(path, form, query.own ? 'patient' : undefined)
      : await this.#get(`/${path}?${form}`, query);
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
        entry?: { resource: Resource; search: { mode: string } }[];
        link: { relation: string; url: string }[];
        total?: number;
      };
      const of = (mode: string) =>
        entry.filter(({ search }) => search.mode === mode).map(({ resource }) => resource);
      pages.push({
        matches: of('match'),
        included: of('include'),
        ...(total !== undefined && { total }),
      });
      const next = link.find(({ relation }) => relation === 'next')?.url;
      if (next === undefined) return pages;
      if (pages.length > 1_000) return 'has no last page';
      answer = await this.#get(next, query);
    }
  }

  /** Only where part of each resource was asked for: that the whole comes as it was stored, others tests see. */
  #wrongContent(pages: readonly Page[], pairs: readonly Pair[]): string | undefined {
    if (!pairs.some(([name]) => name === '_elements' || name === '_summary')) return undefined;
    for (const { matches, included } of pages)
      for (const [resources, isMatch] of [[matches, true] as const, [included, false] as const])
        for (const resource of resources) {
          const name = `${resource.resourceType}/${resource.id}`;
          const part = reduced(this.#byName.get(name)!, pairs, isMatch);
          if (!isDeepStrictEqual(resource, part))
            return `shows of ${name} ${Object.keys(resource).join()} and not ${Object.keys(part).join()}`;
        }
    return undefined;
  }
}

interface Page {
  readonly matches: readonly Resource[];
  readonly included: readonly Resource[];
  readonly total?: number;
}

export function pathOf({ type, within }: Query): string {
  return within === undefined ? type : `${within.type}/${within.id}/${type}`;
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

function wrongCount(pages: readonly Page[], count: number): string | undefined {
  const [page, more] = pages;
  if (more || page!.matches.length + page!.included.length > 0) return 'shows what was only to be counted';
  return page!.total === count ? undefined : `counts ${page!.total} of ${count}`;
}

function wrongIncludes({ included }: Answer, pages: readonly Page[]): string | undefined {
  for (const page of pages) {
    const expected = [...included(page.matches.map(({ id }) => id))];
    if (expected.length > INCLUDED_MAX) continue;
    const answered = page.included.map(({ resourceType, id }) => `${resourceType}/${id}`);
    const wrong = differences(expected, answered);
    if (wrong !== undefined) return `includes ${wrong}`;
  }
  return undefined;
}

function few(ids: readonly string[]): string {
  return ids.length > 5 ? `${ids.slice(0, 5).join(' ')} and ${ids.length - 5} more` : ids.join(' ') || 'none';
}
