/** Requests that are almost right: real resources with a few edits, odd addresses, queries, headers and bytes. */
import fc from 'fast-check';
import type { RawRequest } from './raw-http.ts';
import { restHook, websocket } from './some-subscriptions.ts';

/** Stands in every odd text, so that a test can tell when an answer repeats what was sent. */
export const MARK = 'Zzyzx4711';
/** Names of members and parameters may be repeated: they say what is not known. */
const NAME = 'zzname';

/** What the generators draw from. */
export interface Material {
  readonly resources: readonly Record<string, unknown>[];
  /** `Type?parameter` of every search parameter that the server names. */
  readonly searches: readonly string[];
}

/** Everything about the request is decided by the numbers and strings in it, so that a failure shrinks and repeats. */
export function oddRequests(material: Material): fc.Arbitrary<RawRequest> {
  const { resources } = material;
  const resource = fc
    .tuple(fc.nat(resources.length - 1), edits(2))
    .map(([at, list]) => edited(resources[at]!, list));
  const body = fc.tuple(resource, fc.option(textEdit, { freq: 8 }));
  const create = body.map(([value, edit]) => request('POST', typeOf(value), bytesOf(value, edit)));
  const update = fc
    .tuple(body, fc.constantFrom('1', 'fuzz-1', 'fuzz-2', MARK, '9434765919', '%00', '..', 'a'.repeat(65)))
    .map(([[value, edit], id]) =>
      request('PUT', `${typeOf(value)}/${id}`, bytesOf(isObject(value) ? { ...value, id } : value, edit)),
    );
  const bundle = fc
    .tuple(bundles(resources), fc.option(textEdit, { freq: 8 }))
    .map(([value, edit]) => request('POST', '', bytesOf(value, edit)));
  const search = fc
    .tuple(
      fc.array(fc.nat(material.searches.length - 1), { minLength: 1, maxLength: 3 }),
      fc.array(oddQuery, { maxLength: 3 }),
      oddText,
      fc.boolean(),
    )
    .map(([at, more, value, posted]) => {
      const [first, ...rest] = at.map((index) => material.searches[index]!.split('?') as [string, string]);
      const query = [first!, ...rest]
        .map(([, name]) => `${name}=${encoded(value)}`)
        .concat(more)
        .join('&');
      return posted
        ? request('POST', `${first![0]}/_search`, Buffer.from(query), 'application/x-www-form-urlencoded')
        : request('GET', `${first![0]}?${query}`);
    });
  const address = fc
    .tuple(method, fc.array(oddStep, { maxLength: 5 }), fc.array(oddQuery, { maxLength: 2 }))
    .map(([verb, steps, query]) =>
      request(verb, steps.join('/') + (query.length > 0 ? `?${query.join('&')}` : '')),
    );
  const bytes = fc
    .tuple(fc.constantFrom('POST', 'PUT'), oddBytes)
    .map(([verb, sent]) => request(verb, verb === 'PUT' ? 'Patient/fuzz-1' : 'Patient', sent));
  const event = fc
    .tuple(resource, edits(2), fc.constantFrom('', '-batch'), fc.option(textEdit, { freq: 8 }), fc.nat(99))
    .map(([data, list, batch, edit, id]) => {
      const known = { specversion: '1.0', id: `${id}`, source: 'urn:x', type: 'activity.published' };
      const sent = edited({ ...known, data }, list);
      const bytes = bytesOf(batch === '' ? sent : [sent, sent], edit);
      return request('POST', '/activities', bytes, `application/cloudevents${batch}+json`);
    });
  const subscription = fc
    .tuple(fc.constantFrom(...SUBSCRIPTIONS), edits(2), fc.option(textEdit, { freq: 8 }))
    .map(([value, list, edit]) => request('POST', 'Subscription', bytesOf(edited(value, list), edit)));
  const any = fc.oneof(
    { weight: 40, arbitrary: create },
    { weight: 12, arbitrary: update },
    { weight: 20, arbitrary: bundle },
    { weight: 10, arbitrary: event },
    { weight: 6, arbitrary: subscription },
    { weight: 15, arbitrary: search },
    { weight: 8, arbitrary: address },
    { weight: 5, arbitrary: bytes },
  );
  return fc
    .tuple(any, fc.option(fc.array(oddHeader, { minLength: 1, maxLength: 3 }), { freq: 4 }))
    .map(([asked, headers]) => ({
      ...asked,
      head: [
        ...asked.head,
        ...(headers?.some((line) => line.startsWith('authorization')) ? [] : [AUTHORIZATION]),
        // A body that is announced and never comes is waited for, as long as the server waits for any.
        ...(headers ?? []).filter(
          (line) => asked.body !== undefined || !line.startsWith('transfer-encoding'),
        ),
      ],
    }));
}

