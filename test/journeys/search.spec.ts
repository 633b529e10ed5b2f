/** A search as a client asks it: order, company, parts, totals, compartments, and what is said when it cannot be done. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startStack, type Answer, type Stack } from '../support/start-stack.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
  const resources = [
    { resourceType: 'Practitioner', id: 'lee', name: [{ family: 'Lee' }] },
    { resourceType: 'Patient', id: 'ann', name: [{ family: 'Ångström', given: ['Ann'] }], birthDate: '1950' },
    { resourceType: 'Patient', id: 'ben', name: [{ family: 'Brown', given: ['Ben'] }], birthDate: '1984-02-29' },
    { resourceType: 'Encounter', id: 'visit', status: 'finished', class: { code: 'AMB' }, subject: { reference: 'Patient/ann' } },
    ...[61, 58, 72].map((value, index) => ({
      resourceType: 'Observation',
      id: `pulse-${index}`,
      status: 'final',
      code: { coding: [{ system: 'http://loinc.org', code: '8867-4', display: 'Heart rate' }] },
      subject: { reference: 'Patient/ann' },
      encounter: { reference: 'Encounter/visit' },
      performer: [{ reference: 'Practitioner/lee' }],
      effectiveDateTime: `2026-03-0${index + 1}`,
      valueQuantity: { value, unit: '/min', system: 'http://unitsofmeasure.org', code: '/min' },
    })),
  ]; // prettier-ignore
  const entry = resources.map((resource) => ({
    resource,
    request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` },
  }));
  const body = { resourceType: 'Bundle', type: 'transaction', entry };
  expect((await stack.fhir('POST', '', { body })).status).toBe(200);
});
afterAll(() => stack.remove());

interface Found {
  readonly status: number;
  /** `Type/id` of what matches, in order. */
  readonly matches: readonly string[];
  readonly included: readonly string[];
  readonly answer: Answer;
}

async function search(path: string, headers: Record<string, string> = {}): Promise<Found> {
  const answer = await stack.fhir('GET', path, { headers });
  const entries = (answer.json.entry ?? []) as {
    resource: { resourceType: string; id: string };
    search: { mode: string };
  }[];
  const named = (mode: string): string[] =>
    entries
      .filter((entry) => entry.search.mode === mode)
      .map(({ resource }) => `${resource.resourceType}/${resource.id}`);
  return { status: answer.status, matches: named('match'), included: named('include').toSorted(), answer };
}

const pulses = (...order: number[]): string[] => order.map((index) => `Observation/pulse-${index}`);

describe('what is found', () => {
  it.each<[string, string[]]>([
    ['/Patient?family=angstrom', ['Patient/ann']],
    ['/Patient?name:exact=ann', []],
    ['/Patient?family:contains=ROW', ['Patient/ben']],
    ['/Patient?_id=ann,ben&birthdate=ge1984-02-29', ['Patient/ben']],
    ['/Patient?_id=ann,ben&birthdate:missing=true', []],
    ['/Observation?patient=ann&value-quantity=gt1|http://unitsofmeasure.org|/s', pulses(0, 2)],
    ['/Observation?patient=ann&code:not=http://loinc.org|8867-4', []],
    ['/Observation?patient=ann&code:text=heart', pulses(0, 1, 2)],
    ['/Observation?subject:Patient=ann&date=2026-03-02,2026-03-03', pulses(1, 2)],
    ['/Encounter/visit/Observation?date=lt2026-03-02', pulses(0)],
    ['/Practitioner/lee/Observation?_count=2', pulses(0, 1)],
  ])('%s', async (path, expected) => {
    const { status, matches } = await search(path);
    expect(status).toBe(200);
    expect(matches).toEqual(expected);
  });
});

