// infra/compose from images that are built here, on a Docker engine: what is recorded on one side is shown on the other.
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from '@carelog/engines';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { composeImages, OUR_IMAGE } from '../support/compose-images.ts';

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, '../..');
const MINUTE = 60_000;
const SERVICES = ['gateway-1', 'gateway-2', 'writer-1', 'writer-2', 'relay', 'projector-1', 'projector-2'];
const PROJECT = `carelog-spec-${process.pid}`;

/** What compose is called here; where there is none, why this cannot run. */
const compose = composeCommand();
const secrets = mkdtempSync(path.join(tmpdir(), 'carelog-compose-'));
const ports = [await freePort(), await freePort()] as const;
const gateways = ports.map((port) => `http://127.0.0.1:${port}`);
const env = {
  ...process.env,
  CARELOG_IMAGE: OUR_IMAGE,
  CARELOG_SECRETS: secrets,
  CARELOG_URL: `http://localhost:${ports[0]}`,
  CARELOG_PORT: String(ports[0]),
  CARELOG_PORT_2: String(ports[1]),
};
let images: Readonly<Record<string, string>> = {};

beforeAll(async () => {
  if (typeof compose === 'string') return;
  images = await composeImages();
  await docker('sh', ['infra/compose/prepare.sh']);
  await withCompose('up', '--detach');
}, 20 * MINUTE);
afterAll(async () => {
  if (typeof compose === 'string') return;
  await withCompose('down', '--volumes', '--timeout', '20');
  await does('docker', ['image', 'rm', env.CARELOG_IMAGE]);
  rmSync(secrets, { recursive: true, force: true });
}, 5 * MINUTE);

describe.skipIf(typeof compose === 'string')(
  `the cluster in containers${typeof compose === 'string' ? `: ${compose}` : ''}`,
  () => {
    it('records at one gateway what the other one shows at once', async () => {
      await vi.waitUntil(areAllHealthy, { timeout: 10 * MINUTE, interval: 1_000 });
      const token = await tokenOf('publisher');
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json' };
      for (const [here, there] of [gateways, gateways.toReversed()] as [string, string][]) {
        const body = JSON.stringify({ resourceType: 'Organization', name: 'A trust' });
        const made = await served(`${here}/fhir/R4/Organization`, { method: 'POST', headers, body });
        expect([made.status, made.text]).toEqual([201, expect.anything()]);
        const { id } = JSON.parse(made.text) as { id: string };
        const shown = await served(`${there}/fhir/R4/Organization/${id}`, { headers });
        expect([shown.status, shown.text]).toEqual([200, expect.stringContaining('"A trust"')]);
      }
    }, 15 * MINUTE); // prettier-ignore

    it(
      'runs as a user that is nobody, on a disk that it cannot write',
      async () => {
        const { stdout } = await withCompose('exec', '-T', 'relay', 'sh', '-c', 'id -u; touch /carelog/a 2>&1 || true'); // prettier-ignore
        expect(stdout).toMatch(/^10001\n.*Read-only file system/s);
      },
      MINUTE,
    );

    it(
      'goes down clean: every service ends by itself, and nothing is left',
      async () => {
        await withCompose('stop', '--timeout', '20');
        expect(await statesOf('.State.ExitCode')).toEqual(inAll('0'));
        await withCompose('down', '--volumes');
        const left = await Promise.all(['container', 'volume', 'network'].map((what) => run('docker', [what, 'ls', '--quiet', '--filter', `name=${PROJECT}`]))); // prettier-ignore
        expect(left.map(({ stdout }) => stdout.trim())).toEqual(['', '', '']);
      },
      3 * MINUTE,
    );
  },
);

function composeCommand(): readonly string[] | string {
  const answers = (program: string, ...args: string[]) => {
    try {
      execFileSync(program, args, { stdio: 'ignore', timeout: 20_000 });
      return true;
    } catch {
      return false;
    }
  };
  if (!answers('docker', 'info')) return 'no Docker engine answers';
  if (answers('docker', 'compose', 'version')) return ['docker', 'compose'];
  if (answers('docker-compose', 'version')) return ['docker-compose'];
  return 'the Docker engine has no compose; on Debian: apt-get install docker-compose';
}

function withCompose(...args: string[]): Promise<{ stdout: string }> {
  const [program, ...before] = compose as readonly string[];
  return docker(program!, [...before, '-p', PROJECT, '-f', 'infra/compose/compose.yaml', ...args]);
}

/** With the images that there are, in the root of the repository. */
async function docker(program: string, args: readonly string[]): Promise<{ stdout: string }> {
  try {
    return await run(program, [...args], {
      cwd: root,
      env: { ...env, ...images },
      maxBuffer: 64 * 1024 * 1024,
    });
  } catch (fault) {
    const { stderr = '', stdout = '' } = fault as { stderr?: string; stdout?: string };
    throw new Error(`${program} ${args.join(' ')} failed: ${stderr.slice(-2_000)}${stdout.slice(-2_000)}`, { cause: fault }); // prettier-ignore
  }
}

const does = (program: string, args: readonly string[]) =>
  run(program, [...args]).then(
    () => true,
    () => false,
  );

/** Of each service, what Docker knows of its container under this name. */
async function statesOf(what: string): Promise<Readonly<Record<string, string>>> {
  const label = 'com.docker.compose';
  const { stdout: ids } = await run('docker', ['ps', '--all', '--quiet', '--filter', `label=${label}.project=${PROJECT}`]); // prettier-ignore
  const format = `{{index .Config.Labels "${label}.service"}} {{${what}}}`;
  const { stdout } = await run('docker', ['inspect', '-f', format, ...ids.trim().split('\n')]);
  const states = stdout.trim().split('\n').map((line) => line.split(' ') as [string, string]); // prettier-ignore
  return Object.fromEntries(states.filter(([service]) => SERVICES.includes(service)));
}

const inAll = (state: string) => Object.fromEntries(SERVICES.map((service) => [service, state]));

async function areAllHealthy(): Promise<boolean> {
  const states = await statesOf('if .State.Health}}{{.State.Health.Status}}{{end');
  return SERVICES.every((service) => states[service] === 'healthy');
}

/** As a client does: what is unavailable for the moment is asked for again, which a cluster says where it is short of breath. */
async function served(url: string, init: RequestInit): Promise<{ status: number; text: string }> {
  const until = Date.now() + MINUTE;
  for (;;) {
    const response = await fetch(url, init);
    const answer = { status: response.status, text: await response.text() };
    if (answer.status !== 503 || Date.now() > until) return answer;
    await delay(Number(response.headers.get('retry-after') ?? 1) * 1_000);
  }
}

async function tokenOf(persona: string): Promise<string> {
  const { stdout } = await withCompose('exec', '-T', 'gateway-1', '/carelog/infra/images/entrypoint.sh', 'token', persona); // prettier-ignore
  return stdout.trim();
}