const SUBSCRIPTIONS: readonly Record<string, unknown>[] = [
  websocket({ topic: 'encounter', filters: ['Encounter?event=encounter.started'], content: 'empty' }),
  restHook({ filters: ['?patient=Patient/fuzz&setting=acute'], channel: { header: ['x-fuzz: yes'] } }),
];

/** Stands for the header with the token, which differs from run to run. */
export const AUTHORIZATION = 'authorization: <token>';

const BASE = '/fhir/R4';

function request(verb: string, path: string, body?: Buffer, type = 'application/fhir+json'): RawRequest {
  return {
    head: [
      `${verb} ${path.startsWith('/') ? path : `${BASE}/${path}`} HTTP/1.1`,
      ...(body === undefined ? [] : [`content-type: ${type}`]),
    ],
    ...(body !== undefined && { body }),
  };
}

const LONG = `${MARK} ${'a'.repeat(20_000)}`;
/** Written into the JSON text as it stands, for numbers that JavaScript cannot hold. */
const raw = (text: string): string => `\u0001${text}\u0001`;

const ODD_VALUES: readonly unknown[] = [
  null, true, false, 0, -1, 1.5, '', ' ', MARK, `${MARK} 12`, LONG, [], {}, [[]], [null], [{}], { a: { b: [1] } },
  raw('1e999'), raw('-0'), raw('1e-400'), raw('123456789012345678901234567890'), raw('0.10'), raw('1E+2'),
  '\ud800', 'a\udc00b', '\u0000', '\u202e', '\ufeff', '👩‍⚕️', '<b>x</b>', "'; DROP TABLE event; --", '%', '\\', '${x}',
  '2024-02-30', '2024-13', '9999-12-31T24:00:00Z', '0000', '2024-01-01T00:00:00+99:00', 'P', '-1',
  'Patient', 'Patient/', 'Patient/1', 'Patient/none', '/Patient/1', 'Patient/1/_history/x', 'Patient?', 'Patient?identifier=', `Patient?identifier=${MARK}|`,
  'Patient?_id=1', 'Observation?code=%E0%A4%A', 'Zzz?x=y', '?', '#', '#x', 'urn:uuid:', 'urn:uuid:0', 'http://[', 'http://x/Patient/1', 'javascript:alert(1)',
  { reference: 'Patient/1' }, { reference: '#1' }, { reference: `Patient?name=${MARK}` }, { identifier: { system: 'https://fhir.nhs.uk/Id/nhs-number', value: MARK } },
  { identifier: { system: 'https://fhir.nhs.uk/Id/nhs-number', value: '9434765919' } }, { resourceType: 'Patient' }, { resourceType: MARK }, { coding: [{}] },
]; // prettier-ignore
const ODD_KEYS = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'resourceType', 'id', 'meta', 'extension', '_id', '_', '', NAME, 'a.b', 'contained', 'valueString', 'valueQuantity', 'entry', 'request', 'fullUrl']; // prettier-ignore

type Edit = {
  readonly at: number;
  readonly how: (typeof HOWS)[number];
  readonly value: number;
  readonly key: string;
};
const HOWS = ['set', 'remove', 'repeat', 'wrap', 'unwrap', 'add', 'rename', 'move', 'extend'] as const;

function edits(maxLength: number): fc.Arbitrary<Edit[]> {
  const edit = fc.record({
    at: fc.nat(),
    how: fc.constantFrom(...HOWS),
    value: fc.nat(ODD_VALUES.length - 1),
    key: fc.constantFrom(...ODD_KEYS),
  });
  return fc.array(edit, { maxLength });
}

type Holder = Record<string, unknown>;
const isObject = (value: unknown): value is Holder => typeof value === 'object' && value !== null;
const typeOf = (value: unknown): string =>
  isObject(value) && typeof value['resourceType'] === 'string' && /^\w+$/.test(value['resourceType'])
    ? value['resourceType']
    : 'Patient';

function edited(value: unknown, list: readonly Edit[]): unknown {
  const root: Holder = { root: structuredClone(value) };
  for (const edit of list) {
    const places = placesIn(root);
    if (places.length > 0) apply(edit, places[edit.at % places.length]!, places);
  }
  return root['root'];
}

interface Place {
  readonly holder: Holder;
  readonly key: string;
}

function placesIn(holder: Holder, found: Place[] = []): Place[] {
  for (const key of Object.keys(holder)) {
    found.push({ holder, key });
    if (isObject(holder[key]) && found.length < 3_000) placesIn(holder[key], found);
  }
  return found;
}

