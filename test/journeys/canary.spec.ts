/**
 * Values of a person that nothing else holds are sent by every way in and through every kind of error. Then they are looked
 * for where operators look: logs, metrics, status, what commands print, names of files; and in the log, which is sealed.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '@carelog/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dataPaths } from '../../apps/carelog/src/paths.ts';
import { exchange } from '../support/raw-http.ts';
import { startServer, type ServerProcess } from '../support/server-process.ts';

const CARELOG = fileURLToPath(new URL('../../apps/carelog/bin/carelog.mjs', import.meta.url));
const NHS_NUMBER = 'https://fhir.nhs.uk/Id/nhs-number';

/** In every text about a person; and what cannot hold it, because of its shape. */
const MARK = 'Zqcanary';
const SHAPED = ['9990000395', '07700900961', 'ZQ74 1CN', '1931-07-19'] as const;
const [NUMBER, PHONE, POSTCODE, BORN] = SHAPED;
/** In every id that a client chooses; these stand in the names of streams, but nowhere else. */
const IDENT = 'zqident';

const folder = temporaryFolder();
/** There before the server, and open to all, as a careless operator makes it. */
const data = join(folder, 'data');
mkdirSync(data, { mode: 0o755 });
const statuses = new Map<string, number>();
const secrets: string[] = [];
let server: ServerProcess;
let printed = '';
let tokens: Record<'publisher' | 'gp' | 'patient' | 'operator', string>;

const person = (more: Record<string, unknown> = {}) => ({
  resourceType: 'Patient',
  identifier: [
    { system: NHS_NUMBER, value: NUMBER },
    { system: `https://example.org/${MARK}`, value: `${MARK}Number` },
  ],
  name: [{ family: `${MARK}Family`, given: [`${MARK}Given`], text: `${MARK}Whole` }],
  telecom: [
    { system: 'phone', value: PHONE },
    { system: 'email', value: `${MARK}@example.org` },
  ],
  address: [{ line: [`1 ${MARK} Road`], city: `${MARK}Town`, postalCode: POSTCODE }],
  birthDate: BORN,
  ...more,
});
const note = (subject: string, more: Record<string, unknown> = {}) => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text: `${MARK}Code` },
  subject: { reference: subject },
  note: [{ text: `${MARK}Note ${NUMBER}` }],
  valueString: `${MARK}Value`,
  ...more,
});

beforeAll(async () => {
  server = await started();
  tokens = await signedIn();
});
afterAll(() => server.kill());

async function started(): Promise<ServerProcess> {
  const running = await startServer(data, {
    CARELOG_LOG: 'debug',
    CARELOG_BODY_LIMIT_MB: '1',
    CARELOG_CORS_ORIGINS: 'https://app.example.org',
  });
  const keep = (chunk: Buffer): void => void (printed += chunk.toString());
  running.process.stdout!.on('data', keep);
  running.process.stderr!.on('data', keep);
  return running;
}

async function signedIn(): Promise<typeof tokens> {
  const names = ['publisher', 'gp', 'patient', 'operator'] as const;
  const got = await Promise.all(names.map((name) => server.token(name)));
  for (const token of got) secrets.push(...token.split('.').slice(1));
  return Object.fromEntries(names.map((name, i) => [name, got[i]!])) as typeof tokens;
}

interface Asked {
  readonly as?: keyof typeof tokens;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

async function ask(method: string, path: string, { as = 'publisher', body, headers }: Asked = {}) {
  const sent = body === undefined || typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body); // prettier-ignore
  const response = await fetch(server.url + path, {
    method,
    redirect: 'manual',
    headers: {
      authorization: `Bearer ${tokens[as]}`,
      'user-agent': `${MARK}Browser`,
      referer: `https://example.org/${MARK}?nhs=${NUMBER}`,
      'x-request-id': `${MARK}Request`,
      traceparent: `00-${MARK}-01`,
      ...(sent !== undefined && { 'content-type': 'application/fhir+json' }),
      ...headers,
    },
    ...(sent !== undefined && { body: sent as string }),
  });
  count(response.status);
  return response;
}

function count(status: number): void {
  statuses.set(String(status), (statuses.get(String(status)) ?? 0) + 1);
}

