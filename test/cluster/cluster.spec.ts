/** A whole cluster: what one gateway acknowledges, traces or takes back counts at the other; and it ends whole. */
import { engineOrReason } from '@carelog/engines';
import { createLog, issueToken, personas } from '@carelog/service-kit';
import { temporaryFolder } from '@carelog/testkit';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startLocalCluster } from '../../apps/carelog/src/cluster/local-cluster.ts';
import { stackConfig } from '../support/stack-config.ts';
import { startTraceCollector } from '../support/trace-collector.ts';

const folder = temporaryFolder();
const collector = await startTraceCollector();
const limits = { CARELOG_LOG: 'error', CARELOG_LIMIT_SYSTEMS: '10000/10000/512' };
/** Listens where a writer was to, before it does. */
const stranger = createServer();
const started = await engineOrReason(() =>
  startLocalCluster(stackConfig(folder), createLog('error'), {
    env: () => ({ ...limits, ...collector.env }),
    async settingsOf({ name, env }) {
      if (name === 'writer 2' && !stranger.listening)
        await once(stranger.listen(Number(env['CARELOG_WRITER_PORT']), '127.0.0.1'), 'listening');
      return env;
    },
  }),
);
const cluster = typeof started === 'string' ? undefined : started;
const why = typeof started === 'string' ? `: ${started}` : '';
const SYSTEM = 'urn:cluster';

describe.skipIf(cluster === undefined)(`a cluster on this machine${why}`, { timeout: 300_000 }, () => {
  const [one = '', other = ''] = cluster?.gateways ?? [];
  let token = '';

  beforeAll(async () => {
    const outcome = await issueToken({ dataFolder: folder, personas, persona: 'publisher', url: one });
    if (outcome.kind === 'refused') throw new Error(outcome.message);
    token = outcome.token;
  });
  afterAll(async () => {
    await cluster?.close();
    stranger.close();
    collector.close();
  }, 60_000);

  async function ask(method: string, url: string, body?: object) {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json' };
    const answer = await fetch(url, { method, headers, ...(body && { body: JSON.stringify(body) }) });
    return { status: answer.status, json: (await answer.json()) as { id: string; total?: number } };
  }

  /** Writes at one gateway and reads each at the other right away; four at a time. What went wrong. */
  async function writeAndRead(names: readonly string[]): Promise<string[]> {
    const wrong: string[] = [];
    const left = [...names];
    const work = async (): Promise<void> => {
      for (let name = left.pop(); name !== undefined; name = left.pop()) {
        const body = { resourceType: 'Organization', identifier: [{ system: SYSTEM, value: name }], name };
        const { status, json } = await ask('POST', `${one}/fhir/R4/Organization`, body);
        if (status !== 201) wrong.push(`${name} written: ${status}`);
        else {
          const read = await ask('GET', `${other}/fhir/R4/Organization/${json.id}`);
          if (read.status !== 200) wrong.push(`${name} read: ${read.status}`);
        }
      }
    };
    await Promise.all([work(), work(), work(), work()]);
    return wrong;
  }

  const names = Array.from({ length: 40 }, (_, index) => `calm-${index}`);
  const recorded = async () => (await ask('GET', `${other}/fhir/R4/Organization?identifier=${SYSTEM}%7C&_summary=count`)).json.total; // prettier-ignore

  it('starts on other ports where something else has taken one of those that it chose', async () => {
    expect(stranger.listening).toBe(true);
    for (const service of cluster!.services.values()) await service.ready();
  });

  it('serves at one gateway what the other has just acknowledged', async () => {
    expect(await writeAndRead(names)).toEqual([]);
    expect(await recorded()).toBe(40);
  });

  it('traces a request through every service that it goes through, as one', async () => {
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/fhir+json',
      traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
    };
    const body = JSON.stringify({ resourceType: 'Organization', name: 'Traced' });
    const { status } = await fetch(`${one}/fhir/R4/Organization`, { method: 'POST', headers, body });
    expect(status).toBe(201);
    const steps = () => collector.spans().map(({ service, name }) => `${service} ${name}`);
    await expect
      .poll(() => new Set(steps()), { timeout: 20_000 })
      .toEqual(
        new Set([
          'carelog-gateway received',
          'carelog-writer accepted',
          'carelog-writer recorded',
          'carelog-relay relayed',
          'carelog-projector projected',
        ]),
      );
    expect(new Set(collector.spans().map(({ traceId }) => traceId)).size).toBe(1);
  });

  it('refuses at one gateway what was taken back at the other', async () => {
    const outcome = await issueToken({ dataFolder: folder, personas, persona: 'gp', url: one });
    const taken = outcome.kind === 'token' ? outcome.token : '';
    const statusOf = async () =>
      (await fetch(`${other}/fhir/R4/Patient?_count=0`, { headers: { authorization: `Bearer ${taken}` } })).status; // prettier-ignore
    expect(await statusOf()).toBe(200);
    const secrets = JSON.parse(readFileSync(join(folder, 'identity/client-secrets.json'), 'utf8')) as {
      gp: string;
    };
    const headers = { authorization: `Basic ${btoa(`gp:${secrets.gp}`)}` };
    const body = new URLSearchParams({ token: taken });
    expect((await fetch(`${one}/openid/token/revocation`, { method: 'POST', headers, body })).status).toBe(
      200,
    );
    await expect.poll(statusOf, { timeout: 30_000 }).toBe(401);
  });

  it('leaves no process behind', async () => {
    const pids = [...cluster!.services.values()].map(({ pid }) => pid!);
    await cluster!.close();
    expect(pids.filter(isThere)).toEqual([]);
  });
});

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
