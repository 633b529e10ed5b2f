/** The first page of a person in each care setting, as those who open it get it. */
import { validateResource } from '@carelog/fhir';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startStack, type Answer, type Stack } from '../support/start-stack.ts';

const SETTINGS = ['general-practice', 'acute', 'urgent-care', 'community', 'mental-health', 'social-care', 'pharmacy', 'patient']; // prettier-ignore
const RESTRICTED = { meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' }] } }; // prettier-ignore
const ods = (value: string) => ({
  identifier: { system: 'https://fhir.nhs.uk/Id/ods-organization-code', value },
});
const snomed = (code: string, display: string) => ({ coding: [{ system: 'http://snomed.info/sct', code, display }] }); // prettier-ignore
const person = (id: string, more: object = {}) => ({ resourceType: 'Patient', id, name: [{ family: `Person-${id}` }], generalPractitioner: [ods('Y90001')], ...more }); // prettier-ignore
const allergy = (id: string, of: string, code: string, display: string, more: object = {}) => ({
  resourceType: 'AllergyIntolerance',
  id,
  clinicalStatus: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical', code: 'active' }] }, // prettier-ignore
  code: snomed(code, display),
  patient: { reference: `Patient/${of}` },
  ...more,
});
const penicillin = (id: string, of: string, more: object = {}) => allergy(id, of, '91936005', 'Allergy to penicillin', more); // prettier-ignore

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
  const resources = [
    person('ann'),
    penicillin('ann-penicillin', 'ann'),
    person('ben'),
    allergy('ben-latex', 'ben', '300916003', 'Allergy to latex'),
    person('secret'),
    { resourceType: 'EpisodeOfCare', id: 'pharmacy-first', status: 'active', patient: { reference: 'Patient/secret' }, managingOrganization: ods('FZZ01'), period: { start: '2026-01-01' } }, // prettier-ignore
    penicillin('shown', 'secret'),
    { ...allergy('hidden', 'secret', '91935009', 'Allergy to peanut'), ...RESTRICTED },
  ];
  await record(...resources);
});
afterAll(() => stack.remove());

