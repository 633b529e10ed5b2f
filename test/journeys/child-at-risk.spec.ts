/**
 * A child on a protection plan is brought to an emergency department at night, told through HTTP: who protects the child learns of
 * it, once, whatever is sent again, restarted or linked; takes it on, or is reminded; and is told where it was a mistake.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { alertsSettled } from '../support/alerts-settled.ts';
import { SHARED_CLUSTER } from '../support/one-cluster.ts';
import { startStack, type Answer, type Stack } from '../support/start-stack.ts';

let stack: Stack;
/** Of the log, after the last thing that was recorded. */
let position = 0;

beforeAll(async () => {
  stack = await startStack();
  await recorded({
    resourceType: 'Organization',
    id: 'amys-council',
    name: 'Council',
    identifier: [ods('9ZZ')],
  });
  await recorded(person('amy'));
  await recorded({ resourceType: 'CareTeam', id: 'amys-plan', status: 'active', category: [CHILD_PROTECTION], name: 'Child protection plan', subject: of('amy'), managingOrganization: [COUNCIL], period: { start: '2026-01-10' } }); // prettier-ignore
});
afterAll(() => stack.remove());

describe('given a child on a protection plan', () => {
  it('when they are brought to an emergency department, then the social worker has it on the list, and as a Task', async () => {
    await recorded(attendance('amys-fall', 'amy', -1));
    expect(await worklist('safeguarding-alerts')).toEqual(['Encounter/amys-fall unacknowledged']);
    const [task] = await alertsAtLast(1);
    expect(task).toMatchObject({
      status: 'requested',
      focus: { reference: 'Encounter/amys-fall' },
      owner: COUNCIL,
    });
    const seen = await page('social-worker', 'social-care');
    expect(seen.text).toContain('Subject to child protection plan');
    expect(seen.text).toContain('"Encounter/amys-fall"');
  });

  it('then the emergency department knows of the plan on its first page, and who has no part in it knows nothing', async () => {
    expect((await page('ed-doctor', 'urgent-care')).text).toContain('Subject to child protection plan');
    for (const as of ['gp', 'crisis-worker', 'pharmacist']) {
      const { status, text } = await stack.fhir('GET', '/Patient/amy/$summary?profile=social-care', { as });
      expect([as, status, text.includes('protection')]).toEqual([as, 404, false]);
      const list = await stack.fhir('GET', listUrl('safeguarding-alerts'), { as });
      expect([as, list.text.includes('Encounter/')]).toEqual([as, false]);
    }
  });

  it('when the attendance is sent again, and goes on, then there is no second Task', async () => {
    await recorded(attendance('amys-fall', 'amy', -1));
    await recorded({ ...attendance('amys-fall', 'amy', -1), status: 'finished', period: { start: hours(-1), end: hours(-0.5) } }); // prettier-ignore
    await recorded(attendance('amys-burn', 'amy', -0.4));
    expect((await alertsAtLast(2)).map(({ focus }) => focus.reference)).toEqual(['Encounter/amys-burn', 'Encounter/amys-fall']); // prettier-ignore
  });

  it('when the social worker takes one on, then it is off the list', async () => {
    const task = (await alerts()).find(({ focus }) => focus.reference === 'Encounter/amys-fall')!;
    await recorded({ ...task, status: 'accepted' }, 'social-worker');
    expect(await worklist('safeguarding-alerts')).toEqual(['Encounter/amys-burn unacknowledged']);
  });

  it('when nobody takes one on for a day, then it is escalated, and not before', async () => {
    expect(await worklist('safeguarding-escalations')).toEqual([]);
    await recorded(attendance('amys-yesterday', 'amy', -25));
    expect(await worklist('safeguarding-escalations')).toEqual([
      'Encounter/amys-yesterday escalated overdue',
    ]);
    const [task] = await alertsAtLast(1, 'safeguarding-escalation');
    expect(task).toMatchObject({ priority: 'stat', focus: { reference: 'Encounter/amys-yesterday' } });
    await alertsAtLast(3);
  });

  it('when an attendance was another child’s, then the Task that nobody touched is cancelled, once, and the other stays', async () => {
    await recorded({ ...attendance('amys-burn', 'amy', -0.4), status: 'entered-in-error' });
    expect(await worklist('safeguarding-alerts')).toEqual([
      'Encounter/amys-yesterday unacknowledged overdue',
    ]);
    const cancelled = async () => (await alerts()).filter(({ status }) => status === 'cancelled');
    await expect.poll(cancelled, WAITS).toMatchObject([{ focus: { reference: 'Encounter/amys-burn' }, meta: { versionId: '2' }, statusReason: { text: expect.any(String) } }]); // prettier-ignore
    await recorded({ ...attendance('amys-fall', 'amy', -1), status: 'entered-in-error' });
    expect((await alerts()).find(({ focus }) => focus.reference === 'Encounter/amys-fall')!.status).toBe('accepted'); // prettier-ignore
  });

  it('when an ambulance brought them under another record that is linked later, then that alerts when it is linked, and nothing else again', async () => {
    await recorded(person('unnamed'));
    await recorded(attendance('amys-ride', 'unnamed', -0.2, 'FLD'));
    expect(await worklist('safeguarding-alerts')).toEqual([
      'Encounter/amys-yesterday unacknowledged overdue',
    ]);
    await recorded(person('unnamed', { link: [{ type: 'replaced-by', other: { reference: 'Patient/amy' } }] })); // prettier-ignore
    expect(await worklist('safeguarding-alerts')).toEqual(['Encounter/amys-ride unacknowledged', 'Encounter/amys-yesterday unacknowledged overdue']); // prettier-ignore
    const [raised] = await alertsAtLast(1, 'safeguarding-alert', 'unnamed');
    expect(raised!.focus.reference).toBe('Encounter/amys-ride');
    expect(await alerts()).toHaveLength(3);
    await recorded(person('unnamed'));
    expect(await worklist('safeguarding-alerts')).toEqual([
      'Encounter/amys-yesterday unacknowledged overdue',
    ]);
    await recorded(person('unnamed', { link: [{ type: 'replaced-by', other: { reference: 'Patient/amy' } }] })); // prettier-ignore
  });

  // Others record in one that is everybody's.
  if (process.env[SHARED_CLUSTER] === undefined)
    it('when everything is started again, then nothing is raised or cancelled again', async () => {
      const versions = async () =>
        (await allTasks()).map(({ id, meta }) => `${id} ${meta.versionId}`).toSorted();
      const before = await versions();
      stack = await stack.restart();
      await recorded(attendance('amys-last', 'amy', -0.1));
      await alertsAtLast(4);
      expect(await versions()).toEqual(expect.arrayContaining(before));
      expect(await allTasks()).toHaveLength(before.length + 1);
    });
});

