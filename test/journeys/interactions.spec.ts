/** Each interaction as HTTP sees it: statuses, headers and what refusals say. https://hl7.org/fhir/R4/http.html */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SEARCH_LIMITS, validateResource } from '@carelog/fhir';
import { isTaken } from '../support/cases.ts';
import { startStack, type Stack } from '../support/start-stack.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack.remove());

const NHS = 'https://fhir.nhs.uk/Id/nhs-number';
const organisation = (name: string) => ({ resourceType: 'Organization', name });
const observation = (patient: string, more = {}) => ({
  resourceType: 'Observation', status: 'final', code: { text: 'Heart rate' }, subject: { reference: `Patient/${patient}` }, ...more,
}); // prettier-ignore
const register = async (more = {}): Promise<string> =>
  (
    await stack.fhir('POST', '/Patient', {
      body: { resourceType: 'Patient', name: [{ family: 'Grey' }], ...more },
    })
  ).json.id as string;

describe('create', () => {
  it('answers 201 with the resource, its place, its version and the position of the log', async () => {
    const answer = await stack.fhir('POST', '/Organization', { body: organisation('One') });
    const { id, meta } = answer.json;
    expect(answer.status).toBe(201);
    expect(answer.headers.get('location')).toBe(`${stack.base}/Organization/${id}/_history/1`);
    expect(answer.headers.get('etag')).toBe('W/"1"');
    expect(answer.headers.get('content-type')).toContain('application/fhir+json');
    expect(Number(answer.headers.get('carelog-position'))).toBeGreaterThan(0);
    expect(answer.json).toEqual({ ...organisation('One'), id, meta });
    expect(meta).toEqual({ versionId: '1', lastUpdated: expect.any(String) });
  });
  it.each([
    ['return=minimal', ''],
    ['return=OperationOutcome', 'OperationOutcome'],
    ['return=representation', 'Organization'],
  ])('answers as Prefer: %s asks', async (prefer, type) => {
    const answer = await stack.fhir('POST', '/Organization', {
      body: organisation('Two'),
      headers: { prefer },
    });
    expect(answer.status).toBe(201);
    expect(answer.json?.resourceType ?? '').toBe(type);
  });
  it('reports references that have not arrived when asked for an OperationOutcome', async () => {
    const body = observation(await register(), { encounter: { reference: 'Encounter/later' } });
    const answer = await stack.fhir('POST', '/Observation', {
      body,
      headers: { prefer: 'return=OperationOutcome' },
    });
    expect(answer.json.issue).toMatchObject([
      { severity: 'information', expression: ['Observation.encounter'] },
    ]);
  });
  it('names the existing Patient when the NHS number is taken', async () => {
    const identifier = [{ system: NHS, value: '9434765919' }];
    const id = await register({ identifier });
    const same = await stack.fhir('POST', '/Patient', {
      body: { resourceType: 'Patient', name: [{ family: 'Grey' }], identifier },
    });
    const other = await stack.fhir('POST', '/Patient', { body: { resourceType: 'Patient', identifier } });
    expect([same.status, same.json.id]).toEqual([200, id]);
    expect(same.headers.get('location')).toContain(`/Patient/${id}/`);
    expect([other.status, other.headers.get('location')]).toEqual([409, `${stack.base}/Patient/${id}`]);
    expect(other.json.issue[0].diagnostics).toContain('If-None-Exist');
  });
  it('honours If-None-Exist and Idempotency-Key', async () => {
    const body = { ...organisation('Three'), identifier: [{ system: 'urn:x', value: 'three' }] };
    const headers = { 'if-none-exist': 'identifier=urn:x|three' };
    const first = await stack.fhir('POST', '/Organization', { body, headers });
    const second = await stack.fhir('POST', '/Organization', { body: { ...body, name: 'Other' }, headers });
    expect([first.status, second.status, second.json.id]).toEqual([201, 200, first.json.id]);
    const keyed = { body: organisation('Four'), headers: { 'idempotency-key': 'four' } };
    const third = await stack.fhir('POST', '/Organization', keyed);
    const fourth = await stack.fhir('POST', '/Organization', keyed);
    expect([third.status, fourth.status, fourth.json.id]).toEqual([201, 200, third.json.id]);
  });
});

