/**
 * kill -9 under reading, again and again on the same data: every answer that a client received has one access record, which
 * says what that answer showed, to whom, why, and as of when. ROUNDS=100 is the full run (`npm run test:kill-reading`).
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, expect, it } from 'vitest';
import { defaultPolicy } from '@carelog/access';
import { openKeyring } from '@carelog/keyring';
import type { RecordedAccess } from '@carelog/access-log';
import { recordProjection } from '@carelog/read-models';
import { personas } from '@carelog/service-kit';
import { dataPaths } from '../../apps/carelog/src/paths.ts';
import { recordsOf } from '../../libs/access-log/src/take-over.ts';
import { readLog } from '../support/read-log.ts';
import { startServer, type ServerProcess } from '../support/server-process.ts';
import type { TokenLimits } from '../support/start-stack.ts';

const rounds = Number(process.env['ROUNDS'] ?? 3);
const folder = mkdtempSync(join(tmpdir(), 'carelog-kill-reading-'));
const paths = dataPaths(folder);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const PEOPLE = 6;
const OBSERVATIONS = 5;

/** What a reader received, who they are and why: all that the record of it has to say, but for when. */
interface Received {
  readonly who: RecordedAccess['who'];
  readonly interaction: string;
  /** In the one spelling that records have. */
  readonly query: string;
  readonly status: number;
  readonly decision: string;
  readonly basis: string;
  /** `Type/id|version` of each resource, in order. */
  readonly versions: readonly string[];
  readonly patients: readonly string[];
  /** Of the log, that the answer reflects. */
  readonly position: number;
  readonly ground: RecordedAccess['ground'];
}

interface Reader {
  readonly persona: string;
  readonly limits?: TokenLimits;
  readonly who: RecordedAccess['who'];
  /** Of what is shown to them; or why nothing of a person is. */
  readonly basis: string;
  readonly isStranger?: true;
}

const PUBLISHER = { subject: 'publisher', kind: 'system', organisation: 'QZZ', system: 'publisher', careSetting: 'any' } as const; // prettier-ignore
const READERS: readonly Reader[] = [
  { persona: 'publisher', who: PUBLISHER, basis: 'system-to-system' },
  { persona: 'publisher', limits: { purpose: 'research' }, who: { ...PUBLISHER, purpose: 'research' }, basis: 'system-to-system' }, // prettier-ignore
  { persona: 'gp', who: staff('gp', 'general-practice'), basis: 'direct-care' },
  { persona: 'paramedic', who: staff('paramedic', 'urgent-care'), basis: 'direct-care', isStranger: true },
];

function staff(name: string, careSetting: string): Reader['who'] {
  const { userId = '', roles: [role] = [] } = personas.find((persona) => persona.name === name)!;
  const { id: roleProfile, code: roleCode, organisation } = role!;
  return { subject: userId, kind: 'staff', organisation, system: name, careSetting, roleProfile, roleCode };
}

interface Resource {
  readonly resourceType: string;
  readonly id: string;
  readonly meta: { readonly versionId: string };
}

it(
  `accounts for everything that was shown in ${rounds} rounds`,
  { timeout: rounds * 60_000 + 60_000 },
  async () => {
    const received = new Map<string, Received>();
    await publish();
    for (let round = 0; round < rounds; round += 1) {
      const server = await startServer(folder, round % 2 === 1 ? { CARELOG_ACCESS_LOG: 'flushed' } : {});
      const before = received.size;
      const killed = readers(server, received);
      const goal = before + 1 + Math.floor(Math.random() * 600);
      while (received.size < goal) await new Promise((resolve) => setTimeout(resolve, 2));
      await server.kill();
      await killed;
    }
    const last = await startServer(folder);
    expect(await last.end()).toBe(0);

    const versions = new Map<number, string>();
    for (const { position, stream, revision } of await readLog(paths.log))
      versions.set(position, `${stream}|${revision}`);
    const records = await accessRecords();
    const wrong = [...received].filter(([id, shown]) => {
      const found = records.get(id) ?? [];
      return found.length !== 1 || !isDeepStrictEqual(factsOf(found[0]!, versions), shown);
    });
    expect(wrong.map(([id, shown]) => ({ shown, recorded: records.get(id) }))).toEqual([]);
    expect(received.size).toBeGreaterThan(rounds);
    const kinds = new Set([...received.values()].map(({ who, interaction, decision }) => `${who.system} ${who.purpose ?? ''} ${interaction} ${decision}`)); // prettier-ignore
    expect(kinds.size).toBeGreaterThan(rounds < 3 ? 4 : 15);
  },
);

function factsOf(record: RecordedAccess, versions: ReadonlyMap<number, string>): Received {
  const { who, interaction, query, status, decision, basis, shown, patients, position, ground } = record;
  const positions = shown === '' ? [] : shown.split(',');
  return {
    who,
    interaction,
    query,
    status,
    decision,
    basis,
    versions: positions.map((position) => versions.get(Number(position)) ?? ''),
    patients,
    position,
    ground,
  };
}

/** By the id of the request. */
async function accessRecords(): Promise<Map<string, RecordedAccess[]>> {
  const keyring = openKeyring(paths.keyring, { readOnly: true });
  const records = new Map<string, RecordedAccess[]>();
  try {
    for (const event of await readLog(join(paths.accessLog, 'log.sqlite'))) {
      for (const record of recordsOf(event, keyring) ?? []) {
        records.set(record.correlation, [...(records.get(record.correlation) ?? []), record]);
      }
    }
  } finally {
    keyring.close();
  }
  return records;
}

