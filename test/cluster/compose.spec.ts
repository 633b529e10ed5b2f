// infra/compose from images that are built here, on a Docker engine: what is recorded on one side is shown on the other.
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '@carelog/engines';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, '../..');
const MINUTE = 60_000;
const PROJECT = `carelog-spec-${process.pid}`;

/** What compose is called here; where there is none, why this cannot run. */
const compose = composeCommand();
const secrets = mkdtempSync(path.join(tmpdir(), 'carelog-compose-'));
const ports = [await freePort(), await freePort()] as const;
const gateways = ports.map((port) => `http://127.0.0.1:${port}`);
const env = {
  ...process.env,
  DOCKER_BUILDKIT: '0',
  CARELOG_IMAGE: 'carelog-spec',
  CARELOG_SECRETS: secrets,
  CARELOG_URL: `http://localhost:${ports[0]}`,
  CARELOG_PORT: String(ports[0]),
  CARELOG_PORT_2: String(ports[1]),
};
let images: Readonly<Record<string, string>> = {};

beforeAll(async () => {
  if (typeof compose === 'string') return;
  const isOffline = !(await does('docker', ['pull', '--quiet', 'node:26.10.0-bookworm-slim']));
  if (isOffline) {
    await docker('bash', ['infra/images/make-bases.sh']);
    images = { POSTGRES_IMAGE: 'carelog-base/postgres', KAFKA_IMAGE: 'carelog-base/kafka' };
  }
  const base = isOffline ? ['--build-arg', 'BASE=carelog-base/node'] : [];
  await docker('docker', ['build', ...base, '-t', env.CARELOG_IMAGE, '-f', 'infra/images/Dockerfile', '.']);
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
      await Promise.all(gateways.map((gateway) => vi.waitUntil(() => isReady(gateway), { timeout: 10 * MINUTE, interval: 1_000 }))); // prettier-ignore
      const token = await tokenOf('publisher');
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json' };
      for (const [here, there] of [gateways, gateways.toReversed()] as [string, string][]) {
        const body = JSON.stringify({ resourceType: 'Organization', name: 'A trust' });
        const made = await fetch(`${here}/fhir/R4/Organization`, { method: 'POST', headers, body });
        expect(made.status).toBe(201);
        const { id } = (await made.json()) as { id: string };
        const shown = await fetch(`${there}/fhir/R4/Organization/${id}`, { headers });
        expect([shown.status, ((await shown.json()) as { name: string }).name]).toEqual([200, 'A trust']);
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
        for (const service of [
          'gateway-1',
          'gateway-2',
          'writer-1',
          'writer-2',
          'relay',
          'projector-1',
          'projector-2',
        ]) {
          const { stdout: id } = await withCompose('ps', '--all', '-q', service);
          const { stdout: code } = await run('docker', ['inspect', '-f', '{{.State.ExitCode}}', id.trim()]);
          expect([service, code.trim()]).toEqual([service, '0']);
        }
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

const isReady = (url: string) =>
  fetch(`${url}/health/ready`).then(
    ({ ok }) => ok,
    () => false,
  );

async function tokenOf(persona: string): Promise<string> {
  const { stdout } = await withCompose('exec', '-T', 'gateway-1', '/carelog/infra/images/entrypoint.sh', 'token', persona); // prettier-ignore
  return stdout.trim();
}
