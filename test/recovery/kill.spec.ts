/**
 * kill -9 under load, again and again on the same data: what was acknowledged is there once, at its revision and position,
 * in order, and the views equal a fresh rebuild. ROUNDS=200 is the full run (`npm run test:kill`).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { rebuild } from '@carelog/projector';
import { dataPaths } from '../../apps/carelog/src/paths.ts';
import { readLog } from '../support/read-log.ts';
import { recordHash } from '../support/record-hash.ts';
import { startServer, type ServerProcess } from '../support/server-process.ts';

const rounds = Number(process.env['ROUNDS'] ?? 4);
const folder = mkdtempSync(join(tmpdir(), 'carelog-kill-'));
const paths = dataPaths(folder);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a writer was told. */
interface Acknowledged {
  readonly stream: string;
  readonly revision: number;
  /** Of the last event of its append. */
  readonly position: number;
  /** Events of the append that are not versions of resources. */
  readonly aliases: number;
}

it(`loses and doubles nothing in ${rounds} rounds`, { timeout: rounds * 60_000 + 60_000 }, async () => {
  const ledger: Acknowledged[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const server = await startServer(folder);
    const before = ledger.length;
    const killed = load(server, round, ledger);
    // Somewhere between the first acknowledgement and a few hundred later: what counts is the write it falls into.
    const goal = before + 1 + Math.floor(Math.random() * 400);
    await until(() => ledger.length >= goal);
    await server.kill();
    await killed;
  }
  const events = await readLog(paths.log);
  expect(events.map((event) => event.position)).toEqual(events.map((_, index) => index + 1));
  const byVersion = new Map(events.map((event) => [`${event.stream}|${event.revision}`, event]));
  expect(byVersion.size).toBe(events.length);
  expect(new Set(events.map((event) => event.id)).size).toBe(events.length);
  const wrong = ledger.filter(
    ({ stream, revision, position, aliases }) =>
      byVersion.get(`${stream}|${revision}`)?.position !== position - aliases,
  );
  expect(wrong).toEqual([]);
  expect(new Set(ledger.map(({ stream, revision }) => `${stream}|${revision}`)).size).toBe(ledger.length);

  const server = await startServer(folder);
  await settled(server, events.length);
  expect(await server.end()).toBe(0);
  const live = await recordHash(paths.record);
  await rebuild({ paths });
  expect(await recordHash(paths.record)).toBe(live);
});

/** Eight writers, each one write after another, until the server is gone. */
async function load(server: ServerProcess, round: number, ledger: Acknowledged[]): Promise<void> {
  const token = await server.token('publisher');
  const send = async (method: string, path: string, body: object): Promise<Response> =>
    fetch(`${server.url}/fhir/R4${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json' },
      body: JSON.stringify(body),
    });
  const note = async (answer: Response, aliases: number): Promise<string> => {
    const { resourceType, id, meta } = (await answer.json()) as {
      resourceType: string;
      id: string;
      meta: { versionId: string };
    };
    ledger.push({
      stream: `${resourceType}/${id}`,
      revision: Number(meta.versionId),
      position: Number(answer.headers.get('carelog-position')),
      aliases,
    });
    return id;
  };
  const writers = Array.from({ length: 8 }, async (_, writer) => {
    const person = { resourceType: 'Patient', id: `p-${round}-${writer}`, name: [{ family: 'Grey' }] };
    await note(await send('PUT', `/Patient/${person.id}`, person), 0);
    for (let index = 0; ; index += 1) {
      const observation = {
        resourceType: 'Observation',
        status: 'final',
        code: { text: 'Heart rate' },
        subject: { reference: `Patient/${person.id}` },
        valueInteger: index,
      };
      if (index % 3 === 0)
        await note(
          await send('PUT', `/Patient/${person.id}`, { ...person, name: [{ family: `Grey ${index}` }] }),
          0,
        );
      else if (index % 3 === 1) await note(await send('POST', '/Observation', observation), 0);
      else
        await note(
          await send('POST', '/Observation', {
            ...observation,
            identifier: [{ system: 'urn:kill', value: `${round}-${writer}-${index}` }],
          }),
          1,
        );
    }
  });
  // Each ends with the connection that the kill broke.
  await Promise.allSettled(writers);
}

async function settled(server: ServerProcess, position: number): Promise<void> {
  const headers = { authorization: `Bearer ${await server.token('operator')}` };
  await until(async () => {
    const status = (await (await fetch(`${server.url}/status`, { headers })).json()) as {
      projections: { position: number }[];
    };
    return status.projections.every((projection) => projection.position === position);
  });
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}