const fhir = (method: string, path: string, asked?: Asked) => ask(method, `/fhir/R4${path}`, asked);
const encoded = encodeURIComponent;
const form = { 'content-type': 'application/x-www-form-urlencoded' };

describe('values of a person, sent', () => {
  it('as they should be', async () => {
    const created = await fhir('PUT', `/Patient/${IDENT}-1`, { body: person({ id: `${IDENT}-1` }) });
    expect(created.status).toBe(201);
    const observed = await fhir('POST', '/Observation', { body: note(`Patient/${IDENT}-1`) });
    expect(observed.status).toBe(201);
    const keyed = { 'idempotency-key': `${MARK}-key`, 'if-none-exist': `identifier=${MARK}|${MARK}` };
    expect((await fhir('POST', '/Patient', { body: named(1), headers: keyed })).status).toBe(201);
    const bundle = {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [
        {
          fullUrl: 'urn:uuid:0198c5a1-7a3e-7cc1-9d8e-0a1b2c3d4e5f',
          resource: note(`Patient/${IDENT}-1`),
          request: { method: 'POST', url: 'Observation', ifNoneExist: `identifier=${MARK}` },
        },
      ],
    };
    expect((await fhir('POST', '', { body: bundle })).status).toBe(200);
    for (const as of ['publisher', 'gp', 'patient'] as const) {
      for (const path of [
        `/Patient/${IDENT}-1`,
        `/Patient/${IDENT}-1/_history`,
        `/Patient/${IDENT}-1/$everything`,
        `/Patient/${IDENT}-1/Observation?code:text=${MARK}`,
        `/Patient?identifier=${NHS_NUMBER}|${NUMBER}`,
        `/Patient?name=${MARK}&address=${MARK}&telecom=${PHONE}&birthdate=${BORN}&address-postalcode=${encoded(POSTCODE)}`,
        `/Observation?patient.name=${MARK}&_include=Observation:subject`,
        `/Patient?_has:Observation:patient:code:text=${MARK}`,
        `/Observation?code:text=${MARK}&_sort=-date&_total=accurate&_elements=${MARK}`,
        `/AuditEvent?patient=Patient/${IDENT}-1`,
      ])
        await fhir('GET', path, { as });
      const body = `name=${MARK}&identifier=${encoded(`${NHS_NUMBER}|${NUMBER}`)}`;
      await fhir('POST', '/Patient/_search', { as, body, headers: form });
    }
    const text = { name: 'text', valueString: `${MARK} was brought in` };
    for (const reason of ['emergency', `${MARK}Reason`]) {
      const body = { resourceType: 'Parameters', parameter: [{ name: 'reason', valueCode: reason }, text] };
      for (const as of ['gp', 'patient'] as const)
        await fhir('POST', `/Patient/${IDENT}-1/$break-glass`, { as, body });
    }
    expect((await fhir('DELETE', `/Patient/${IDENT}-2`)).status).toBe(204);
  });

  it.each<[string, number, string, string, unknown, Record<string, string>?]>([
    ['cut off', 400, 'POST', '/Patient', JSON.stringify(person()).slice(0, -9)],
    ['with a key twice', 400, 'POST', '/Patient', `{"resourceType":"Patient","${MARK}":1,"${MARK}":2}`],
    ['too deep', 400, 'POST', '/Patient', `${'['.repeat(200)}"${MARK}"${']'.repeat(200)}`],
    ['not as UTF-8', 400, 'POST', '/Patient', Buffer.from(`{"id":"${MARK}\xff"}`, 'latin1')],
    ['not as JSON', 400, 'POST', '/Patient', `<Patient>${MARK}</Patient>`],
    ['in a body too large', 413, 'POST', '/Patient', JSON.stringify({ ...person(), text: { div: MARK.repeat(200_000) } })], // prettier-ignore
    ['in an element that is none', 400, 'POST', '/Patient', { ...person(), [MARK]: MARK }],
    ['where a date should be', 400, 'POST', '/Patient', { ...person(), birthDate: MARK }],
    ['where a code should be', 400, 'POST', '/Patient', { ...person(), gender: MARK }],
    ['as a type', 400, 'POST', '/Patient', { resourceType: MARK }],
    ['as another id', 400, 'PUT', `/Patient/${IDENT}-3`, { ...person(), id: `${IDENT}-4` }],
    ['in an id in the shape of an NHS number', 422, 'PUT', `/Patient/${NUMBER}`, { ...person(), id: NUMBER }],
    ['as an NHS number that is none', 422, 'POST', '/Patient', { ...person(), identifier: [{ system: NHS_NUMBER, value: '9990000394' }] }], // prettier-ignore
    ['as an NHS number that another has', 409, 'POST', '/Patient', person({ gender: 'other' })],
    ['as a subject that is not there', 422, 'POST', '/Observation', note(`Patient/${IDENT}-nobody`)],
    ['as a reference that is none', 422, 'POST', '/Observation', note(`${MARK} ${NUMBER}`)],
    ['as a condition that finds nobody', 422, 'POST', '', transaction(`Patient?identifier=${MARK}`)],
    ['in a Bundle of another type', 400, 'POST', '', { resourceType: 'Bundle', type: MARK }],
    ['as a version', 412, 'PUT', `/Patient/${IDENT}-1`, { ...person(), id: `${IDENT}-1` }, { 'if-match': 'W/"99"' }], // prettier-ignore
    ['as a version that is none', 400, 'PUT', `/Patient/${IDENT}-1`, { ...person(), id: `${IDENT}-1` }, { 'if-match': MARK }], // prettier-ignore
    ['as another media type', 415, 'POST', '/Patient', person(), { 'content-type': `text/${MARK}` }],
    ['as another character set', 415, 'POST', '/Patient', person(), { 'content-type': `application/json; charset=${MARK}` }], // prettier-ignore
    ['as a condition to create', 400, 'POST', '/Patient', person(), { 'if-none-exist': `${MARK}=${MARK}` }],
    ['with a key of something else', 409, 'POST', '/Patient', { ...named(2) }, { 'idempotency-key': `${MARK}-key` }], // prettier-ignore
  ])('in a body, %s: %i', async (_, status, method, path, body, headers = {}) => {
    expect((await fhir(method, path, { body, headers })).status).toBe(status);
  });

  it.each<[number, string, string, Record<string, string>?]>([
    [404, 'GET', `/Patient/${IDENT}-5`],
    [404, 'GET', `/${MARK}/${MARK}`],
    [404, 'GET', `/Patient/${IDENT}-1/_history/${MARK}`],
    [404, 'GET', `/Patient/${IDENT}-1/${MARK}/${MARK}/${MARK}`],
    [400, 'GET', `/Patient?${MARK}=${MARK}`],
    [400, 'GET', `/Patient?birthdate=${MARK}`],
    [400, 'GET', `/Patient?_sort=${MARK}`],
    [400, 'GET', `/Patient?_include=${MARK}`],
    [400, 'GET', `/Patient?_count=${MARK}`],
    [400, 'GET', `/Patient?_cursor=${MARK}`],
    [400, 'GET', `/Observation?value-quantity=${MARK}`],
    [400, 'GET', `/Patient?name:${MARK}=${MARK}`],
    [400, 'GET', `/Patient/%E0%A4%A?name=${MARK}`],
    [404, 'GET', `/Practitioner/${IDENT}/Observation?patient=${MARK}`],
    [406, 'GET', `/Patient/${IDENT}-1`, { accept: `text/${MARK}` }],
    [405, 'PATCH', `/Patient/${IDENT}-1?name=${MARK}`],
    [431, 'GET', `/Patient?name=${MARK.repeat(3_000)}`],
  ])('in an address: %i to %s', async (status, method, path, headers = {}) => {
    expect((await fhir(method, path, { headers })).status).toBe(status);
  });

  it.each(['/openid', '/openid/sign-in', '/docs', '/assets', '/rebuild', '/health', '/.well-known'])(
    'in an address below %s',
    async (path) => {
      const { status } = await ask('GET', `${path}/${MARK}?name=${MARK}&nhs=${NUMBER}`);
      expect(status).toBeGreaterThanOrEqual(400);
      await ask('POST', `${path}/${MARK}`, { as: 'operator', body: person() });
      await ask('OPTIONS', `${path}/${MARK}`, { headers: { origin: `https://${MARK}.example.org` } });
    },
  );

  it.each<[string, string[], string?]>([
    ['in no HTTP', [`${MARK} ${NUMBER}`]],
    ['with another version of HTTP', [`GET /fhir/R4/Patient?name=${MARK} HTTP/9.9`]],
    ['as a method', [`${MARK} /fhir/R4/Patient HTTP/1.1`]],
    ['in a header that is none', ['GET /fhir/R4/Patient HTTP/1.1', `${MARK} ${NUMBER}: \u0001`]],
    ['in headers that are too large', ['GET / HTTP/1.1', `x-name: ${MARK.repeat(3_000)}`]],
    ['as an encoding', ['POST /fhir/R4/Patient HTTP/1.1', `transfer-encoding: ${MARK}`], MARK],
  ])('on the socket, %s', async (_, head, body) => {
    const sent = { head, ...(body !== undefined && { body: Buffer.from(body) }) };
    const { status } = await exchange(server.url, sent, 30_000);
    count(status);
    expect(status).toBeGreaterThanOrEqual(400);
  });

  it('as a token', async () => {
    const claims = Buffer.from(JSON.stringify({ iss: MARK, sub: MARK, nhs_number: NUMBER })).toString('base64url'); // prettier-ignore
    const head = Buffer.from(JSON.stringify({ alg: 'ES256', kid: MARK, jku: MARK })).toString('base64url');
    secrets.push(claims, head);
    for (const authorization of [
      `Bearer ${MARK}`,
      `Bearer ${MARK} ${MARK}`,
      `Basic ${Buffer.from(`${MARK}:${MARK}`).toString('base64')}`,
      `Bearer ${head}.${claims}.${MARK}`,
      `Bearer ${tokens.gp.slice(0, -9)}${MARK}`,
      `Bearer ${MARK.repeat(1_200)}`,
      MARK,
    ]) {
      const { status } = await fhir('GET', `/Patient?name=${MARK}`, { headers: { authorization } });
      expect([400, 401]).toContain(status);
    }
  });

  it('to the identity provider', async () => {
    const launch = new URLSearchParams({
      client_id: 'demo-app',
      response_type: 'code',
      redirect_uri: 'http://127.0.0.1:4713/callback',
      scope: 'launch/patient patient/*.rs',
      aud: `${server.url}/fhir/R4`,
      state: MARK,
      login_hint: `${MARK} ${NUMBER}`,
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
      code_challenge_method: 'S256',
    });
    const begun = await ask('GET', `/openid/auth?${launch}`);
    expect([302, 303]).toContain(begun.status);
    const cookie = begun.headers
      .getSetCookie()
      .map((line) => line.split(';')[0])
      .join('; ');
    secrets.push(...cookie.split('; ').flatMap((pair) => pair.split('=')[1] ?? []));
    const page = begun.headers.get('location')!;
    const steps = [{ step: 'persona', persona: MARK }, { step: 'patient', name: MARK }, { step: MARK }];
    for (const step of [...steps, { step: 'persona', persona: 'gp' }, ...steps])
      await ask('POST', page, { body: new URLSearchParams({ ...step, note: MARK }).toString(), headers: { ...form, cookie } }); // prettier-ignore
    for (const wrong of ['client_id', 'redirect_uri', 'scope', 'aud', 'response_type'])
      await ask('GET', `/openid/auth?${new URLSearchParams([...launch, [wrong, MARK]])}`);
    for (const [path, body] of [
      ['token', { grant_type: 'authorization_code', code: MARK, code_verifier: MARK, client_id: MARK }],
      ['token', { grant_type: 'client_credentials', client_id: MARK, client_secret: MARK }],
      ['token', { grant_type: 'refresh_token', refresh_token: MARK, client_id: 'demo-app' }],
      [
        'token',
        { grant_type: MARK, client_assertion: `${MARK}.${MARK}.${MARK}`, client_assertion_type: MARK },
      ],
      ['token/introspection', { token: tokens.gp }],
      ['token/revocation', { token: MARK, client_id: 'demo-app' }],
    ] as const)
      await ask('POST', `/openid/${path}`, {
        body: new URLSearchParams(body).toString(),
        headers: { ...form, authorization: `Basic ${Buffer.from(`${MARK}:${MARK}`).toString('base64')}` },
      });
  });

  it('by the commands', async () => {
    const file = join(folder, 'people.ndjson');
    const lines = [person(), named(3), note(`Patient/${IDENT}-nobody`), { ...person(), gender: MARK }, MARK, { resourceType: MARK }]; // prettier-ignore
    writeFileSync(file, lines.map((line) => (line === MARK ? line : JSON.stringify(line))).join('\n'));
    for (const args of [['import', file], ['import', file, '--json'], ['status']]) await command(args);
    expect(printed).toMatch(/refused/);
  });

  it('while the view is broken', async () => {
    const view = new DatabaseSync(dataPaths(data).record);
    const tables = view.prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").all(); // prettier-ignore
    for (const { name } of tables) view.exec(`DROP TABLE "${String(name)}"`);
    view.close();
    const { status } = await fhir('GET', `/Patient?name=${MARK}&identifier=${NUMBER}`);
    expect(status).toBeGreaterThanOrEqual(500);
    await fhir('GET', `/Observation?code:text=${MARK}`, { as: 'gp' });
    await fhir('PUT', `/Patient/${IDENT}-9`, { body: named(9, { id: `${IDENT}-9` }) });
  });
});