const WAITS = { timeout: 20_000 };
const NOW = Date.now();
/** ISO 8601: so many hours from when the story is told. */
const hours = (count: number) => new Date(NOW + count * 3_600_000).toISOString();
const ods = (value: string) => ({ system: 'https://fhir.nhs.uk/Id/ods-organization-code', value });
const of = (id: string) => ({ reference: `Patient/${id}` });
const COUNCIL = { reference: 'Organization/amys-council' };
const CHILD_PROTECTION = { coding: [{ system: 'http://snomed.info/sct', code: '342191000000101', display: 'Subject to child protection plan' }] }; // prettier-ignore

type Resource = { readonly resourceType: string; readonly id: string } & Record<string, unknown>;

/** Whom the council looks after. */
const person = (id: string, more: object = {}): Resource => ({ resourceType: 'Patient', id, birthDate: '2019-05-05', managingOrganization: { identifier: ods('9ZZ') }, ...more }); // prettier-ignore

const attendance = (id: string, who: string, from: number, grade = 'EMER'): Resource => ({
  resourceType: 'Encounter',
  id,
  status: 'in-progress',
  class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: grade },
  subject: of(who),
  period: { start: hours(from) },
  serviceProvider: { identifier: ods(grade === 'EMER' ? 'RZZ' : 'RZY') },
});

async function recorded(resource: Resource, as = 'publisher'): Promise<void> {
  const answer = await stack.fhir('PUT', `/${resource.resourceType}/${resource.id}`, { as, body: resource });
  if (answer.status !== 200 && answer.status !== 201) throw new Error(`${answer.status} ${answer.text}`);
  position = Number(answer.headers.get('carelog-position'));
}

/** Whatever gateway answers, it has everything that was recorded before. */
async function seen(as: string, path: string): Promise<Answer> {
  const answer = await stack.fhir('GET', path, { as });
  expect([as, answer.status, answer.status === 200 ? '' : answer.text]).toEqual([as, 200, '']);
  expect(Number(answer.headers.get('carelog-position'))).toBeGreaterThanOrEqual(position);
  return answer;
}

const page = (as: string, setting: string) => seen(as, `/Patient/amy/$summary?profile=${setting}`);

const listUrl = (name: string) => `/List?code=https://fhir.carelog.example/CodeSystem/worklist|${name}`;

const HERS = new Set(['Patient/amy', 'Patient/unnamed']);

/** What waits about her, as the social worker has it: what it is about, and its states. */
async function worklist(name: string): Promise<readonly string[]> {
  const lines: string[] = [];
  let path: string | undefined = listUrl(name);
  while (path !== undefined) {
    const { json }: Answer = await seen('social-worker', path);
    // eslint-disable-next-line @typescript-eslint/no-explicit-any
    for (const { item, flag, extension } of json.entry[0].resource.entry ?? ([] as any[])) {
      const of = extension.find((it: { url: string }) => it.url.endsWith('worklist-patient'));
      const states = flag.coding.map(({ code }: { code: string }) => code);
      if (HERS.has(of.valueReference.reference)) lines.push([item.reference, ...states].join(' '));
    }
    path = json.link.find((it: { relation: string }) => it.relation === 'next')?.url;
  }
  return lines.toSorted();
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Task = any;

async function tasksOf(query: string): Promise<readonly Task[]> {
  const { json } = await seen('social-worker', `/Task?_count=100&${query}`);
  const found: Task[] = (json.entry ?? []).map(({ resource }: { resource: Task }) => resource);
  return found.toSorted((a, b) => (a.focus.reference < b.focus.reference ? -1 : 1));
}

const alerts = (code = 'safeguarding-alert', who = 'amy') => tasksOf(`patient=${who}&code=${code}`);
const allTasks = () => tasksOf('patient=amy,unnamed&code=safeguarding-alert,safeguarding-escalation');

/** When nothing more comes of what was recorded: so many and no more. */
async function alertsAtLast(count: number, code?: string, who?: string): Promise<readonly Task[]> {
  await alertsSettled(stack);
  const found = await alerts(code, who);
  expect(found).toHaveLength(count);
  return found;
}
