/** What a public-health analyst asks of a population: indicators as measures, who may have them, and what they never tell. */
import { validateResource } from '@carelog/fhir';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmptyStack, type Answer, type FhirOptions, type Stack } from '../support/start-stack.ts';

const NAME = 'discharge-summaries-within-24-hours';
const MAY = 'periodStart=2026-05&periodEnd=2026-05';
const planning: FhirOptions = { limits: { purpose: 'planning' } };
const ods = (value: string) => ({ identifier: { system: 'https://fhir.nhs.uk/Id/ods-organization-code', value } }); // prettier-ignore
const people = Array.from({ length: 20 }, (_, at) => `indicator-${at + 1}`);
const subject = (id: string) => ({ reference: `Patient/${id}` });

type Resource = { readonly resourceType: string; readonly id: string };
const person = (id: string) => ({ resourceType: 'Patient', id, name: [{ family: 'Counted' }], birthDate: '1950-01-01', gender: 'female', generalPractitioner: [ods('Y90001')] }); // prettier-ignore
const stay = (id: string) => ({ resourceType: 'Encounter', id: `stay-${id}`, status: 'finished', class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'IMP' }, subject: subject(id), period: { start: '2026-05-10', end: '2026-05-14T11:00:00Z' } }); // prettier-ignore
const summary = (id: string) => ({ resourceType: 'DocumentReference', id: `letter-${id}`, status: 'current', docStatus: 'final', type: { coding: [{ system: 'http://snomed.info/sct', code: '373942005' }] }, subject: subject(id), date: '2026-05-14T15:00:00Z', context: { encounter: [{ reference: `Encounter/stay-${id}` }] }, content: [{ attachment: { contentType: 'text/plain', data: 'SGVsbG8=' } }] }); // prettier-ignore
const optOut = (id: string, status: string) => ({ resourceType: 'Consent', id: `choice-${id}`, status, scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'research' }] }, category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }], patient: subject(id), policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTOUT' }] }, provision: { type: 'deny' } }); // prettier-ignore

let stack: Stack;
beforeAll(async () => {
  stack = await startEmptyStack();
  // Of 20 stays 12 have a summary in time.
  await record(...people.flatMap((id) => [person(id), stay(id)]), ...people.slice(0, 12).map(summary));
});
afterAll(() => stack.remove());

