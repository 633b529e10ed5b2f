/**
 * The whole platform on a free port and a folder of its own, for tests that need more than one project: in one process, or with
 * `CARELOG_STACK=cluster` as a cluster whose gateways take turns to answer what is read, with `CARELOG_STACK=gateway` as a cluster
 * of which one gateway is asked.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createLog, issueToken, personas, type Config, type ServedRoute } from '@carelog/service-kit'; // prettier-ignore
import { startLocalCluster, type LocalEngines } from '../../apps/carelog/src/cluster/local-cluster.ts';
import { startCarelog } from '../../apps/carelog/src/start.ts';
import { SHARED_CLUSTER, SHARED_ENGINES, type SharedCluster } from './one-cluster.ts';
import { stackConfig, stackSettings } from './stack-config.ts';

export interface Stack {
  /** Everything that the server serves, where it is this process. */
  readonly routes: readonly ServedRoute[];
  readonly url: string;
  readonly base: string;
  readonly folder: string;
  /** `limits`: the role of a persona that has several, SMART scopes, a purpose. */
  token(persona: string, limits?: TokenLimits): Promise<string>;
  /** Where a request with this method goes next. */
  urlOf(method: string): string;
  /** A FHIR request; the body is sent as JSON unless it is text. */
  fhir(method: string, path: string, options?: FhirOptions): Promise<Answer>;
  /** Stops. */
  stop(): Promise<void>;
  /** Goes on with the same data in processes that begin anew: the one, or of a cluster those that are asked. */
  restart(): Promise<Stack>;
  /** Stops and removes the data. */
  remove(): Promise<void>;
}

export interface TokenLimits {
  readonly role?: string;
  readonly scope?: string;
  readonly purpose?: string;
}

export interface FhirOptions {
  readonly as?: string;
  readonly limits?: TokenLimits;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // Tests look into answers of every shape.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly json: any;
}

/** One that may hold what other specs recorded, where a run has one for them all. */
export async function startStack(): Promise<Stack> {
  const shared = process.env[SHARED_CLUSTER];
  if (shared === undefined) return startEmptyStack();
  const { folder, gateways } = JSON.parse(shared) as SharedCluster;
  const stack = stackOn(folder, { ...gatewaysOf(gateways), close: async () => {} });
  return { ...stack, remove: async () => {} };
}

/** One that holds nothing but what was recorded in this folder. `hooks`: origins here to which notifications may be sent. */
export async function startEmptyStack(
  folder = mkdtempSync(join(tmpdir(), 'carelog-stack-')),
  hooks: readonly string[] = [],
): Promise<Stack> {
  const allowed = hooks.map((origin) => ({ origin, allowPrivate: true, allowHttp: true }));
  const config = { ...stackConfig(folder), ...(allowed.length > 0 && { hooks: allowed }) };
  return stackOn(folder, await (isCluster ? startCluster(config) : startOne(config)), hooks);
}

function stackOn(folder: string, started: Started, hooks: readonly string[] = []): Stack {
  const { routes, url, urlOf, close } = started;
  const tokens = new Map<string, Promise<string>>();
  const token = (persona: string, limits: TokenLimits = {}): Promise<string> => {
    const key = JSON.stringify([persona, limits]);
    const known = tokens.get(key) ?? tokenOf(folder, url, persona, limits);
    tokens.set(key, known);
    return known;
  };
  return {
    routes,
    url,
    base: `${url}/fhir/R4`,
    folder,
    token,
    urlOf,
    async fhir(method, path, { as = 'publisher', limits = {}, body, headers } = {}) {
      const sent = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
      const response = await fetch(path.startsWith('http') ? path : `${urlOf(method)}/fhir/R4${path}`, {
        method,
        headers: {
          authorization: `Bearer ${await token(as, limits)}`,
          ...(body !== undefined && { 'content-type': 'application/fhir+json' }),
          ...headers,
        },
        ...sent,
      });
      const text = await response.text();
      const json: unknown = text.startsWith('{') ? JSON.parse(text) : undefined;
      return { status: response.status, headers: response.headers, text, json };
    },
    stop: close,
    async restart() {
      if (started.replace !== undefined) {
        await started.replace();
        return stackOn(folder, started, hooks);
      }
      await close();
      return startEmptyStack(folder, hooks);
    },
    async remove() {
      await close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const kind = process.env['CARELOG_STACK'];
export const isCluster = kind === 'cluster' || kind === 'gateway';

interface Started {
  readonly routes: readonly ServedRoute[];
  readonly url: string;
  /** Of the gateway that is asked next. */
  urlOf(method: string): string;
  /** Starts each gateway of a cluster anew, where it was. */
  replace?(): Promise<unknown>;
  close(): Promise<void>;
}

async function startOne(config: Config): Promise<Started> {
  const service = await startCarelog(config, createLog('error'));
  const url = service.url();
  return { routes: service.routes, url, urlOf: () => url, close: () => service.close() };
}

async function startCluster(config: Config): Promise<Started> {
  const shared = process.env[SHARED_ENGINES];
  const given = shared && { engines: JSON.parse(shared) as LocalEngines, name: basename(config.dataFolder) };
  const hooks = join(config.dataFolder, 'hooks.json');
  writeFileSync(hooks, JSON.stringify({ hooks: config.hooks ?? [{ origin: 'https://*' }] }));
  const cluster = await startLocalCluster(config, createLog('error'), {
    env: (first) => ({ ...stackSettings(first), CARELOG_HOOKS: hooks }),
    ...(given || {}),
  });
  const asked = [...cluster.services.values()].filter(({ name }) => name.startsWith('gateway'));
  const replace = () => Promise.all(asked.map((it) => it.replace()));
  return { ...gatewaysOf(cluster.gateways), replace, close: () => cluster.close() };
}

function gatewaysOf(gateways: readonly string[]): Omit<Started, 'close'> {
  const url = gateways[0]!;
  let asked = 0;
  const urlOf = (method: string) =>
    method === 'GET' && kind === 'cluster' ? gateways[(asked += 1) % gateways.length]! : url;
  // Those of another process are not to be had.
  return { routes: [], url, urlOf };
}

async function tokenOf(
  dataFolder: string,
  url: string,
  persona: string,
  limits: TokenLimits,
): Promise<string> {
  const outcome = await issueToken({ dataFolder, personas, persona, url, ...limits });
  if (outcome.kind === 'refused') throw new Error(outcome.message);
  return outcome.token;
}
