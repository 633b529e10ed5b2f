/** Alerts to those who must know, through HTTP: a child on a protection plan who comes to an emergency department. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { alertsSettled } from '../support/alerts-settled.ts';
import { SHARED_CLUSTER } from '../support/one-cluster.ts';
import { startEmptyStack, startStack, type Stack } from '../support/start-stack.ts';

/** A cluster that others ask meanwhile is not restarted. */
const isShared = process.env[SHARED_CLUSTER] !== undefined;

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
  await recorded('Organization', 'council', { name: 'Council', identifier: [ods('9ZZ')] });
  await recorded('Patient', 'child', { birthDate: '2019-05-05', managingOrganization: at('9ZZ'), generalPractitioner: [at('Y90001')] }); // prettier-ignore
});
afterAll(() => stack.remove());

it('given a child on a protection plan, when they come to an emergency department, then the council has one task', async () => {
  await recorded('CareTeam', 'plan', {
    status: 'active',
    category: [CHILD_PROTECTION],
    subject: CHILD,
    managingOrganization: [{ reference: 'Organization/council' }],
  });
  await attends('ed-1', minutesAgo(1));
  const [task, ...others] = await tasksAtLast();
  expect(others).toEqual([]);
  expect(task).toMatchObject({
    status: 'requested',
    priority: 'urgent',
    code: { coding: [{ code: 'safeguarding-alert' }] },
    focus: { reference: 'Encounter/ed-1' },
    for: CHILD,
    owner: { reference: 'Organization/council' },
  });
});

it('given the attendance goes on, then nothing more is raised of it; given another, then another is', async () => {
  await attends('ed-1', minutesAgo(1), { status: 'finished', period: { start: minutesAgo(1), end: minutesAgo(0) } }); // prettier-ignore
  await attends('ed-2', minutesAgo(0));
  expect(focuses(await tasksAtLast())).toEqual(['Encounter/ed-1', 'Encounter/ed-2']);
});

it('given the plan arrives after the attendance, then the alert is raised when it does', async () => {
  await recorded('Patient', 'other', { birthDate: '2020-01-01' });
  await attends('ed-3', minutesAgo(2), { subject: { reference: 'Patient/other' } });
  const flag = { status: 'active', code: CHILD_PROTECTION, subject: { reference: 'Patient/other' }, author: { reference: 'Organization/council' }, period: { start: '2026-01-10' } }; // prettier-ignore
  await recorded('Flag', 'late', flag);
  expect(focuses(await tasksAtLast('other'))).toEqual(['Encounter/ed-3']);
});

it('given an attendance of last year that is loaded now, then nobody is alerted', async () => {
  await attends('ed-old', daysAgo(365));
  expect(focuses(await tasksAtLast())).toEqual(['Encounter/ed-1', 'Encounter/ed-2']);
});

it('given an attendance of last month that arrives now, then the council is told, and that it is late; nobody is reminded', async () => {
  await attends('ed-late', daysAgo(30));
  const about = (await tasksAtLast()).filter(({ focus }) => focus.reference === 'Encounter/ed-late');
  expect(about).toMatchObject([{ code: { coding: [{ code: 'safeguarding-alert' }] }, description: expect.stringContaining(`Learned of late: it was on ${daysAgo(30).slice(0, 10)}`) }]); // prettier-ignore
});

it('given nobody acknowledged for a day, then it is escalated, once; what was taken on is not', async () => {
  for (const id of ['ed-4', 'ed-5']) await attends(id, minutesAgo(0));
  const [taken] = (await tasksAtLast()).filter(({ focus }) => focus.reference === 'Encounter/ed-4');
  await recorded('Task', taken.id, { ...taken, status: 'accepted' }, 'social-worker');
  // The hospital puts right when it was: more than a day ago.
  for (const id of ['ed-4', 'ed-5']) await attends(id, daysAgo(25 / 24));
  const raised = (await tasksAtLast()).map(({ focus, code, status }) => `${focus.reference} ${code.coding[0].code} ${status}`); // prettier-ignore
  expect(raised.filter((it) => /ed-[45]/.test(it)).toSorted()).toEqual([
    'Encounter/ed-4 safeguarding-alert accepted',
    'Encounter/ed-5 safeguarding-alert requested',
    'Encounter/ed-5 safeguarding-escalation requested',
  ]);
});

it('the child, and staff who may not see restricted entries, see nothing of it; the social worker does', async () => {
  const codes = async (as: string) => (await stack.fhir('GET', '/Task?patient=child', { as })).json?.entry?.length ?? 0; // prettier-ignore
  expect(await codes('social-worker')).toBe(6);
  expect(await codes('pharmacist')).toBe(0);
  const [task] = await tasks('child');
  expect(task!.meta.security.map(({ code }: { code: string }) => code).toSorted()).toEqual(['R', 'hidden-from-proxy', 'not-for-patient']); // prettier-ignore
});

if (!isShared)
  it('given a restart, and read models that are built anew from the log, then nothing is raised again', async () => {
    const versions = (all: readonly Task[]) => all.map(({ id, meta }) => `${id} ${meta.versionId}`);
    const before = versions(await tasksAtLast());
    await stack.stop();
    rmSync(join(stack.folder, 'care-settings'), { recursive: true, force: true });
    stack = await startEmptyStack(stack.folder);
    await attends('ed-6', minutesAgo(0));
    const after = await tasksAtLast();
    expect(after).toHaveLength(before.length + 1);
    expect(versions(after)).toEqual(expect.arrayContaining(before));
  });

const CHILD = { reference: 'Patient/child' };
const CHILD_PROTECTION = { coding: [{ system: 'http://snomed.info/sct', code: '342191000000101', display: 'Subject to child protection plan' }] }; // prettier-ignore
const ods = (value: string) => ({ system: 'https://fhir.nhs.uk/Id/ods-organization-code', value });
const at = (value: string) => ({ identifier: ods(value) });
const daysAgo = (days: number) => minutesAgo(days * 1_440);
const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();

async function recorded(resourceType: string, id: string, more: object, as = 'publisher'): Promise<void> {
  const { status, text } = await stack.fhir('PUT', `/${resourceType}/${id}`, { as, body: { resourceType, id, ...more } }); // prettier-ignore
  if (status !== 200 && status !== 201) throw new Error(`${status} ${text}`);
}

const attends = (id: string, start: string, more: object = {}) =>
  recorded('Encounter', id, {
    status: 'in-progress',
    class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'EMER' },
    subject: CHILD,
    period: { start },
    serviceProvider: at('RZZ'),
    ...more,
  });

// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Task = any;

async function tasks(patient: string): Promise<readonly Task[]> {
  const { json } = await stack.fhir('GET', `/Task?patient=${patient}&_count=100`);
  return (json.entry ?? []).map(({ resource }: { resource: Task }) => resource);
}

/** When nothing more comes of what was recorded. */
async function tasksAtLast(patient = 'child'): Promise<readonly Task[]> {
  await alertsSettled(stack);
  return tasks(patient);
}

const focuses = (all: readonly Task[]): readonly string[] => all.map(({ focus }) => focus.reference).toSorted(); // prettier-ignore