async function record(...resources: readonly Resource[]): Promise<void> {
  const entry = resources.map((resource) => ({ resource, request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` } })); // prettier-ignore
  const { status, text } = await stack.fhir('POST', '', { body: { resourceType: 'Bundle', type: 'transaction', entry } }); // prettier-ignore
  expect([status, text.slice(0, 2_000)]).toEqual([200, expect.anything()]);
}

const evaluate = (query: string, more: FhirOptions = planning) => stack.fhir('GET', `/Measure/${NAME}/$evaluate-measure?${query}`, more); // prettier-ignore

interface Counts {
  readonly population: readonly { readonly code: { readonly coding: readonly { readonly code: string }[] }; readonly count?: number }[]; // prettier-ignore
  readonly measureScore?: { readonly value: number };
}
/** What is masked is `*`. */
function countsOf({ population, measureScore }: Counts): Record<string, number | string | undefined> {
  const counts = population.map(({ code, count }) => [code.coding[0]!.code, count ?? '*']);
  return { ...Object.fromEntries(counts), score: measureScore?.value };
}
const issues = ({ json }: Answer) => (json.issue as { expression?: string[]; diagnostics: string }[]).flatMap(({ expression = [] }) => expression); // prettier-ignore

describe('the catalogue', () => {
  it('lists valid measures, each of which can be read, and says so in the CapabilityStatement', async () => {
    const { json } = await stack.fhir('GET', '/Measure', { as: 'gp' });
    const listed = json.entry.map(({ resource }: { resource: Resource }) => resource) as Resource[];
    expect([json.type, listed.length, json.total]).toEqual(['searchset', 7, 7]);
    for (const it of [json, ...listed]) expect(validateResource(it)).toEqual([]);
    const read = await stack.fhir('GET', `/Measure/${NAME}`, { as: 'gp' });
    expect([read.status, read.json]).toEqual([200, listed.find(({ id }) => id === NAME)]);
    const one = await stack.fhir('GET', `/Measure?url=${read.json.url}`, { as: 'gp' });
    expect(one.json.total).toBe(1);
    const { rest } = (await stack.fhir('GET', '/metadata')).json;
    const { operation } = rest[0].resource.find(({ type }: { type: string }) => type === 'Measure');
    expect(operation).toMatchObject([{ name: 'evaluate-measure' }]);
  });

  it('leaves room for measures that others record', async () => {
    const body = { resourceType: 'Measure', id: 'theirs', status: 'draft', title: 'Theirs' };
    expect((await stack.fhir('PUT', '/Measure/theirs', { body })).status).toBe(201);
    expect((await stack.fhir('GET', '/Measure/theirs')).json.title).toBe('Theirs');
    expect((await stack.fhir('GET', '/Measure?title=Theirs')).json.entry).toHaveLength(1);
    expect((await stack.fhir('GET', `/Measure/theirs/$evaluate-measure?${MAY}`, planning)).status).toBe(404);
  });
});

describe('a report', () => {
  it('is a valid summary with rounded numbers, by organisation, practice, sex and age, as new as it says', async () => {
    const answer = await evaluate(MAY);
    expect(answer.status).toBe(200);
    expect(Number(answer.headers.get('carelog-position'))).toBeGreaterThanOrEqual(52);
    expect(validateResource(answer.json)).toEqual([]);
    expect(answer.json).toMatchObject({ resourceType: 'MeasureReport', type: 'summary', status: 'complete', period: { start: '2026-05-01', end: '2026-05-31' } }); // prettier-ignore
    const [group] = answer.json.group;
    expect(countsOf(group)).toEqual({ 'initial-population': 20, denominator: 20, 'denominator-exclusion': 0, numerator: 10, score: 50 }); // prettier-ignore
    const strata = group.stratifier.map(({ code, stratum }: { code: { text: string }[]; stratum: { value: { text: string } }[] }) => [code[0]!.text, ...stratum.map(({ value }) => value.text)]); // prettier-ignore
    expect(strata).toEqual([['organisation', expect.any(String)], ['practice', 'Y90001'], ['sex', 'female'], ['age', '65 to 79']]); // prettier-ignore
    expect(answer.text).not.toMatch(/indicator-|Counted|Patient\//);
  });

  it('is the same by POST, and of one practice or of none', async () => {
    const parameter = [{ name: 'periodStart', valueDate: '2026-05-01' }, { name: 'periodEnd', valueDate: '2026-05-31' }, { name: 'reporter', valueString: 'Y90001' }]; // prettier-ignore
    const posted = await stack.fhir('POST', `/Measure/${NAME}/$evaluate-measure`, { ...planning, body: { resourceType: 'Parameters', parameter } }); // prettier-ignore
    expect(validateResource(posted.json)).toEqual([]);
    expect([posted.json.reporter.identifier.value, countsOf(posted.json.group[0]).denominator]).toEqual(['Y90001', 20]); // prettier-ignore
    expect(countsOf((await evaluate(`${MAY}&reporter=Organization/nowhere`)).json.group[0]).denominator).toBe(0); // prettier-ignore
    expect(countsOf((await evaluate('periodStart=2026-06&periodEnd=2026')).json.group[0]).denominator).toBe(0); // prettier-ignore
  });

  it('counts for one organisation what names it by its code and what refers to it, once the record has its code', async () => {
    const june = 'periodStart=2026-06&periodEnd=2026-06';
    const inJune = (id: string, more: object = {}) => ({ ...stay(id), id: `june-${id}`, period: { start: '2026-06-01', end: '2026-06-03T11:00:00Z' }, ...more }); // prettier-ignore
    const [one, other] = [people.slice(0, 10), people.slice(10)];
    await record(...one.map((id) => inJune(id)), ...other.map((id) => inJune(id, { serviceProvider: { reference: 'Organization/the-trust' } }))); // prettier-ignore
    const byOrganisation = async (query: string) => {
      const { stratifier } = (await evaluate(query)).json.group[0];
      const { stratum = [] } = stratifier.find(({ code }: { code: { text: string }[] }) => code[0]!.text === 'organisation'); // prettier-ignore
      return stratum.map((it: Counts & { value: { text: string } }) => [
        it.value.text,
        countsOf(it).denominator,
      ]);
    };
    const [[code]] = await byOrganisation(MAY);
    expect(await byOrganisation(june)).toEqual([['Organization/the-trust', 10], [code, 10]].toSorted(([a], [b]) => (a < b ? -1 : 1))); // prettier-ignore
    await record({ resourceType: 'Organization', id: 'the-trust', identifier: [ods(code).identifier], name: 'Trust' } as Resource); // prettier-ignore
    expect(await byOrganisation(june)).toEqual([[code, 20]]);
    expect(await byOrganisation(`${june}&reporter=Organization/the-trust`)).toEqual([[code, 20]]);
  });

  it('heeds who opts out at once, and who takes that back; what is then small is masked', async () => {
    const gone = people.slice(0, 7);
    await record(...gone.map((id) => optOut(id, 'active')));
    expect(countsOf((await evaluate(MAY)).json.group[0])).toEqual({ 'initial-population': 15, denominator: 15, 'denominator-exclusion': 0, numerator: '*', score: undefined }); // prettier-ignore
    await record(...gone.map((id) => optOut(id, 'inactive')));
    expect(countsOf((await evaluate(MAY)).json.group[0])).toMatchObject({ denominator: 20, numerator: 10 });
  });
});

describe('refused', () => {
  it.each([
    ['', ['periodStart', 'periodEnd']],
    ['periodStart=2026-02-30&periodEnd=2026-13', ['periodStart', 'periodEnd']],
    ['periodStart=2026-05-02&periodEnd=2026-05-01', ['periodEnd']],
    [`${MAY}&reportType=individual`, ['reportType']],
    [`${MAY}&reportType=subject-list`, ['reportType']],
    [`${MAY}&subject=Patient/1&reporter=Patient/1`, ['reporter', 'subject']],
    [`${MAY}&patient=1`, ['patient']],
  ])('%s, saying where', async (query, expressions) => {
    const answer = await evaluate(query);
    expect([answer.status, issues(answer)]).toEqual([400, expressions]);
    expect(validateResource(answer.json)).toEqual([]);
  });

  it('a body that is no Parameters', async () => {
    const answer = await stack.fhir('POST', `/Measure/${NAME}/$evaluate-measure`, { ...planning, body: person('x') }); // prettier-ignore
    expect([answer.status, issues(answer)]).toEqual([400, ['Parameters']]);
  });

  it.each([
    ['publisher', 'planning', 200],
    ['publisher', 'research', 200],
    ['publisher', 'direct-care', 403],
    ['publisher', undefined, 403],
    ['auditor', undefined, 200],
    ['gp', 'audit', 200],
    ['gp', undefined, 403],
    ['gp', 'planning', 403],
    ['patient', undefined, 403],
    ['operator', undefined, 403],
  ])('or not: %s for %s is answered %i, and an access record tells of it', async (as, purpose, status) => {
    const answer = await evaluate(MAY, { as, limits: purpose === undefined ? {} : { purpose } });
    expect(answer.status).toBe(status);
    const { json } = await stack.fhir('GET', '/AuditEvent?_count=1', { as: 'auditor' });
    const { outcome, subtype, entity } = json.entry[0].resource;
    const query = (entity as { query?: string }[]).find((it) => it.query !== undefined)!.query!;
    expect([outcome, subtype[0].code]).toEqual([status === 200 ? '0' : '4', 'operation']);
    expect(atob(query)).toBe(`Measure/${NAME}/$evaluate-measure?periodEnd=2026-05&periodStart=2026-05`);
  });
});
