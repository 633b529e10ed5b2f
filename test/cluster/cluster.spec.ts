/** A whole cluster: what one gateway acknowledges another serves at once, once, whatever is killed; and it ends whole. */
import { engineOrReason } from '@carelog/engines';
import { createLog, issueToken, personas } from '@carelog/service-kit';
import { temporaryFolder } from '@carelog/testkit';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startLocalCluster } from '../../apps/carelog/src/cluster/local-cluster.ts';
import { stackConfig } from '../support/stack-config.ts';

const folder = temporaryFolder();
const limits = { CARELOG_LOG: 'error', CARELOG_LIMIT_SYSTEMS: '10000/10000/512' };
const started = await engineOrReason(() =>
  startLocalCluster(stackConfig(folder), createLog('error'), () => limits),
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
  afterAll(() => cluster?.close(), 60_000);

  async function ask(method: string, url: string, body?: object) {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json' };
    const answer = await fetch(url, { method, headers, ...(body && { body: JSON.stringify(body) }) });
    return { status: answer.status, json: (await answer.json()) as { id: string; total?: number } };
  }

  /** Writes at one gateway and reads each at the other right away; four at a time. What went wrong. */
  async function writeAndRead(
    names: readonly string[],
    meanwhile: (written: number) => void = () => {},
  ): Promise<string[]> {
    const wrong: string[] = [];
    const left = [...names];
    let written = 0;
    const work = async (): Promise<void> => {
      for (let name = left.pop(); name !== undefined; name = left.pop()) {
        const body = { resourceType: 'Organization', identifier: [{ system: SYSTEM, value: name }], name };
        const { status, json } = await ask('POST', `${one}/fhir/R4/Organization`, body);
        meanwhile((written += 1));
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

  const named = (prefix: string) => Array.from({ length: 40 }, (_, index) => `${prefix}-${index}`);
  const recorded = async () => (await ask('GET', `${other}/fhir/R4/Organization?identifier=${SYSTEM}%7C&_summary=count`)).json.total; // prettier-ignore

  it('serves at one gateway what the other has just acknowledged', async () => {
    expect(await writeAndRead(named('calm'))).toEqual([]);
    expect(await recorded()).toBe(40);
  });

  it.each(['writer 1', 'projector 2', 'relay 1'])(
    'loses and doubles nothing, and fails nobody, while the %s is killed',
    async (name) => {
      const before = (await recorded()) ?? 0;
      const service = cluster!.services.get(name)!;
      const { pid } = service;
      const wrong = await writeAndRead(
        named(name),
        (written) => written === 10 && process.kill(pid!, 'SIGKILL'),
      );
      // A read that had to wait too long says so, and is right when it is asked again.
      expect(wrong.filter((it) => !/read: 503/.test(it))).toEqual([]);
      await service.ready();
      await vi.waitFor(async () => expect(await recorded()).toBe(before + 40), {
        timeout: 60_000,
        interval: 500,
      });
      expect(service.pid).not.toBe(pid);
    },
  );

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