describe('update, delete and versions', () => {
  it('creates under the id of the client, keeps versions, refuses stale ones, and tells an end from a beginning', async () => {
    const path = '/Organization/of-ours';
    const put = (name: string, headers = {}) =>
      stack.fhir('PUT', path, { body: { ...organisation(name), id: 'of-ours' }, headers });
    expect((await put('A')).status).toBe(201);
    expect((await put('A')).headers.get('etag')).toBe('W/"1"');
    expect((await put('B', { 'if-match': 'W/"1"' })).headers.get('etag')).toBe('W/"2"');
    expect((await put('C', { 'if-match': 'W/"1"' })).status).toBe(412);
    expect((await put('C', { 'if-none-match': '*' })).status).toBe(412);
    expect((await put('C', { 'if-match': 'nonsense' })).status).toBe(400);
    expect((await stack.fhir('DELETE', path)).status).toBe(204);
    expect((await stack.fhir('DELETE', path)).status).toBe(204);
    expect((await stack.fhir('GET', path)).status).toBe(410);
    expect((await stack.fhir('GET', `${path}/_history/2`)).json.name).toBe('B');
    expect((await stack.fhir('GET', `${path}/_history/3`)).status).toBe(410);
    expect((await stack.fhir('GET', `${path}/_history/9`)).status).toBe(404);
    expect((await put('D')).status).toBe(201);
    const history = await stack.fhir('GET', `${path}/_history`);
    expect(history.json.entry.map((entry: { request: { method: string } }) => entry.request.method)).toEqual([
      'PUT',
      'DELETE',
      'PUT',
      'POST',
    ]);
    const pages = await stack.fhir('GET', `${path}/_history?_count=3`);
    const next = pages.json.link.find((link: { relation: string }) => link.relation === 'next').url as string;
    expect((await stack.fhir('GET', next)).json.entry).toHaveLength(1);
  });
  it('answers 304 to who has the version already', async () => {
    const { json } = await stack.fhir('POST', '/Organization', { body: organisation('Five') });
    const path = `/Organization/${json.id}`;
    expect((await stack.fhir('GET', path, { headers: { 'if-none-match': 'W/"1"' } })).status).toBe(304);
    expect((await stack.fhir('GET', path, { headers: { 'if-none-match': 'W/"2"' } })).status).toBe(200);
  });
});

describe('search', () => {
  it('refuses what it does not know and names the nearest, or says what it ignored', async () => {
    const strict = await stack.fhir('GET', '/Patient?identifer=x');
    expect(strict.status).toBe(400);
    expect(strict.json.issue[0].diagnostics).toContain('identifier');
    const lenient = await stack.fhir('GET', '/Patient?identifer=x', {
      headers: { prefer: 'handling=lenient' },
    });
    expect(lenient.status).toBe(200);
    expect(lenient.json.link[0].url).not.toContain('identifer');
    expect(lenient.json.entry.at(-1).search.mode).toBe('outcome');
  });
  it('sees what was written just before, by GET and by POST, and counts right', async () => {
    const patient = await register();
    for (let index = 0; index < 30; index += 1) {
      const { json } = await stack.fhir('POST', '/Observation', {
        body: observation(patient, { identifier: [{ system: 'urn:n', value: `${patient}-${index}` }] }),
      });
      const found = await stack.fhir('GET', `/Observation?identifier=urn:n|${patient}-${index}`);
      expect(found.json.entry.map((entry: { resource: { id: string } }) => entry.resource.id)).toEqual([
        json.id,
      ]);
      const count = await stack.fhir('GET', `/Observation?patient=${patient}&_summary=count`);
      expect(count.json.total).toBe(index + 1);
    }
    const form = {
      body: `patient=${patient}&_count=7`,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    };
    const posted = await stack.fhir('POST', '/Observation/_search', form);
    expect(posted.json.entry).toHaveLength(7);
    const next = posted.json.link.find((link: { relation: string }) => link.relation === 'next')
      .url as string;
    expect((await stack.fhir('GET', next)).json.entry).toHaveLength(7);
    expect((await stack.fhir('GET', next, { as: 'gp' })).status).toBe(400);
    expect((await stack.fhir('GET', next.replace(patient, 'other'))).status).toBe(400);
  });
  it('gives the whole record of one person', async () => {
    const patient = await register();
    const { json: nurse } = await stack.fhir('POST', '/Practitioner', {
      body: { resourceType: 'Practitioner', name: [{ family: 'Nurse' }] },
    });
    await stack.fhir('POST', '/Observation', {
      body: observation(patient, { performer: [{ reference: `Practitioner/${nurse.id}` }] }),
    });
    await stack.fhir('POST', '/Observation', { body: observation(await register()) });
    const everything = await stack.fhir('GET', `/Patient/${patient}/$everything`);
    const types = everything.json.entry.map(
      (entry: { resource: { resourceType: string } }) => entry.resource.resourceType,
    );
    expect(types).toEqual(['Patient', 'Observation', 'Practitioner']);
    expect((await stack.fhir('GET', '/Patient/nobody/$everything')).status).toBe(404);
    const ofMany = `/Patient/${patient}/$everything?_type=${'Observation,'.repeat(200)}`;
    expect((await stack.fhir('GET', ofMany)).status).toBe(413);
  });
});

