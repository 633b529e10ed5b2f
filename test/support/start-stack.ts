/**
 * The whole platform on a free port and a folder of its own, for tests that need more than one project: in one process, or with
 * `CARELOG_STACK=cluster` as a cluster whose gateways take turns to answer what is read, with `CARELOG_STACK=gateway` as a cluster
 * of which one gateway is asked.
 */
import { defaultPolicy } from '@carelog/access';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog, defaultAllowances, issueToken, personas, type Config, type ServedRoute } from '@carelog/service-kit'; // prettier-ignore
import { startLocalCluster } from '../../apps/carelog/src/cluster/local-cluster.ts';
import { startCarelog } from '../../apps/carelog/src/start.ts';

export interface Stack {
  /** Everything that the server serves, where it is this process. */
  readonly routes: readonly ServedRoute[];
  readonly url: string;
  readonly base: string;
  readonly folder: string;
  /** `limits`: the role of a persona that has several, SMART scopes, a purpose. */
  token(persona: string, limits?: TokenLimits): Promise<string>;
  /** A FHIR request; the body is sent as JSON unless it is text. */
  fhir(method: string, path: string, options?: FhirOptions): Promise<Answer>;
  /** Stops; `restart` continues on the same data. */
  stop(): Promise<void>;
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

export async function startStack(folder = mkdtempSync(join(tmpdir(), 'carelog-stack-'))): Promise<Stack> {
  const config = stackConfig(folder);
  const { routes, url, urlOf, close } = await (isCluster ? startCluster(config) : startOne(config));
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
      await close();
      return startStack(folder);
    },
    async remove() {
      await close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export function stackConfig(folder: string): Config {
  return {
    port: 0,
    host: '127.0.0.1',
    dataFolder: folder,
    demo: false,
    logLevel: 'error',
    accessLog: 'written',
    bodyLimit: 32 * 1024 * 1024,
    embeddedIdentity: true,
    issuers: [],
    policy: defaultPolicy(),
    // Tests ask faster than people do.
    allowances: {
      ...defaultAllowances,
      patients: defaultAllowances.staff,
      strangers: defaultAllowances.staff,
    },
    corsOrigins: [],
    trustedProxies: [],
  };
}

const kind = process.env['CARELOG_STACK'];
const isCluster = kind === 'cluster' || kind === 'gateway';

interface Started {
  readonly routes: readonly ServedRoute[];
  readonly url: string;
  /** Of the gateway that is asked next. */
  urlOf(method: string): string;
  close(): Promise<void>;
}

async function startOne(config: Config): Promise<Started> {
  const service = await startCarelog(config, createLog('error'));
  const url = service.url();
  return { routes: service.routes, url, urlOf: () => url, close: () => service.close() };
}

/** Every gateway calls itself by the address of the first, as behind one front: a page begun at one goes on at another. */
async function startCluster(config: Config): Promise<Started> {
  const limits = Object.fromEntries(
    ['SYSTEMS', 'STAFF', 'PATIENTS', 'STRANGERS'].map((who) => [`CARELOG_LIMIT_${who}`, '10000/10000/512']),
  );
  const env = (first: string) => ({ ...limits, CARELOG_LOG: 'error', CARELOG_URL: first });
  const { gateways, close } = await startLocalCluster(config, createLog('error'), { env });
  const url = gateways[0]!;
  let asked = 0;
  const urlOf = (method: string) =>
    method === 'GET' && kind === 'cluster' ? gateways[(asked += 1) % gateways.length]! : url;
  // Those of another process are not to be had.
  return { routes: [], url, urlOf, close };
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
