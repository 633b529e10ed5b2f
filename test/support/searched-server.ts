/** A server that holds real resources, and the same resources in memory as the server serves them. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generatePopulation } from '@carelog/synthetic';
import { realDataPresent } from '../../libs/fhir/src/real-data.ts';
import type { Resource } from './search-oracle-definitions.ts';
import type { Searchable } from './search-queries.ts';
import { startServer } from './server-process.ts';
import { isCluster, startEmptyStack, startStack, type Stack } from './start-stack.ts';

const data = fileURLToPath(new URL('../../../shared/data/', import.meta.url));

export interface SearchedServer {
  readonly base: string;
  readonly resources: readonly Resource[];
  readonly searchable: Searchable;
  get(path: string, as?: string): Promise<Answer>;
  /** By `POST /Type/_search`. */
  ask(type: string, query: URLSearchParams, as?: string): Promise<Answer>;
  send(method: string, path: string, body?: unknown): Promise<Answer>;
  remove(): Promise<void>;
}

export interface Answer {
  readonly status: number;
  // Tests look into answers of every shape.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly json: any;
}

/**
 * Loads transactions and single resources through the front door; what is refused is left out. `among`: whether the server may
 * hold what other specs recorded.
 */
export async function startSearchedServer(
  transactions: readonly object[],
  singles: readonly Partial<Resource>[],
  among: 'nothing else' | 'others' = 'nothing else',
): Promise<SearchedServer> {
  const { url, urlOf, token, remove } = await (isCluster ? startCluster(among) : startProcess());
  const base = `${url}/fhir/R4`;
  const tokens = new Map<string, string>();
  const call = async (method: string, path: string, type: string, body?: string, as = 'publisher') => {
    const bearer = tokens.get(as) ?? (await token(as));
    tokens.set(as, bearer);
    const headers = {
      authorization: `Bearer ${bearer}`,
      ...(body !== undefined && { 'content-type': type }),
    };
    const address = path.startsWith('http') ? path : `${urlOf(method)}/fhir/R4${path}`;
    const response = await fetch(address, { method, headers, ...(body !== undefined && { body }) });
    const text = await response.text();
    return { status: response.status, json: text === '' ? undefined : (JSON.parse(text) as unknown) };
  };
  const send = (method: string, path: string, body?: unknown): Promise<Answer> =>
    call(method, path, 'application/fhir+json', body === undefined ? undefined : JSON.stringify(body));
  const names = new Set<string>();
  for (const bundle of [...transactions, ...batches(singles)])
    for (const { response } of (await send('POST', '', bundle)).json?.entry ?? [])
      if (response.status.startsWith('2')) names.add(response.location.replace(/\/_history.*/, ''));
  const { rest } = (await send('GET', '/metadata')).json as {
    rest: [{ resource: { type: string; searchParam?: { name: string }[] }[] }];
  };
  return {
    base,
    resources: await readAll([...names], send),
    // What is kept beside the record is found in ways of its own.
    searchable: new Map(
      rest[0].resource
        .filter(({ type }) => type !== 'Subscription')
        .map(({ type, searchParam = [] }) => [type, searchParam.map(({ name }) => name)]),
    ),
    get: (path, as) => call('GET', path, '', undefined, as),
    ask: (type, query, as) =>
      call('POST', `/${type}/_search`, 'application/x-www-form-urlencoded', query.toString(), as),
    send,
    remove,
  };
}

type Started = Pick<Stack, 'url' | 'urlOf' | 'token' | 'remove'>;

const startCluster = (among: 'nothing else' | 'others'): Promise<Started> =>
  among === 'others' ? startStack() : startEmptyStack();

/** Of its own, so that a spec asks while it is busy. */
async function startProcess(): Promise<Started> {
  const folder = mkdtempSync(join(tmpdir(), 'carelog-searched-'));
  const { url, token, kill } = await startServer(folder);
  const remove = async (): Promise<void> => {
    await kill();
    rmSync(folder, { recursive: true, force: true });
  };
  return { url, urlOf: () => url, token, remove };
}

/** Patients first, so that references to them resolve; then the rest, which keep the ids they have. */
function batches(singles: readonly Partial<Resource>[]): object[] {
  const people = new Set(
    [...JSON.stringify(singles).matchAll(/"Patient\/([A-Za-z0-9.-]{1,64})"/g)].map(([, id]) => id!),
  );
  const all: Partial<Resource>[] = [
    ...[...people].map((id) => ({ resourceType: 'Patient', id })),
    ...singles.toSorted(
      (a, b) => Number(b.resourceType === 'Patient') - Number(a.resourceType === 'Patient'),
    ),
  ];
  return chunks(all).map((chunk) => ({
    resourceType: 'Bundle',
    type: 'batch',
    entry: chunk.map((resource) => ({
      resource,
      request:
        resource.id === undefined
          ? { method: 'POST', url: resource.resourceType }
          : { method: 'PUT', url: `${resource.resourceType}/${resource.id}` },
    })),
  }));
}

async function readAll(
  names: readonly string[],
  send: (method: string, path: string, body: unknown) => Promise<Answer>,
): Promise<Resource[]> {
  const read: Resource[] = [];
  for (const chunk of chunks(names)) {
    const entry = chunk.map((url) => ({ request: { method: 'GET', url } }));
    const answer = await send('POST', '', { resourceType: 'Bundle', type: 'batch', entry });
    for (const { resource } of answer.json.entry as { resource: Resource }[]) read.push(resource);
  }
  return read;
}

function chunks<T>(items: readonly T[]): T[][] {
  const size = 200;
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  );
}

/** Transactions of `people` Synthea patients; people of the synthetic population where the real input is absent. */
export function someTransactions(people: number): object[] {
  if (!realDataPresent) return [...generatePopulation({ seed: 7, people })].flat();
  return files('synthea-r4')
    .slice(0, people)
    .map((text) => JSON.parse(text) as object);
}

/** HL7's examples that are small enough to be many; none where the real input is absent. */
export function examples(): Partial<Resource>[] {
  return realDataPresent
    ? files('hl7-r4-examples')
        .filter((text) => text.length < 30_000)
        .map((text) => JSON.parse(text) as Partial<Resource>)
    : [];
}

function files(folder: string): string[] {
  return readdirSync(join(data, folder))
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => readFileSync(join(data, folder, file), 'utf8'));
}