describe('of that, nothing is', () => {
  it('missing: every kind of answer was given, and each is in the log', async () => {
    const given = [...statuses.keys()];
    for (const status of [200, 201, 204, 400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 422, 431, 500])
      expect(given).toContain(String(status));
    await expect.poll(() => printed).toMatch(/"msg":"fault"/);
    expect(printed.match(/"msg":"answered"/g)!.length).toBeGreaterThan(100);
  });

  it('in what the server and the commands print', () => {
    expect(leaked(printed)).toEqual([]);
  });

  it('in metrics and status', async () => {
    for (const path of ['/metrics', '/status', '/health/ready', '/health/live'])
      expect([path, leaked(await (await ask('GET', path, { as: 'operator' })).text())]).toEqual([path, []]);
  });

  it('in the name of a file', () => {
    const names = readdirSync(data, { recursive: true, encoding: 'utf8' });
    expect(names.length).toBeGreaterThan(5);
    expect(leaked(names.join('\n'))).toEqual([]);
  });

  it('open to other users of the machine', () => {
    const paths = readdirSync(data, { recursive: true, encoding: 'utf8' }).map((name) => join(data, name));
    const open = paths.filter((path) => (statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o077);
    expect(open).toEqual([]);
  });

  it('in the clear in the log and in the access log, also when the server is killed', async () => {
    await server.kill();
    const { log, accessLog } = dataPaths(data);
    const inside = readdirSync(accessLog, { recursive: true, encoding: 'utf8' }).map((name) => join(accessLog, name)); // prettier-ignore
    const files = [log, `${log}-wal`, ...inside].filter((file) => statSync(file, { throwIfNoEntry: false })?.isFile()); // prettier-ignore
    expect(files.length).toBeGreaterThan(2);
    for (const file of files) {
      const found = leaked(readFileSync(file, 'latin1')).filter((text) => text !== IDENT);
      expect([file, found]).toEqual([file, []]);
    }
  });
});

function leaked(text: string): string[] {
  const lower = text.toLowerCase();
  return [MARK, IDENT, ...SHAPED, ...secrets].filter((value) => lower.includes(value.toLowerCase()));
}

function named(which: number, more: Record<string, unknown> = {}) {
  return { resourceType: 'Patient', name: [{ family: `${MARK}${which}` }], ...more };
}

function transaction(subject: string) {
  const request = { method: 'POST', url: 'Observation', ifNoneExist: `identifier=${MARK}Condition` };
  const entry = [{ fullUrl: `urn:uuid:${MARK}`, resource: note(subject), request }];
  return { resourceType: 'Bundle', type: 'transaction', entry };
}

async function command(args: readonly string[]): Promise<number | null> {
  const env = { ...process.env, CARELOG_DATA: data, PORT: new URL(server.url).port, CARELOG_LOG: 'debug' };
  const child = spawn(process.execPath, [CARELOG, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  return new Promise((resolve) => child.once('close', resolve));
}