describe('transaction and batch', () => {
  const entryOf = (resource: { resourceType: string }, more = {}) => ({
    resource,
    request: { method: 'POST', url: resource.resourceType, ...more },
  });
  it('a transaction with one wrong entry records nothing and names the entry', async () => {
    const bundle = {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [
        entryOf(organisation('Kept out')),
        entryOf({ resourceType: 'Organization', active: 'yes' } as never),
      ],
    };
    const answer = await stack.fhir('POST', '', { body: bundle });
    expect(answer.status).toBe(400);
    expect(answer.json.issue.map((issue: { expression: string[] }) => issue.expression[0])).toContain(
      'Bundle.entry[1].resource.active',
    );
  });
  it('a batch takes each entry by itself, reads included', async () => {
    const id = await register();
    const bundle = {
      resourceType: 'Bundle',
      type: 'batch',
      entry: [
        entryOf(organisation('Six')),
        entryOf({ resourceType: 'Organization', active: 'yes' } as never),
        { request: { method: 'GET', url: `Patient/${id}` } },
        { request: { method: 'GET', url: 'Patient/nobody' } },
        { request: { method: 'DELETE', url: `Patient/${id}` } },
        { request: { method: 'GET', url: `Observation?patient=${id}&_summary=count` } },
      ],
    };
    const answer = await stack.fhir('POST', '', { body: bundle });
    const statuses = answer.json.entry.map((entry: { response: { status: string } }) =>
      entry.response.status.slice(0, 3),
    );
    expect(statuses).toEqual(['201', '400', '410', '404', '204', '200']);
  });
});

describe('refusals', () => {
  it.each<[string, string, string, unknown, Record<string, string>, number]>([
    ['malformed JSON', 'POST', '/Patient', '{"resourceType":', {}, 400],
    [
      'a duplicate key',
      'POST',
      '/Patient',
      '{"resourceType":"Patient","active":true,"active":false}',
      {},
      400,
    ],
    ['too deep', 'POST', '/Patient', `${'{"a":'.repeat(500)}1${'}'.repeat(500)}`, {}, 400],
    ['an empty body', 'POST', '/Patient', '', {}, 400],
    ['another media type', 'POST', '/Patient', '<Patient/>', { 'content-type': 'application/fhir+xml' }, 415],
    ['XML wanted', 'GET', '/Patient/1', undefined, { accept: 'application/fhir+xml' }, 406],
    ['an unknown type', 'GET', '/Pateint/1', undefined, {}, 404],
    ['another type in the body', 'POST', '/Patient', { resourceType: 'Organization' }, {}, 400],
    ['another id in the body', 'PUT', '/Patient/a', { resourceType: 'Patient', id: 'b' }, {}, 400],
    [
      'an id like an NHS number',
      'PUT',
      '/Patient/9434765919',
      { resourceType: 'Patient', id: '9434765919' },
      {},
      422,
    ],
    ['an id that is none', 'PUT', '/Patient/a_b', { resourceType: 'Patient', id: 'a_b' }, {}, 400],
    [
      'a method that is not there',
      'PATCH',
      '/Patient/1',
      '[]',
      { 'content-type': 'application/json-patch+json' },
      405,
    ],
    ['an address that is not there', 'GET', '/Patient/1/$nothing', undefined, {}, 404],
    ['a count that is none', 'GET', '/Patient?_count=many', undefined, {}, 400],
    ['a date that is none', 'GET', '/Observation?date=yesterday', undefined, {}, 400],
    ['a forged cursor', 'GET', '/Patient?_cursor=W10.x', undefined, {}, 400],
    ['more entries than a Bundle may have', 'POST', '', { resourceType: 'Bundle', type: 'batch', entry: Array(5_001).fill({ request: { method: 'GET', url: 'Patient/1' } }) }, {}, 413], // prettier-ignore
    ['a document at the base', 'POST', '', { resourceType: 'Bundle', type: 'document' }, {}, 400],
    ['bytes that are not UTF-8 in the address', 'GET', '/Patient/%E0%A4%A', undefined, {}, 400],
  ])('%s: %s %s', async (_, method, path, body, headers, status) => {
    const answer = await stack.fhir(method, path, { body, headers });
    expect(answer.status).toBe(status);
    expect(answer.json).toMatchObject({
      resourceType: 'OperationOutcome',
      issue: [{ severity: 'error', diagnostics: expect.stringMatching(/\.$/) }],
    });
  });
});

