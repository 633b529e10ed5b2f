// An activity as a collector of traces sees it, on the whole platform in processes and threads of its own.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openSqliteLogReader } from '@carelog/event-store';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { dataPaths } from '../../apps/carelog/src/paths.ts';
import { startServer, type ServerProcess } from '../support/server-process.ts';
import { startTraceCollector } from '../support/trace-collector.ts';

const CANARY = 'Canaryname';
const NHS_NUMBER = '9990000018';
const folder = mkdtempSync(path.join(tmpdir(), 'carelog-traces-'));
const collector = await startTraceCollector();
const { spans } = collector;
let server: ServerProcess;

beforeAll(async () => {
  server = await startServer(folder, collector.env);
});
afterAll(async () => {
  await server.kill();
  collector.close();
  rmSync(folder, { recursive: true, force: true });
});

it('a request that is traced is one trace from received to projected, with nothing of the patient in it', async () => {
  const token = await server.token('publisher');
  const post = (headers: Record<string, string>) =>
    fetch(`${server.url}/fhir/R4/Patient`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json', ...headers },
      body: JSON.stringify({ resourceType: 'Patient', name: [{ family: CANARY }], birthDate: '1990-01-01', identifier: [{ system: 'https://fhir.nhs.uk/Id/nhs-number', value: NHS_NUMBER }] }), // prettier-ignore
    });
  const clients = `${NHS_NUMBER}${'a'.repeat(22)}`;
  expect((await post({ traceparent: `00-${clients}-${'b'.repeat(16)}-01` })).status).toBe(201);
  await vi.waitUntil(() => spans().some(({ name }) => name === 'projected'), 20_000);
  const [projected] = spans().filter(({ name }) => name === 'projected');
  await vi.waitUntil(() => spans().some(({ name, traceId }) => name === 'received' && traceId === projected!.traceId), 20_000); // prettier-ignore
  const names = spans().filter(({ traceId }) => traceId === projected!.traceId).map(({ name }) => name); // prettier-ignore
  expect(new Set(names)).toEqual(new Set(['received', 'accepted', 'recorded', 'projected']));
  // The link to the client's own trace is theirs to fill; nothing else comes from them.
  const said = collector.said().replaceAll(clients, '');
  expect(said).not.toMatch(new RegExp(`${CANARY}|${NHS_NUMBER}|1990-01-01`));
  expect(await traces()).toEqual([projected!.traceId]);
});

it('a request that is not traced leaves nothing with the collector and nothing in the log', async () => {
  const before = spans().length;
  const token = await server.token('publisher');
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json' };
  const body = JSON.stringify({ resourceType: 'Organization', name: 'Trust' });
  const { status } = await fetch(`${server.url}/fhir/R4/Organization`, { method: 'POST', headers, body });
  expect(status).toBe(201);
  expect(await server.end()).toBe(0);
  expect(spans().length).toBe(before);
  expect((await traces()).length).toBe(1);
});

/** The traces that events of the log belong to. */
async function traces(): Promise<string[]> {
  const log = openSqliteLogReader({ path: dataPaths(folder).log });
  const events = await log.readAll();
  await log.close();
  return [...new Set(events.flatMap(({ trace }) => (trace === undefined ? [] : [trace.split('-')[1]!])))];
}
