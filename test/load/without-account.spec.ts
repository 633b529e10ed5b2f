/** What the bench measures access records against has to stay a server: it is no part of the product, and nobody else starts it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startServer, type ServerProcess } from '../support/server-process.ts';

const WITHOUT = fileURLToPath(new URL('without-account.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'carelog-without-'));
let server: ServerProcess;

beforeAll(async () => {
  server = await startServer(folder, {}, WITHOUT);
});
afterAll(async () => {
  await server?.end();
  rmSync(folder, { recursive: true, force: true });
});

it('a server without access records answers as the product does, and records no access', async () => {
  const asked = async (persona: string, path: string, resource?: object) => {
    const headers = { authorization: `Bearer ${await server.token(persona)}`, 'content-type': 'application/fhir+json' }; // prettier-ignore
    const body = resource && { method: 'POST', body: JSON.stringify(resource) };
    const response = await fetch(`${server.url}/fhir/R4/${path}`, { headers, ...body });
    return { status: response.status, resource: (await response.json()) as { id: string } };
  };
  const made = await asked('publisher', 'Patient', { resourceType: 'Patient', name: [{ family: 'Moss' }] });
  expect(made.status).toBe(201);
  expect(await asked('publisher', `Patient/${made.resource.id}`)).toMatchObject({
    status: 200,
    resource: { name: [{ family: 'Moss' }] },
  });
  const accesses = await asked('auditor', 'AuditEvent');
  expect(accesses.status).toBe(200);
  expect(accesses.resource).not.toHaveProperty('entry');
});