async function publish(): Promise<void> {
  const server = await startServer(folder);
  const headers = {
    authorization: `Bearer ${await server.token('publisher')}`,
    'content-type': 'application/fhir+json',
  };
  const put = async (resource: object & { resourceType: string; id: string }) => {
    const url = `${server.url}/fhir/R4/${resource.resourceType}/${resource.id}`;
    const { status } = await fetch(url, { method: 'PUT', headers, body: JSON.stringify(resource) });
    expect(status).toBeLessThan(300);
  };
  for (let person = 0; person < PEOPLE; person += 1) {
    const generalPractitioner = [
      { identifier: { system: 'https://fhir.nhs.uk/Id/ods-organization-code', value: 'Y90001' } },
    ];
    for (const family of ['Grey', 'Green']) await put({ resourceType: 'Patient', id: `p-${person}`, name: [{ family }], generalPractitioner } as never); // prettier-ignore
    for (let n = 0; n < OBSERVATIONS; n += 1) {
      const subject = { reference: `Patient/p-${person}` };
      await put({ resourceType: 'Observation', id: `o-${person}-${n}`, status: 'final', code: { text: 'Pulse' }, subject } as never); // prettier-ignore
    }
  }
  expect(await server.end()).toBe(0);
}

/** Path, the query in its one spelling, and whether what is not for the asker is answered 404. */
type Way = (person: string, digest: (value: string) => string) => readonly [path: string, query: string];
const WAYS: readonly (readonly [interaction: string, isDirect: boolean, way: Way])[] = [
  ['read', true, (p) => [`/Patient/${p}`, `Patient/${p}`]],
  ['vread', true, (p) => [`/Patient/${p}/_history/1`, `Patient/${p}/_history/1`]],
  ['history', true, (p) => [`/Patient/${p}/_history`, `Patient/${p}/_history`]],
  ['everything', true, (p) => [`/Patient/${p}/$everything`, `Patient/${p}/$everything`]],
  ['search', false, (p) => [`/Observation?patient=${p}&_sort=-_lastUpdated&_count=3`, `Observation?_count=3&_sort=-_lastUpdated&patient=${p}`]],
  ['search', false, (p) => [`/Observation?patient=${p}&_include=Observation:subject`, `Observation?_include=Observation:subject&patient=${p}`]],
  ['search', false, (p, digest) => [`/Patient?family=Green&_id=${p}`, `Patient?_id=${p}&family=~${digest('Green')}`]],
]; // prettier-ignore

/** Eight readers, each one request after another, until the server is gone. */
async function readers(server: ServerProcess, received: Map<string, Received>): Promise<void> {
  const tokens = await Promise.all(READERS.map(({ persona, limits }) => server.token(persona, limits)));
  const keyring = openKeyring(paths.keyring, { readOnly: true });
  const digest = (value: string): string => keyring.hmac('asked for', value).slice(0, 16);
  const ground = { policy: defaultPolicy().version, view: `${recordProjection.name} ${recordProjection.version}`, epoch: await epochOf(server) }; // prettier-ignore
  const reader = async (_: unknown, number: number): Promise<void> => {
    const { who, basis, isStranger = false } = READERS[number % READERS.length]!;
    const authorization = `Bearer ${tokens[number % READERS.length]!}`;
    for (let index = number; ; index += 1) {
      const person = `p-${index % PEOPLE}`;
      const [interaction, isDirect, way] = WAYS[Math.floor(Math.random() * WAYS.length)]!;
      const [path, query] = way(person, digest);
      const id = randomUUID();
      const headers = { authorization, 'x-request-id': id };
      const answer = await fetch(`${server.url}/fhir/R4${path}`, { headers });
      const body = (await answer.json()) as Resource & { entry?: readonly { resource: Resource }[] };
      const { status } = answer;
      if (status !== (isStranger && isDirect ? 404 : 200)) throw new Error(`${path} gave ${status}`);
      const entries = body.resourceType === 'Bundle' ? (body.entry ?? []).map(({ resource }) => resource) : [body]; // prettier-ignore
      const versions = status === 404 ? [] : entries.map((it) => `${it.resourceType}/${it.id}|${it.meta.versionId}`); // prettier-ignore
      const isRefused = status === 404;
      received.set(id, {
        who,
        interaction,
        query,
        status,
        decision: isRefused ? 'refused' : 'permitted',
        basis: isRefused ? 'no-relationship' : basis,
        versions,
        patients: isStranger && !isDirect ? [] : [person],
        position: Number(answer.headers.get('carelog-position')),
        ground,
      });
    }
  };
  // Each ends with the connection that the kill broke.
  const ended = await Promise.allSettled(Array.from({ length: 8 }, reader));
  keyring.close();
  for (const it of ended) expect(String((it as PromiseRejectedResult).reason)).not.toContain('gave');
}

async function epochOf(server: ServerProcess): Promise<string> {
  const headers = { authorization: `Bearer ${await server.token('operator')}` };
  const status = (await (await fetch(`${server.url}/status`, { headers })).json()) as {
    log: { epoch: string };
  };
  return status.log.epoch;
}
