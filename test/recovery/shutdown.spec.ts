/** SIGTERM under load: what was accepted is finished and answered, the rest is refused a connection, nothing lies between. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { dataPaths } from '../../apps/carelog/src/paths.ts';
import { readLog } from '../support/read-log.ts';
import { startServer, type ServerProcess } from '../support/server-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'carelog-shutdown-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const ROUNDS = 3;
const WRITERS = 16;

it('answers what it accepted, records nothing that it did not answer, and ends with 0', async () => {
  const acknowledged: string[] = [];
  const otherwise: string[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const server = await startServer(folder);
    const token = await server.token('publisher');
    const goal = acknowledged.length + 100;
    let ending: Promise<number | null> | undefined;
    const writers = Array.from({ length: WRITERS }, async () => {
      for (;;) {
        const outcome = await writeOne(server, token);
        if (outcome === 'refused a connection') return;
        if (outcome.startsWith('201 ')) acknowledged.push(outcome.slice(4));
        else otherwise.push(outcome);
        if (acknowledged.length >= goal) ending ??= server.end();
      }
    });
    await Promise.all(writers);
    expect(await ending).toBe(0);
  }
  expect(otherwise).toEqual([]);
  const recorded = (await readLog(dataPaths(folder).log)).map(({ stream }) => stream);
  expect(recorded.toSorted()).toEqual(acknowledged.toSorted());
});

/** `201 <stream>`, another status, or that there was no answer at all; throws for half an answer. */
async function writeOne(server: ServerProcess, token: string): Promise<string> {
  const answer = await fetch(`${server.url}/fhir/R4/Organization`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json' },
    body: JSON.stringify({ resourceType: 'Organization', name: 'Written while it ends' }),
  }).catch(() => undefined);
  if (answer === undefined) return 'refused a connection';
  const { id } = (await answer.json()) as { id?: string };
  return answer.status === 201 ? `201 Organization/${id}` : String(answer.status);
}
