/** The load: `wrk` where it is installed, else `autocannon`; always a process of its own, on the same cores as the server. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Load {
  readonly base: string;
  readonly method: 'GET' | 'POST';
  /** Below the base; each request takes one of them at random. */
  readonly paths: readonly string[];
  /** One, or several of which each request takes one at random. */
  readonly body?: string | readonly string[];
  readonly token?: string;
  readonly connections: number;
  readonly seconds: number;
}

export interface Client {
  readonly name: string;
  /** Answers a second. Throws when an answer was not 2xx, or when none came. */
  readonly rate: (load: Load) => Promise<number>;
}

/** The client that this machine has. */
export function openClient(): Client {
  const { status } = spawnSync('wrk', ['--version'], { stdio: 'ignore' });
  const folder = mkdtempSync(join(tmpdir(), 'carelog-load-'));
  return status === null ? autocannon(folder) : wrk(folder);
}

function wrk(folder: string): Client {
  return {
    name: 'wrk',
    async rate(load) {
      const script = join(folder, 'load.lua');
      writeFileSync(script, luaOf(load));
      const args = ['-t1', `-c${load.connections}`, `-d${load.seconds}s`, '--timeout=30s', '-s', script];
      const said = await run('wrk', [...args, load.base]);
      const [requests = 0, microseconds = 0, failed = 0] = /^counted (\d+) (\d+) (\d+)$/m.exec(said)?.slice(1).map(Number) ?? []; // prettier-ignore
      return checked(requests / (microseconds / 1e6), failed, requests);
    },
  };
}

function luaOf({ method, paths, body, token, base }: Load): string {
  const { pathname } = new URL(base);
  const urls = paths.map((path) => JSON.stringify(`${pathname === '/' ? '' : pathname}${path}`));
  const bodies = [body ?? []].flat().map((it) => `[==[${it}]==]`);
  const headers = Object.entries(headersOf(token, body)).map(
    ([name, value]) => `wrk.headers["${name}"]="${value}"`,
  );
  const add = (of: string) => `table.insert(requests,wrk.format(nil,url,nil,${of}))`;
  return [
    `wrk.method="${method}"`,
    ...headers,
    'local requests={}',
    `local bodies={${bodies.join(',')}}`,
    `function init() for _,url in ipairs({${urls.join(',')}}) do`,
    bodies.length === 0 ? add('nil') : `for _,body in ipairs(bodies) do ${add('body')} end`,
    'end end',
    'function request() return requests[math.random(#requests)] end',
    // wrk counts a status of 400 and above as an error; nothing here is redirected.
    'function done(s) local e=s.errors',
    'io.write(string.format("counted %d %d %d\\n",s.requests,s.duration,e.connect+e.read+e.write+e.status+e.timeout)) end',
  ].join('\n');
}

/** Requests of each connection follow a list that was shuffled once. */
const SHUFFLED = 500;

function autocannon(folder: string): Client {
  const program = createRequire(import.meta.url).resolve('autocannon');
  return {
    name: 'autocannon',
    async rate(load) {
      const { base, method, paths, body, token, connections, seconds } = load;
      const headers = Object.entries(headersOf(token, body)).map(([name, value]) => ({ name, value }));
      const bodies = [body ?? []].flat();
      const one = <Item>(of: readonly Item[]) => of[Math.floor(Math.random() * of.length)];
      const entries = Array.from({ length: paths.length === 1 && bodies.length <= 1 ? 1 : SHUFFLED }, () => {
        const text = one(bodies);
        const sent = text === undefined ? {} : { postData: { text } };
        return { request: { method, url: `${base}${one(paths)}`, headers, ...sent } };
      });
      const har = join(folder, 'load.har');
      writeFileSync(har, JSON.stringify({ log: { entries } }));
      const args = ['--json', '--no-progress', '-c', String(connections), '-d', String(seconds), '-t', '30'];
      const said = await run(process.execPath, [program, ...args, '--har', har, base]);
      const { requests, duration, non2xx, errors } = JSON.parse(said) as {
        requests: { total: number };
        duration: number;
        non2xx: number;
        errors: number;
      };
      return checked(requests.total / duration, non2xx + errors, requests.total);
    },
  };
}

function headersOf(token: string | undefined, body: Load['body']): Record<string, string> {
  return {
    Accept: 'application/fhir+json',
    ...(token !== undefined && { Authorization: `Bearer ${token}` }),
    ...(body !== undefined && { 'Content-Type': 'application/fhir+json' }),
  };
}

function checked(perSecond: number, failed: number, requests: number): number {
  if (!(perSecond > 0)) throw new Error('No answer came.');
  if (failed > 0) throw new Error(`${failed} of ${requests} answers were not 2xx, or did not come.`);
  return perSecond;
}

async function run(command: string, args: readonly string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  let complaint = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString()));
  const code = await new Promise((resolve, reject) => child.on('close', resolve).on('error', reject));
  if (code !== 0) throw new Error(`${command} ended with ${String(code)}: ${complaint}`);
  return said;
}
