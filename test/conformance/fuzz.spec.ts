/**
 * Whatever is sent, the answer is no 5xx, comes in time, says what was wrong without repeating it, and leaves a server that
 * has not grown and a log that every view can follow. FUZZ_CASES=20000 is the full run (`npm run test:fuzz`); a failure
 * prints the seed and the path that repeat it.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { generatePopulation } from '@carelog/synthetic';
import { realDataPresent, realFiles, tellingStrings } from '../../libs/fhir/src/real-data.ts';
import { AUTHORIZATION, MARK, oddRequests } from '../support/odd-requests.ts';
import { exchange, type RawAnswer, type RawRequest } from '../support/raw-http.ts';
import { startServer, type ServerProcess } from '../support/server-process.ts';

const cases = Number(process.env['FUZZ_CASES'] ?? 1_000);
const seed = Number(process.env['FUZZ_SEED'] ?? 20_261_121);
const folder = mkdtempSync(join(tmpdir(), 'carelog-fuzz-'));
const LIMIT_MS = 30_000;
/** Between a quarter of the run and its end: garbage that was not collected yet is no growth. */
const GROWTH_MAX_MB = 200;

let server: ServerProcess;
beforeAll(async () => {
  server = await startServer(folder);
});
afterAll(async () => {
  await server.kill();
  rmSync(folder, { recursive: true, force: true });
});

it(
  `answers ${cases} odd requests as it should (seed ${seed})`,
  { timeout: 60_000 + cases * 200 },
  async () => {
    const resources = startingPoints();
    const token = await server.token('publisher');
    await registerPeople(resources, token);
    const requests = oddRequests({ resources, searches: await searchParameters() }).map((request) => ({
      ...request,
      [fc.toStringMethod]: () => `${request.head.join('\n')}\n\n${request.body?.toString('utf8') ?? ''}`,
    }));
    const answersWell = fc.asyncProperty(requests, async (request) => {
      const head = request.head.map((line) =>
        line === AUTHORIZATION ? `authorization: Bearer ${token}` : line,
      );
      expectGoodAnswer(request, await exchange(server.url, { ...request, head }, LIMIT_MS));
    });
    const quarter = Math.ceil(cases / 4);
    await fc.assert(answersWell, { numRuns: quarter, seed });
    const before = residentMegabytes(server.process.pid!);
    await fc.assert(answersWell, { numRuns: cases - quarter, seed: seed + 1 });
    const after = residentMegabytes(server.process.pid!);
    expect(after - before, `${before} MB grew to ${after} MB`).toBeLessThan(GROWTH_MAX_MB);

    const status = await settledStatus();
    expect(status.log.position).toBeGreaterThan(resources.length / 10);
    expect(status.projections.flatMap(({ parked }) => parked)).toEqual([]);
    expect(await server.end()).toBe(0);
  },
);

function expectGoodAnswer({ head, body }: RawRequest, { status, headers, body: text }: RawAnswer): void {
  const line = `${head[0]?.slice(0, 200)} answered ${status}`;
  expect(status, `${line} ${text}`).toBeLessThan(500);
  if (status < 400 || head[0]!.startsWith('HEAD ')) return;
  expect(headers.get('content-type'), line).toBe('application/fhir+json; charset=utf-8');
  const { resourceType, issue } = JSON.parse(text) as {
    resourceType: string;
    issue: { diagnostics: string }[];
  };
  expect(resourceType, line).toBe('OperationOutcome');
  const told = issue.map(({ diagnostics }) => diagnostics);
  for (const diagnostics of told) expect(diagnostics, line).toMatch(/\S/);
  const sent = [MARK, ...(body === undefined ? [] : stringsIn(body))];
  expect(
    sent.filter((value) => told.join('\n').includes(value)),
    `${line} ${told.join(' ')}`,
  ).toEqual([]);
}

function stringsIn(body: Buffer): string[] {
  try {
    return tellingStrings(JSON.parse(body.toString('utf8'))).filter((value) => !/^[A-Z]\w+\//.test(value));
  } catch {
    return [];
  }
}

/** Examples of the specification, small enough to be many; people of the synthetic population where they are absent. */
function startingPoints(): Record<string, unknown>[] {
  if (!realDataPresent) {
    const bundles = [...generatePopulation({ seed: 5, people: 10 })].flat();
    return bundles.flatMap(({ entry }) =>
      entry.map(({ resource }) => resource as unknown as Record<string, unknown>),
    );
  }
  return realFiles()
    .filter(({ file, bytes }) => file.startsWith('hl7-r4-examples/') && bytes.length < 20_000)
    .map(({ text }) => JSON.parse(text) as Record<string, unknown>);
}

/** So that what is sent fails by what was made odd about it, and not because nobody was registered. */
async function registerPeople(resources: readonly unknown[], token: string): Promise<void> {
  const ids = new Set(
    [...JSON.stringify(resources).matchAll(/"Patient\/([A-Za-z0-9.-]{1,64})"/g)].map(([, id]) => id!),
  );
  const entry = [...ids].map((id) => ({
    resource: { resourceType: 'Patient', id },
    request: { method: 'PUT', url: `Patient/${id}` },
  }));
  const answer = await fetch(`${server.url}/fhir/R4`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json' },
    body: JSON.stringify({ resourceType: 'Bundle', type: 'batch', entry }),
  });
  expect(answer.status).toBe(200);
}

async function searchParameters(): Promise<string[]> {
  const { rest } = (await (await fetch(`${server.url}/fhir/R4/metadata`)).json()) as {
    rest: [{ resource: { type: string; searchParam: { name: string }[] }[] }];
  };
  return rest[0].resource.flatMap(({ type, searchParam }) =>
    searchParam.map(({ name }) => `${type}?${name}`),
  );
}

interface Status {
  readonly log: { readonly position: number };
  readonly projections: readonly { readonly position: number; readonly parked: readonly unknown[] }[];
}

async function settledStatus(): Promise<Status> {
  const headers = { authorization: `Bearer ${await server.token('operator')}` };
  for (;;) {
    const status = (await (await fetch(`${server.url}/status`, { headers })).json()) as Status;
    if (status.projections.every(({ position }) => position === status.log.position)) return status;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function residentMegabytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
}
