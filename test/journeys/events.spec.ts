/** `GET /events`: what is recorded is told to whom it may be told, in order, and again from where a client left off. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { background, kinds, type Json } from '../support/access-table.ts';
import { readEvents, type EventReader } from '../support/event-reader.ts';
import { isCluster, startEmptyStack, type Stack, type TokenLimits } from '../support/start-stack.ts';

let stack: Stack;
const readers: EventReader[] = [];
beforeAll(async () => {
  stack = await startEmptyStack();
  const all = new Map([...background, ...kinds.map(({ resource }) => resource)].map((it) => [it.id, it]));
  const entry = [...all.values()].map((resource) => ({ resource, request: { method: 'PUT', url: urlOf(resource) } })); // prettier-ignore
  const answer = await stack.fhir('POST', '', {
    body: { resourceType: 'Bundle', type: 'transaction', entry },
  });
  if (answer.status !== 200) throw new Error(answer.text);
});
afterEach(() => {
  for (const reader of readers.splice(0)) reader.break();
});
afterAll(() => stack.remove());

const urlOf = ({ resourceType, id }: Json): string => `${resourceType}/${id}`;

async function listen(
  query = '',
  as = 'publisher',
  from?: string,
  limits?: TokenLimits,
): Promise<EventReader> {
  // prettier-ignore
  const authorization = `Bearer ${await stack.token(as, limits)}`;
  const headers = { authorization, ...(from !== undefined && { 'last-event-id': from }) };
  const reader = await readEvents(`${stack.urlOf('GET')}/events${query}`, headers);
  readers.push(reader);
  return reader;
}

const told = ({ events }: EventReader): string[] => events.map(({ data }) => data['resource']!);

/** Once everything was told that was recorded before this: what comes last is told to whoever may know of anything at all. */
async function toldAtLast(reader: EventReader): Promise<string[]> {
  const id = `last-${(count += 1)}`;
  await put({ resourceType: 'Organization', id, name: 'Last' });
  await expect.poll(() => told(reader), { timeout: 20_000 }).toContain(`Organization/${id}`);
  return told(reader).filter((it) => !it.startsWith('Organization/last-'));
}
let count = 0;

async function put(resource: Json, headers = {}): Promise<void> {
  const { status, text } = await stack.fhir('PUT', `/${urlOf(resource)}`, { body: resource, headers });
  if (status >= 300) throw new Error(text);
}
const flag = (id: string, patient: string, more = {}): Json => ({
  resourceType: 'Flag', id, status: 'active', code: { text: 'x' }, subject: { reference: `Patient/${patient}` }, ...more,
}); // prettier-ignore