describe('order and pages', () => {
  it.each([
    ['date', [0, 1, 2]],
    ['-date', [2, 1, 0]],
    ['value-quantity', [1, 0, 2]],
    ['code,-value-quantity', [2, 0, 1]],
  ])('_sort=%s, one at a time', async (sort, order) => {
    const matches: string[] = [];
    let path: string | undefined = `/Observation?patient=ann&_sort=${sort}&_count=1`;
    while (path !== undefined) {
      const page: Found = await search(path);
      expect(page.matches).toHaveLength(1);
      matches.push(...page.matches);
      const links = page.answer.json.link as { relation: string; url: string }[];
      path = links.find(({ relation }) => relation === 'next')?.url.slice(stack.base.length);
    }
    expect(matches).toEqual(pulses(...order));
  });
});

describe('what comes along', () => {
  it.each<[string, string[]]>([
    ['_include=Observation:subject', ['Patient/ann']],
    [
      '_include=Observation:performer&_include=Observation:encounter',
      ['Encounter/visit', 'Practitioner/lee'],
    ],
    ['_include=*', ['Encounter/visit', 'Patient/ann', 'Practitioner/lee']],
  ])('/Observation?date=2026-03-01&%s', async (includes, expected) => {
    expect(await search(`/Observation?date=2026-03-01&${includes}`)).toMatchObject({
      matches: pulses(0),
      included: expected,
    });
  });

  it('comes along in reverse, and on from there', async () => {
    const found = await search(
      '/Patient?_id=ann&_revinclude=Observation:subject&_include:iterate=Observation:performer',
    );
    expect(found.matches).toEqual(['Patient/ann']);
    expect(found.included).toEqual([...pulses(0, 1, 2), 'Practitioner/lee']);
  });
});

describe('how much of it', () => {
  it('_elements: what was named and what is mandatory, marked as part', async () => {
    const { answer } = await search('/Observation?date=2026-03-01&_elements=value');
    const { resource } = answer.json.entry[0];
    expect(Object.keys(resource).toSorted()).toEqual(['code', 'id', 'meta', 'resourceType', 'status', 'valueQuantity']); // prettier-ignore
    expect(resource.meta.tag).toMatchObject([{ code: 'SUBSETTED' }]);
  });
  it.each([
    ['_summary=count', 3, 0],
    ['_total=accurate&_count=1', 3, 1],
    ['_total=none', undefined, 3],
  ])('%s', async (asked, total, entries) => {
    const { answer, matches } = await search(`/Observation?patient=ann&${asked}`);
    expect(answer.json.total).toBe(total);
    expect(matches).toHaveLength(entries);
  });
});

describe('what cannot be done', () => {
  it.each([
    ['/Observation?subjct=Patient/ann', 400, 'subject'],
    ['/Observation?date=yesterday', 400, 'date'],
    ['/Observation?code:exact=x', 400, 'code'],
    ['/Observation?_sort=colour', 400, '_sort'],
    ['/Observation?_include=Observation:colour', 400, '_include'],
    ['/Patient/nobody/Observation', 404, 'Patient'],
    ['/Patient/ann/Organization', 404, 'Organization'],
  ])('%s is answered with %i and names it', async (path, status, named) => {
    const { answer } = await search(path);
    expect(answer.status).toBe(status);
    expect(answer.json.resourceType).toBe('OperationOutcome');
    expect(JSON.stringify(answer.json.issue)).toContain(named);
  });

  it('a lenient client is told what was ignored, and a self link shows what was used', async () => {
    const found = await search('/Observation?patient=ann&colour=red', { prefer: 'handling=lenient' });
    expect(found.matches).toEqual(pulses(0, 1, 2));
    expect(found.answer.json.link[0]).toEqual({
      relation: 'self',
      url: `${stack.base}/Observation?patient=ann`,
    });
    const outcome = found.answer.json.entry.at(-1);
    expect(outcome).toMatchObject({
      search: { mode: 'outcome' },
      resource: { issue: [{ severity: 'warning' }] },
    });
  });
});