function apply({ how, value, key: name, at }: Edit, { holder, key }: Place, places: readonly Place[]): void {
  const odd = ODD_VALUES[value];
  const old = holder[key];
  if (how === 'set') holder[key] = odd;
  else if (how === 'remove') delete holder[key];
  else if (how === 'repeat') holder[key] = Array.isArray(old) ? [...old, ...old] : [old, old];
  else if (how === 'wrap') holder[key] = isObject(old) ? { [name || 'x']: old } : [old];
  else if (how === 'unwrap') holder[key] = isObject(old) ? Object.values(old)[0] : odd;
  else if (how === 'add') define(isObject(old) ? old : holder, name, odd);
  else if (how === 'rename') {
    delete holder[key];
    define(holder, name, old);
  } else if (how === 'move')
    holder[key] = structuredClone(
      places[(at >>> 3) % places.length]!.holder[places[(at >>> 3) % places.length]!.key],
    );
  // A primitive with an extension in place of its value. https://hl7.org/fhir/R4/json.html#primitive
  else if (!isObject(old) && !Array.isArray(holder)) {
    delete holder[key];
    holder[`_${key}`] = { extension: [{ url: 'http://example.org/odd', valueString: MARK }] };
  }
}

/** Also `__proto__`, which assignment would not write. */
function define(holder: Holder, key: string, value: unknown): void {
  Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true });
}

const ODD_URLS = ['Patient', 'Patient/1', 'Patient/fuzz-1', 'Observation', '', '/', '?', 'Patient?', 'Patient?identifier=x', 'metadata', `Observation?subject=Patient/1&x=${MARK}`, 'Patient/%', '%E0%A4%A', 'Patient/1/_history', 'Patient/1/$everything', MARK, 'http://x/y', '..', 'Patient/1/2/3/4', 'Observation/_search']; // prettier-ignore

function bundles(resources: Material['resources']): fc.Arbitrary<unknown> {
  const entry = fc
    .record({
      at: fc.nat(resources.length - 1),
      method: fc.constantFrom('POST', 'PUT', 'DELETE', 'GET', 'PATCH', 'HEAD'),
      url: fc.option(fc.constantFrom(...ODD_URLS), { freq: 2 }),
      fullUrl: fc.nat(3),
    })
    .map(({ at, method: verb, url, fullUrl }) => {
      const resource = resources[at]!;
      const own = verb === 'POST' ? typeOf(resource) : `${typeOf(resource)}/${String(resource['id'])}`;
      return {
        fullUrl: `urn:uuid:00000000-0000-4000-8000-00000000000${fullUrl}`,
        resource,
        request: { method: verb, url: url ?? own },
      };
    });
  return fc
    .tuple(fc.constantFrom('transaction', 'batch'), fc.array(entry, { maxLength: 4 }), edits(2))
    .map(([type, entries, list]) => edited({ resourceType: 'Bundle', type, entry: entries }, list));
}

type TextEdit = {
  readonly how: 'cut' | 'drop' | 'put' | 'double' | 'utf16' | 'latin1' | 'bom';
  readonly at: number;
  readonly byte: number;
};
const textEdit: fc.Arbitrary<TextEdit> = fc.record({
  how: fc.constantFrom('cut', 'drop', 'put', 'double', 'utf16', 'latin1', 'bom'),
  at: fc.nat(),
  byte: fc.nat(255),
});

function bytesOf(value: unknown, edit: TextEdit | null): Buffer {
  const json = (JSON.stringify(value) ?? '').replaceAll(/"\\u0001(.*?)\\u0001"/g, '$1');
  if (edit === null) return Buffer.from(json);
  const { how, byte } = edit;
  const at = json.length === 0 ? 0 : edit.at % json.length;
  switch (how) {
    case 'cut':
      return Buffer.from(json.slice(0, at));
    case 'drop':
      return Buffer.from(json.slice(0, at) + json.slice(at + 1));
    case 'put':
      return Buffer.concat([
        Buffer.from(json.slice(0, at)),
        Buffer.from([byte]),
        Buffer.from(json.slice(at)),
      ]);
    case 'double':
      return Buffer.from(json.replace('{', `{"resourceType":"${MARK}",`));
    case 'utf16':
      return Buffer.from(json, 'utf16le');
    case 'latin1':
      return Buffer.from(json, 'latin1');
    case 'bom':
      return Buffer.from(`\ufeff${json}`);
  }
}

