/** The whole platform on a free port and a folder of its own, for tests that need more than one project. */
import { defaultPolicy } from '@carelog/access';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog, defaultAllowances, issueToken, personas, type ServedRoute } from '@carelog/service-kit';
import { startCarelog } from '../../apps/carelog/src/start.ts';

export interface Stack {
  /** Everything that the server serves. */
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
  const config = {
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
  } as const;
  const service = await startCarelog(config, createLog('error'));
  const url = service.url();
  const tokens = new Map<string, Promise<string>>();
  const token = (persona: string, limits: TokenLimits = {}): Promise<string> => {
    const key = JSON.stringify([persona, limits]);
    const known = tokens.get(key) ?? tokenOf(folder, url, persona, limits);
    tokens.set(key, known);
    return known;
  };
  return {
    routes: service.routes,
    url,
    base: `${url}/fhir/R4`,
    folder,
    token,
    async fhir(method, path, { as = 'publisher', limits = {}, body, headers } = {}) {
      const sent = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
      const response = await fetch(path.startsWith('http') ? path : `${url}/fhir/R4${path}`, {
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
    stop: () => service.close(),
    async restart() {
      await service.close();
      return startStack(folder);
    },
    async remove() {
      await service.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
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