describe('a stream', () => {
  it('tells of each event in order, as a CloudEvent that names what to read', async () => {
    const reader = await listen();
    for (let at = 0; at < 5; at += 1) await put(flag(`told-${at}`, 'own'));
    expect(await toldAtLast(reader)).toEqual([0, 1, 2, 3, 4].map((at) => `Flag/told-${at}`));
    const { id, data } = reader.events[0]!;
    expect(id).toMatch(/^[0-9a-f-]{36}-\d+$/);
    expect(data).toMatchObject({ specversion: '1.0', type: 'flag.raised', subject: 'Patient/own', action: 'new', versionid: '1' }); // prettier-ignore
    const path = data['dataref']!.slice(data['source']!.length);
    expect((await stack.fhir('GET', path)).json).toMatchObject({ resourceType: 'Flag', id: 'told-0' });
  });

  it('goes on where the client left off, at whichever gateway, without a gap or a repeat', async () => {
    const first = await listen('?topic=flag');
    await put(flag('seen', 'own'));
    await expect.poll(() => told(first)).toEqual(['Flag/seen']);
    first.break();
    for (let at = 0; at < 20; at += 1) await put(flag(`missed-${at}`, 'own'));
    const second = await listen('?topic=flag', 'publisher', first.lastId);
    await put(flag('live', 'own'));
    const missed = Array.from({ length: 20 }, (_, at) => `Flag/missed-${at}`);
    await expect.poll(() => told(second), { timeout: 20_000 }).toEqual([...missed, 'Flag/live']);
    const third = await listen(`?topic=flag&since=${second.events[9]!.id}`);
    await expect.poll(() => told(third), { timeout: 20_000 }).toEqual([...missed.slice(10), 'Flag/live']);
  });

  it('tells everything from the first event on', async () => {
    const reader = await listen('?since=0');
    const all = await toldAtLast(reader);
    expect(all.slice(0, background.length)).toContain('Patient/own');
    expect(new Set(reader.events.map(({ id }) => id)).size).toBe(reader.events.length);
    const positions = reader.events.map(({ id }) => Number(id.slice(id.lastIndexOf('-') + 1)));
    expect(positions).toEqual(positions.toSorted((a, b) => a - b));
  });

  it.each<[string, string, readonly string[]]>([
    ['a topic', '?topic=flag', ['Flag/a', 'Flag/b']],
    ['a topic by its canonical URL', '?topic=https://fhir.carelog.example/SubscriptionTopic/flag', ['Flag/a', 'Flag/b']], // prettier-ignore
    ['two topics', '?topic=flag&topic=communication', ['Flag/a', 'Flag/b', 'Communication/c']],
    ['a patient', '?patient=own', ['Flag/a', 'Communication/c']],
    ['a patient as a reference', '?patient=Patient/own&topic=patient-record', ['Flag/a', 'Communication/c']],
    ['a topic of a patient', '?topic=flag&patient=own', ['Flag/a']],
    ['a care setting', '?setting=pharmacy', []],
  ])('is of %s', async (_, query, expected) => {
    const reader = await listen(query);
    const everything = await listen();
    const suffix = `-${(count += 1)}`;
    await put(flag(`a${suffix}`, 'own'));
    await put(flag(`b${suffix}`, 'opened'));
    await put({ resourceType: 'Communication', id: `c${suffix}`, status: 'completed', subject: { reference: 'Patient/own' } }); // prettier-ignore
    await put({ resourceType: 'Flag', id: `a${suffix}`, status: 'inactive', code: { text: 'x' }, subject: { reference: 'Patient/own' } }); // prettier-ignore
    await toldAtLast(everything);
    const again = expected.includes('Flag/a') ? [`Flag/a${suffix}`] : [];
    await expect.poll(() => told(reader)).toEqual([...expected.map((it) => `${it}${suffix}`), ...again]);
  });

  it('tells of the end of a resource', async () => {
    const reader = await listen('?topic=flag');
    await put(flag('ends', 'own'));
    await stack.fhir('DELETE', '/Flag/ends');
    await expect.poll(() => reader.events.map(({ data }) => data['action'])).toEqual(['new', 'retract']);
  });
});

describe('who listens', () => {
  it.each(['publisher', 'gp', 'ed-doctor', 'patient'])(
    '%s is told of what they may read, and of nothing else',
    async (as) => {
      const all = await listen('?since=0');
      const streams = [...new Set(await toldAtLast(all))].filter((it) => !it.startsWith('Flag/'));
      const reads = await Promise.all(streams.map((it) => stack.fhir('GET', `/${it}`, { as })));
      expect(reads.map(({ status }) => status)).not.toContain(429);
      const isTold = (stream: string) =>
        as !== 'patient' || !/^(Organization|Practitioner|Location)\//.test(stream);
      const expected = streams.filter((it, at) => reads[at]!.status === 200 && isTold(it));
      const reader = await listen('?since=0', as);
      const ofThese = () => told(reader).filter((it) => streams.includes(it));
      await expect.poll(() => new Set(ofThese()), { timeout: 20_000 }).toEqual(new Set(expected));
      expect(expected.length > 0 && (as === 'publisher') === (expected.length === streams.length)).toBe(true);
    },
  );

  it('nobody is told of what was withdrawn before they would be told', async () => {
    const reader = await listen('?topic=flag&patient=own', 'gp');
    await put(flag('open', 'own'));
    await expect.poll(() => told(reader)).toEqual(['Flag/open']);
    const restricted = { meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'V' }] } }; // prettier-ignore
    await put(flag('closed', 'own', restricted));
    // It is taken back before it was ever told, and what was told of it before is told no more.
    await put(flag('open', 'own', restricted));
    const late = await listen('?topic=flag&patient=own', 'gp', reader.events[0]!.id);
    await toldAtLast(await listen());
    await put(flag('open-again', 'own'));
    await expect.poll(() => told(reader)).toEqual(['Flag/open', 'Flag/open-again']);
    await expect.poll(() => told(late)).toEqual(['Flag/open-again']);
  });

  it('what is told is in the access log, and of whom', async () => {
    const reader = await listen('?topic=flag&patient=own', 'gp');
    await put(flag('accounted', 'own'));
    await expect.poll(() => told(reader)).toEqual(['Flag/accounted']);
    const { json } = await stack.fhir('GET', '/AuditEvent?patient=own&_count=1', { as: 'auditor' });
    expect(json.entry[0].resource).toMatchObject({ outcome: '0', subtype: [{ code: 'notification' }] });
    expect(JSON.stringify(json.entry[0].resource.entity)).toContain('Flag/accounted');
  });

  it.each([
    ['an unknown topic', '?topic=nothing', ['topic']],
    ['an unknown care setting', '?setting=nowhere', ['setting']],
    ['an NHS number in place of an id', '?patient=9434765919', ['patient']],
    ['one record without saying whose', '?topic=patient-record', ['patient']],
    ['a parameter that there is not', '?topics=flag', [undefined]],
    ['the id of another log', '?since=01a20000-0000-7000-8000-000000000000-5', ['since']],
    ['no id at all', '?since=%00', ['since']],
    ['several at once', '?topic=nothing&setting=nowhere', ['topic', 'setting']],
  ])('is told what is wrong with %s', async (_, query, expressions) => {
    const { status, text } = await listen(query);
    const { issue } = JSON.parse(text) as { issue: { expression?: string[] }[] };
    expect([status, issue.map((it) => it.expression?.[0])]).toEqual([400, expressions]);
  });

  it('needs a token, and one that may read', async () => {
    const stranger = await readEvents(`${stack.url}/events`, {});
    expect(stranger.status).toBe(401);
    expect((await listen('', 'operator')).status).toBe(403);
    const narrow = await listen('?topic=flag', 'publisher', undefined, { scope: 'system/Patient.rs' });
    await put(flag('out-of-scope', 'own'));
    await toldAtLast(await listen());
    expect([narrow.status, told(narrow)]).toEqual([200, []]);
  });
});