const oddBytes: fc.Arbitrary<Buffer> = fc.oneof(
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  fc.json().map((text) => Buffer.from(text)),
  fc.constantFrom('{"a":'.repeat(20_000), '['.repeat(100_000), `[${'0,'.repeat(100_000)}0]`, `"${LONG}"`, 'null', '""', '0', '<Patient/>', `{"resourceType":"Patient","name":[${'{},'.repeat(20_000)}{}]}`, `{"resourceType":"Patient",${'"a":1,'.repeat(5_000)}"b":1}`).map((text) => Buffer.from(text)), // prettier-ignore
);

const oddText = fc.oneof(
  fc.constantFrom('', '|', '||', ',', ',,', '\\', '$', 'x|y|z', '1', 'true', 'ge2024', 'eb', 'ap2024-02-30', '2024-01-01T25:00', '9999999999999', '-0', 'Patient/1', 'Patient/1,Patient/2', 'http://x|y', '\u0000', '\ud800', '👩', MARK, LONG.slice(0, 5_000), "' OR 1=1 --", '*', '%', '__proto__'), // prettier-ignore
  fc.string({ maxLength: 20 }),
);

const oddQuery = fc.oneof(
  fc.tuple(fc.constantFrom('_count', '_cursor', '_format', '_summary', '_id', '_lastUpdated', '_since', '_type', '_sort', '_include', '_elements', '_total', '_has:Observation:patient:code', 'patient.name', 'code:in', 'subject:Patient', 'identifier:exact', '__proto__', 'constructor', '', NAME), oddText).map(([name, value]) => `${name}=${encoded(value)}`), // prettier-ignore
  fc.constantFrom('&', '=', '==', '%', '%zz=%', '%E0%A4%A=1', '_count', `${'a=1&'.repeat(2_000)}`, '_count=0', '_count=1001', '_count=-1', '_count=1e3', '_count=1&_count=2', '_cursor=W10.x', '_cursor=.', '_format=xml', '_summary=count'), // prettier-ignore
);

const method = fc.constantFrom(
  'GET',
  'GET',
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'PATCH',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
  'QUERY',
  'BREW',
  'get',
);
const oddStep = fc.oneof(
  fc.constantFrom('Patient', 'Observation', '1', 'fuzz-1', '_history', '_search', '$everything', '$validate', 'Subscription', 'SubscriptionTopic', '$status', '$events', '$get-ws-binding-token', '$hook-secret', 'metadata', '__proto__', 'constructor', 'patient', MARK, '..', '.', '', '%2e%2e', '%2F', '%00', '%', '%E0%A4%A', '%F0%9F', '%ud800', 'a'.repeat(300), '9434765919', '99999999999999999999', '0', '-1', '*', ';', '@'), // prettier-ignore
  fc.string({ maxLength: 10 }).map(encoded),
);

const oddHeader = fc.oneof(
  oddText.map((value) => `if-none-exist: identifier=${printable(value)}`),
  fc.tuple(fc.constantFrom('accept', 'accept-encoding', 'prefer', 'if-match', 'if-none-match', 'if-modified-since', 'idempotency-key', 'x-request-id', 'content-encoding', 'range', 'cookie', 'x-forwarded-host', 'origin', 'expect', 'te'), oddText).map(([name, value]) => `${name}: ${printable(value)}`), // prettier-ignore
  fc.constantFrom('accept: application/fhir+xml', 'accept: */*;q=0', 'prefer: return=minimal', 'prefer: return=OperationOutcome', 'prefer: handling=lenient', `prefer: return=${MARK}`, 'if-match: W/"1"', 'if-match: W/"0"', 'if-match: *', 'if-none-match: *', 'if-none-exist: identifier=x', `if-none-exist: identifier=${MARK}|${MARK}`, 'if-none-exist: _id=1', 'if-none-exist: x', 'if-none-exist: ?', 'idempotency-key: fuzz', `idempotency-key: ${MARK}`, 'authorization: Bearer x.y.z', 'authorization: Basic eDp5', 'authorization:', 'content-type: text/plain', 'content-type: application/fhir+json; charset=utf-16', 'content-type:', 'content-length: 0', 'content-length: -1', 'transfer-encoding: chunked', 'transfer-encoding: gzip', 'expect: 100-continue', 'upgrade: websocket', `x-long: ${'a'.repeat(15_000)}`, 'x bad: 1', 'host: other', 'http2-settings: AAMAAABkAAQAAP__'), // prettier-ignore
);

/** Percent-encoded where it can be; half a surrogate pair cannot. */
function encoded(text: string): string {
  return text.isWellFormed() ? encodeURIComponent(text) : '%ED%A0%80';
}

const printable = (text: string): string => text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 1_000);
