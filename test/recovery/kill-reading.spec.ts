/**
 * kill -9 under reading, again and again on the same data: every answer that a client received has one access record, which
 * says what that answer showed and to whom. ROUNDS=100 is the full run (`npm run test:kill-reading`).
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { openKeyring } from '@carelog/keyring';
import type { RecordedAccess } from '@carelog/access-log';
import { dataPaths } from '../../apps/carelog/src/paths.ts';
import { recordsOf } from '../../libs/access-log/src/take-over.ts';
import { readLog } from '../support/read-log.ts';
import { startServer, type ServerProcess } from '../support/server-process.ts';

const rounds = Number(process.env['ROUNDS'] ?? 5);
const folder = mkdtempSync(join(tmpdir(), 'carelog-kill-reading-'));
const paths = dataPaths(folder);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const PEOPLE = 6;
const OBSERVATIONS = 5;

/** What a reader was shown. */
interface Received {
  readonly interaction: string;
  /** `Type/id|version` of each resource, in order. */
  readonly versions: readonly string[];
  readonly patients: readonly string[];
}

interface Resource {
  readonly resourceType: string;
  readonly id: string;
  readonly meta: { readonly versionId: string };
  readonly subject?: { readonly reference: string };
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
      return found.length !== 1 || JSON.stringify(factsOf(found[0]!, versions)) !== JSON.stringify(shown);
    });
    expect(wrong.map(([id, shown]) => ({ shown, recorded: records.get(id) }))).toEqual([]);
    expect(received.size).toBeGreaterThan(rounds);
  },
);

function factsOf(
  { interaction, shown, patients }: RecordedAccess,
  versions: ReadonlyMap<number, string>,
): Received {
  return {
    interaction,
    versions: shown.split(',').map((position) => versions.get(Number(position)) ?? ''),
    patients,
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
    for (const family of ['Grey', 'Green']) await put({ resourceType: 'Patient', id: `p-${person}`, name: [{ family }] } as never); // prettier-ignore
    for (let n = 0; n < OBSERVATIONS; n += 1) {
      const subject = { reference: `Patient/p-${person}` };
      await put({ resourceType: 'Observation', id: `o-${person}-${n}`, status: 'final', code: { text: 'Pulse' }, subject } as never); // prettier-ignore
    }
  }
  expect(await server.end()).toBe(0);
}

/** Eight readers, each one request after another, until the server is gone. */
async function readers(server: ServerProcess, received: Map<string, Received>): Promise<void> {
  const authorization = `Bearer ${await server.token('publisher')}`;
  const kinds = [
    (p: number) => ['read', `/Patient/p-${p}`],
    (p: number) => ['vread', `/Patient/p-${p}/_history/1`],
    (p: number) => ['history', `/Patient/p-${p}/_history`],
    (p: number) => ['search', `/Observation?patient=p-${p}&_sort=-_lastUpdated&_count=3`],
    (p: number) => ['search', `/Observation?patient=p-${p}&_include=Observation:subject`],
    (p: number) => ['everything', `/Patient/p-${p}/$everything`],
  ] as const;
  const reader = async (_: unknown, number: number): Promise<void> => {
    for (let index = number; ; index += 1) {
      const person = index % PEOPLE;
      const [interaction, path] = kinds[Math.floor(Math.random() * kinds.length)]!(person) as [
        string,
        string,
      ];
      const id = randomUUID();
      const answer = await fetch(`${server.url}/fhir/R4${path}`, {
        headers: { authorization, 'x-request-id': id },
      });
      const body = (await answer.json()) as Resource & { entry?: readonly { resource: Resource }[] };
      if (answer.status !== 200) throw new Error(`${path} gave ${answer.status}`);
      const shown =
        body.resourceType === 'Bundle' ? (body.entry ?? []).map(({ resource }) => resource) : [body];
      const versions = shown.map(({ resourceType, id, meta }) => `${resourceType}/${id}|${meta.versionId}`);
      received.set(id, { interaction, versions, patients: [`p-${person}`] });
    }
  };
  // Each ends with the connection that the kill broke.
  const ended = await Promise.allSettled(Array.from({ length: 8 }, reader));
  for (const it of ended) expect(String((it as PromiseRejectedResult).reason)).not.toContain('gave');
}