describe('what it says of itself', () => {
  // What it says of parameters is held to in test/conformance/search-parameters.spec.ts.
  it('is a valid CapabilityStatement, open to all, and true of each _include and _revinclude it lists', async () => {
    const answer = await fetch(`${stack.base}/metadata`);
    const statement = (await answer.json()) as Capabilities;
    expect(validateResource(statement)).toEqual([]);
    const wrong: string[] = [];
    const types = statement.rest[0]!.resource.filter((_, number) => isTaken(number));
    for (const { type, searchInclude = [], searchRevInclude = [] } of types) {
      const asked = [
        ...searchInclude.map((value) => `_include=${value}`),
        ...searchRevInclude.map((value) => `_revinclude=${value}`),
      ];
      for (let from = 0; from < asked.length; from += SEARCH_LIMITS.includes) {
        const includes = asked.slice(from, from + SEARCH_LIMITS.includes).join('&');
        const found = await stack.fhir('GET', `/${type}?${includes}`);
        if (found.status !== 200) wrong.push(`${type}?${includes}: ${found.text}`);
      }
    }
    expect(wrong).toEqual([]);
  });
  it('answers in resources that are valid themselves', async () => {
    const patient = await register();
    await stack.fhir('POST', '/Observation', { body: observation(patient) });
    for (const path of [
      `/Observation?patient=${patient}&_count=1`,
      `/Patient/${patient}/_history`,
      `/Patient/${patient}/$everything`,
      '/Patient/nobody',
    ]) {
      const answer = await stack.fhir('GET', path);
      expect(validateResource(answer.json), path).toEqual([]);
    }
  });
});

interface Capabilities {
  readonly rest: readonly {
    readonly resource: readonly {
      readonly type: string;
      readonly searchInclude?: readonly string[];
      readonly searchRevInclude?: readonly string[];
    }[];
  }[];
}

describe('who may do what', () => {
  it('lets a patient read their own record and nothing of others', async () => {
    const { firstPersonNhsNumber } = await import('@carelog/synthetic');
    const { DEMO_SEED } = await import('../../apps/carelog/src/demo-population.ts');
    const own = await register({ identifier: [{ system: NHS, value: firstPersonNhsNumber(DEMO_SEED) }] });
    const other = await register();
    const { json: mine } = await stack.fhir('POST', '/Observation', { body: observation(own) });
    const { json: theirs } = await stack.fhir('POST', '/Observation', { body: observation(other) });
    const as = 'patient';
    expect((await stack.fhir('GET', `/Patient/${own}`, { as })).status).toBe(200);
    expect((await stack.fhir('GET', `/Observation/${mine.id}`, { as })).status).toBe(200);
    expect((await stack.fhir('GET', `/Observation/${theirs.id}`, { as })).status).toBe(404);
    expect((await stack.fhir('GET', `/Observation/${theirs.id}/_history`, { as })).status).toBe(404);
    expect((await stack.fhir('GET', `/Patient/${other}/$everything`, { as })).status).toBe(404);
    const nurse = { resourceType: 'Practitioner', id: `nurse-of-${own}` };
    expect((await stack.fhir('PUT', `/Practitioner/${nurse.id}`, { body: nurse })).status).toBe(201);
    const performer = [{ reference: `Practitioner/${nurse.id}` }];
    for (const { id, resource } of [
      { id: mine.id, resource: observation(own, { performer }) },
      { id: theirs.id, resource: observation(other, { performer }) },
    ])
      await stack.fhir('PUT', `/Observation/${id}`, { body: { ...resource, id } });
    const through = await stack.fhir(
      'GET',
      `/Practitioner?_id=${nurse.id}&_revinclude=Observation:performer&_include:iterate=*`,
      { as },
    );
    expect(through.json.entry.map((entry: { resource: { id: string } }) => entry.resource.id)).toEqual([
      nurse.id,
      mine.id,
      own,
    ]);
    const found = await stack.fhir('GET', '/Observation', { as });
    expect(found.json.entry.map((entry: { resource: { id: string } }) => entry.resource.id)).toEqual([
      mine.id,
    ]);
    expect((await stack.fhir('GET', '/Patient?_summary=count', { as })).json.total).toBe(1);
    expect((await stack.fhir('POST', '/Observation', { as, body: observation(own) })).status).toBe(403);
  });
  it('keeps clinical content from operators and writing from auditors', async () => {
    expect((await stack.fhir('GET', '/Patient', { as: 'operator' })).status).toBe(403);
    expect((await stack.fhir('GET', '/Patient', { as: 'auditor' })).status).toBe(200);
    expect(
      (await stack.fhir('POST', '/Organization', { as: 'auditor', body: organisation('No') })).status,
    ).toBe(403);
    expect(
      (await stack.fhir('GET', `${stack.url}/status`, { as: 'operator' })).json.log.position,
    ).toBeGreaterThan(0);
    expect((await stack.fhir('GET', `${stack.url}/status`, { as: 'gp' })).status).toBe(403);
  });
});