async function record(...resources: readonly { readonly resourceType: string; readonly id: string }[]) {
  const entry = resources.map((resource) => ({ resource, request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` } })); // prettier-ignore
  const body = { resourceType: 'Bundle', type: 'transaction', entry };
  expect((await stack.fhir('POST', '', { body })).status).toBe(200);
}

const page = (of: string, profile = 'urgent-care', as = 'publisher') => stack.fhir('GET', `/Patient/${of}/$summary?profile=${profile}`, { as }); // prettier-ignore
const put = (resource: { resourceType: string; id: string }) => stack.fhir('PUT', `/${resource.resourceType}/${resource.id}`, { body: resource }); // prettier-ignore
const names = ({ json }: Answer): string[] => json.entry.map(({ resource }: { resource: { resourceType: string; id: string } }) => `${resource.resourceType}/${resource.id}`); // prettier-ignore
/** Displays of the section of allergies. */
const allergies = ({ json }: Answer): string[] =>
  (
    json.entry[0].resource.section as {
      code: { coding: { code: string }[] };
      entry?: { display: string }[];
    }[]
  )
    .filter(({ code }) => code.coding[0]!.code === '886921000000105')
    .flatMap(({ entry = [] }) => entry.map(({ display }) => display));

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** What the page says of where this is from, by name; and the text of its section. */
function whereFrom({ json }: Answer, reference: string): [Record<string, unknown>, string] {
  interface Extension {
    readonly url: string;
  }
  interface Told {
    readonly text: { readonly div: string };
    readonly entry?: { reference: string; extension: [{ extension: Extension[] }] }[];
  }
  const section = (json.entry[0].resource.section as Told[]).find(({ entry = [] }) => entry.some((it) => it.reference === reference))!; // prettier-ignore
  const [{ extension }] = section.entry!.find((it) => it.reference === reference)!.extension;
  return [Object.fromEntries(extension.map(({ url, ...value }) => [url, Object.values(value)[0]])), section.text.div]; // prettier-ignore
}

describe('a page', () => {
  it.each(SETTINGS)(
    'of %s is a document that holds what it refers to, and says how new it is',
    async (setting) => {
      const answer = await page('ann', setting);
      expect([answer.status, answer.json.type]).toEqual([200, 'document']);
      expect(Number(answer.headers.get('carelog-position'))).toBeGreaterThan(0);
      expect(validateResource(answer.json)).toEqual([]);
      const [{ resource: composition }] = answer.json.entry;
      expect(validateResource(composition)).toEqual([]);
      const held = new Set(names(answer));
      const referred = composition.section.flatMap(({ entry = [] }: { entry?: { reference: string }[] }) => entry.map(({ reference }) => reference)); // prettier-ignore
      expect([composition.subject.reference, ...referred].filter((it) => !held.has(it))).toEqual([]);
    },
  );

  it('shows what was written the moment before, and who said so', async () => {
    expect((await put(allergy('new', 'ben', '91936005', 'Allergy to penicillin'))).status).toBe(201);
    const answer = await page('ben');
    expect(allergies(answer).toSorted()).toEqual(['Allergy to latex', 'Allergy to penicillin']);
    const { json: history } = await stack.fhir('GET', '/AllergyIntolerance/new/_history');
    const [{ lastUpdated }] = history.entry.map(({ resource }: { resource: { meta: object } }) => resource.meta); // prettier-ignore
    const [where, row] = whereFrom(answer, 'AllergyIntolerance/new');
    expect(where).toMatchObject({ event: expect.stringMatching(UUID), version: '1', organisation: expect.any(String), author: expect.any(String), occurred: expect.any(String), recorded: lastUpdated }); // prettier-ignore
    expect(where).not.toHaveProperty('withheld');
    // Who said it, in words for people too.
    for (const told of [where['organisation'], where['author']]) expect(row).toContain(told);
  });

  it('is that of both records of one person while they are linked, and of one when they are not', async () => {
    const twin = {
      ...person('twin'),
      link: [{ type: 'replaced-by', other: { reference: 'Patient/original' } }],
    };
    await put(person('original'));
    await put(penicillin('of-original', 'original'));
    await put(person('twin'));
    await put(allergy('of-twin', 'twin', '300916003', 'Allergy to latex'));
    expect(allergies(await page('original'))).toEqual(['Allergy to penicillin']);
    await put(twin);
    expect(allergies(await page('original')).toSorted()).toEqual([
      'Allergy to latex',
      'Allergy to penicillin',
    ]);
    await put(person('twin'));
    expect(allergies(await page('original'))).toEqual(['Allergy to penicillin']);
  });

  it('is preliminary and says why, while more records are linked with it than one person can have', async () => {
    const link = (id: string) => [{ type: 'refer', other: { reference: `Patient/${id}` } }];
    const many = Array.from({ length: 21 }, (_, at) => person(`many-${at}`, at === 20 ? {} : { link: link(`many-${at + 1}`) })); // prettier-ignore
    await record(...many, penicillin('of-many', 'many-20'));
    const { status, text } = (await page('many-0')).json.entry[0].resource;
    expect([status, text.div]).toEqual(['preliminary', expect.stringContaining('More records are linked')]);
    await put(person('many-1'));
    expect((await page('many-0')).json.entry[0].resource.status).toBe('final');
    expect(allergies(await page('many-2'))).toEqual(['Allergy to penicillin']);
  });

  it('shows no more what was taken back', async () => {
    await put(person('carl'));
    await put(penicillin('mistake', 'carl'));
    expect(allergies(await page('carl'))).toEqual(['Allergy to penicillin']);
    expect((await stack.fhir('DELETE', '/AllergyIntolerance/mistake')).status).toBe(204);
    expect(allergies(await page('carl'))).toEqual([]);
  });

  it('is not set back by an older version that comes late', async () => {
    await put(person('dora'));
    const version = (issued: string, code: string, display: string) => put(allergy('late', 'dora', code, display, { meta: { lastUpdated: issued } })); // prettier-ignore
    await version('2026-05-02T00:00:00Z', '300916003', 'Allergy to latex');
    await version('2026-05-01T00:00:00Z', '91936005', 'Allergy to penicillin');
    expect(allergies(await page('dora'))).toEqual(['Allergy to latex']);
  });
});

describe('who may see what', () => {
  it('holds nothing that is kept from the reader, and says to staff that something is', async () => {
    const answer = await page('secret', 'pharmacy', 'pharmacist');
    expect(answer.status).toBe(200);
    expect(answer.text).not.toContain('peanut');
    expect(JSON.stringify(answer.json.entry[0].resource.extension)).toContain('"valueBoolean":true');
    expect((await page('secret', 'pharmacy')).text).toContain('peanut');
  });

  it('gives nobody the page of whom they may not know', async () => {
    const stranger = await page('ann', 'urgent-care', 'paramedic');
    const nobody = await page('nobody', 'urgent-care', 'paramedic');
    expect([stranger.status, nobody.status]).toEqual([404, 404]);
    expect(stranger.text).toBe(nobody.text);
  });
});

it.each([
  ['profile=dentistry', 400],
  ['profile=https://fhir.carelog.example/StructureDefinition/summary-acute', 200],
  ['', 200],
  ['profile=acute&colour=red', 400],
])('asked with %s it answers %i', async (query, status) => {
  const answer = await stack.fhir('GET', `/Patient/ann/$summary?${query}`);
  expect(answer.status).toBe(status);
  if (status === 400) expect(answer.json.issue[0].expression).toBeDefined();
});
