/**
 * Random searches over real resources, some of them by a patient: what the gateway answers over HTTP, all pages together, is what
 * a plain reading of the specification finds among what the caller may see. QUERIES=100000 is the long run (`npm run
 * test:search`); a failure prints the search, what is missing and what is too much, and QUERIES_SEED repeats it.
 */
import { firstPersonNhsNumber } from '@carelog/synthetic';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DEMO_SEED } from '../../apps/carelog/src/demo-population.ts';
import { realDataPresent } from '../../libs/fhir/src/real-data.ts';
import { Judge, pathOf, type Tally } from '../support/judge-search.ts';
import { oddResources } from '../support/odd-resources.ts';
import { AccessOracle, callerOf } from '../support/access-oracle.ts';
import type { Resource } from '../support/search-oracle-definitions.ts';
import { exact } from '../support/search-oracle-ranges.ts';
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
/** Whom HL7's examples are about, and some of the odd resources. */
const PATIENT = 'example';

let searched: SearchedServer;
beforeAll(async () => {
  const singles = [...examples(), ...oddResources(400, seed, PATIENT)];
  const isPatient = ({ resourceType, id }: Partial<Resource>) => resourceType === 'Patient' && id === PATIENT;
  const identifier = [
    { system: 'https://fhir.nhs.uk/Id/nhs-number', value: firstPersonNhsNumber(DEMO_SEED) },
  ];
  const patient = { resourceType: 'Patient', ...singles.find(isPatient), id: PATIENT, identifier };
  searched = await startSearchedServer(someTransactions(people), [
    patient,
    ...singles.filter((each) => !isPatient(each)),
  ]);
});
afterAll(() => searched.remove());

const over = realDataPresent ? 'real resources' : 'synthetic people (../shared/data is not there)';

it(
  `answers ${count} random searches over ${over} as the specification reads (seed ${seed})`,
  { timeout: 120_000 + count * 100 },
  async () => {
    const { resources, searchable, base } = searched;
    expect(resources.length).toBeGreaterThan(500);
    const asking = { base, now: Date.now(), near: exact(1, 10) };
    const access = new AccessOracle(resources, callerOf('patient'), []);
    const permitted = (action: 'search' | 'read') =>
      new Set(
        resources.filter((it) => access.decide(action, it).permit).map((it) => `${it.resourceType}/${it.id}`),
      );
    const drawn = { resources, searchable, own: permitted('search'), opened: permitted('read') };
    const judge = new Judge(searched, drawn);
    const failures: string[] = [];
    const tally: Tally = { answered: 0, found: 0, several: 0, own: 0, shaped: 0, unsure: 0 };
    const waiting = fc.sample(queries(drawn, asking), { seed, numRuns: count }).values();
    const work = async () => {
      for (const query of waiting) {
        if (failures.length >= FAILURES_SHOWN) return;
        const failure = await judge.judge(query, tally);
        if (failure !== undefined) failures.push(await smaller(judge, query, failure));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    expect(failures.join('\n\n')).toBe('');
    expect(tally.answered).toBe(count);
    // Searches that find nothing, or that nothing can be said about, prove little.
    expect(tally.found).toBeGreaterThan(count * 0.3);
    expect(tally.several).toBeGreaterThan(count * 0.02);
    expect(tally.own).toBeGreaterThan(count * 0.03);
    expect(tally.shaped).toBeGreaterThan(count * 0.05);
    expect(tally.unsure).toBeLessThan(count * 0.02);
  },
);

/** The search with as few parameters and values as still fail, and how it fails. */
async function smaller(judge: Judge, query: Query, failure: string): Promise<string> {
  for (const lesser of lessened(query)) {
    const wrong = await judge.judge(lesser);
    if (wrong !== undefined) return smaller(judge, lesser, wrong);
  }
  const asked = query.pairs.map(([name, value]) => `${name}=${value}`).join('&');
  const how = [`${query.pages} pages`, query.posted ? 'posted' : [], query.own ? 'by the patient' : []];
  return `${pathOf(query)}?${asked} (${how.flat().join(', ')})\n  ${failure}`;
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
  if (query.own) yield { ...query, own: false };
  if (query.pages > 1) yield { ...query, pages: 1 };
}
