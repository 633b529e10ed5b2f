/** Waits until nothing more can come of what was recorded: only then is "once" more than "at least once". */
import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import type { Stack } from './start-stack.ts';

const CHILD_PROTECTION = { coding: [{ system: 'http://snomed.info/sct', code: '342191000000101', display: 'Subject to child protection plan' }] }; // prettier-ignore

/**
 * Resolves when whoever alerts has looked past everything that was recorded before. Somebody else's attendance of yesterday is recorded
 * last: lists are gone through in the order of what changed them, the escalations after the alerts.
 */
export async function alertsSettled(stack: Pick<Stack, 'fhir'>): Promise<void> {
  const id = randomUUID();
  const subject = { reference: `Patient/${id}` };
  const start = new Date(Date.now() - 25 * 3_600_000).toISOString();
  const resources = [
    { resourceType: 'Patient', id },
    { resourceType: 'CareTeam', id, status: 'active', category: [CHILD_PROTECTION], subject },
    {
      resourceType: 'Encounter',
      id,
      status: 'in-progress',
      class: { code: 'EMER' },
      subject,
      period: { start },
    },
  ];
  const entry = resources.map((resource) => ({ resource, request: { method: 'PUT', url: `${resource.resourceType}/${id}` } })); // prettier-ignore
  const { status, text } = await stack.fhir('POST', '', { body: { resourceType: 'Bundle', type: 'transaction', entry } }); // prettier-ignore
  if (status !== 200) throw new Error(`${status} ${text}`);
  const raised = async (): Promise<number> =>
    (await stack.fhir('GET', `/Task?patient=${id}`)).json.entry?.length ?? 0;
  await expect.poll(raised, { timeout: 20_000 }).toBe(2);
}