describe('a page in a browser', () => {
  const session = async (headers: Readonly<Record<string, string>>, method = 'POST') => {
    const answer = await fetch(`${stack.url}/events/session`, { method, headers });
    return { status: answer.status, cookie: answer.headers.get('set-cookie') };
  };

  it('listens by a session that it opened with its token, and ends', async () => {
    const authorization = `Bearer ${await stack.token('gp')}`;
    const { status, cookie } = await session({ authorization });
    expect([status, cookie]).toEqual([204, expect.stringMatching(/; Path=\/events; HttpOnly; SameSite=Strict$/)]); // prettier-ignore
    const [pair = ''] = cookie!.split(';');
    const reader = await readEvents(`${stack.url}/events?topic=flag&patient=own`, { cookie: `theme=dark; ${pair}` }); // prettier-ignore
    readers.push(reader);
    await put(flag('for-a-page', 'own'));
    await expect.poll(() => told(reader)).toEqual(['Flag/for-a-page']);
    expect((await session({ cookie: pair }, 'DELETE')).cookie).toContain('Max-Age=0');
    const altered = `${pair.slice(0, -2)}${pair.endsWith('AA') ? 'BB' : 'AA'}`;
    expect((await readEvents(`${stack.url}/events`, { cookie: altered })).status).toBe(401);
    // The cookie is for the stream alone.
    expect((await fetch(`${stack.base}/Patient/own`, { headers: { cookie: pair } })).status).toBe(401);
  });

  it('opens none without a token', async () => {
    expect((await session({})).status).toBe(401);
  });
});

it('goes on from where it began for whoever is cut off before anything came', async () => {
  const reader = await listen('?topic=flag');
  await expect.poll(() => reader.lastId).toBeDefined();
  reader.break();
  await put(flag('while-away', 'own'));
  const again = await listen('?topic=flag', 'publisher', reader.lastId);
  await expect.poll(() => told(again)).toEqual(['Flag/while-away']);
});

// Others ask a cluster meanwhile.
if (!isCluster)
  it('goes on after the server was restarted', async () => {
    const reader = await listen('?topic=flag');
    await put(flag('before', 'own'));
    await expect.poll(() => told(reader)).toEqual(['Flag/before']);
    await put(flag('between', 'own'));
    const { id } = reader.events[0]!;
    stack = await stack.restart();
    await expect.poll(() => reader.isEnded).toBe(true);
    const again = await listen('?topic=flag', 'publisher', id);
    await put(flag('after', 'own'));
    await expect.poll(() => told(again), { timeout: 20_000 }).toEqual(['Flag/between', 'Flag/after']);
  });
