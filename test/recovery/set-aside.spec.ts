/**
 * Events that a view cannot show: a poison event stops its own person only, and every answer about that person says so; a
 * destroyed key leaves a person's history unreadable and everybody else's as it was.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newEventId, openSqliteEventStore, type NewEvent } from '@carelog/event-store';
import { openKeyring } from '@carelog/keyring';
import { rebuild } from '@carelog/projector';
import { careSettings } from '@carelog/read-models';
import { dataPaths } from '../../apps/carelog/src/paths.ts';
import { viewPath } from '../../apps/projector/src/care-settings.ts';
import { contentsOnSqlite } from '../../libs/read-models/src/care-settings/scene-engines.ts';
import { readLog } from '../support/read-log.ts';
import { recordHash } from '../support/record-hash.ts';
import { startEmptyStack, type Answer, type Stack } from '../support/start-stack.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startEmptyStack();
  for (const id of ['ann', 'ben', 'eve']) {
    await put('Patient', { resourceType: 'Patient', id, name: [{ family: id }] });
    await put('Observation', observation(`${id}-pulse`, id, 70));
  }
});
afterAll(() => stack.remove());

const observation = (id: string, patient: string, value: number) => ({
  resourceType: 'Observation',
  id,
  status: 'final',
  code: { text: 'Heart rate' },
  subject: { reference: `Patient/${patient}` },
  valueInteger: value,
});

async function put(
  type: string,
  body: { id: string; resourceType: string; [element: string]: unknown },
): Promise<Answer> {
  const answer = await stack.fhir('PUT', `/${type}/${body.id}`, { body });
  expect(answer.status).toBeLessThan(300);
  return answer;
}

async function rebuildOnline(view: string): Promise<void> {
  expect((await stack.fhir('POST', `${stack.url}/rebuild/${view}`, { as: 'operator' })).status).toBe(200);
}

const status = async () => (await stack.fhir('GET', `${stack.url}/status`, { as: 'operator' })).json;
const outcomes = (answer: Answer): unknown[] =>
  ((answer.json.entry ?? []) as { resource: { resourceType: string } }[]).filter(
    ({ resource }) => resource.resourceType === 'OperationOutcome',
  );
const logOf = () => readLog(dataPaths(stack.folder).log);

describe('an event whose content opens but is no resource', () => {
  let position: number;

  beforeAll(async () => {
    const { log, keyring: keys } = dataPaths(stack.folder);
    await stack.stop();
    const store = openSqliteEventStore({ path: log });
    const keyring = openKeyring(keys);
    const stream = 'Observation/ann-pulse';
    const last = (await store.readStream(stream, { direction: 'backwards' }))[0]!;
    const id = newEventId();
    const sealed = keyring.seal(last.partition, { id, stream }, Buffer.from('{"resourceType":"Observ'));
    const { partition, type, schemaVersion, occurredAt, publisher, careSetting, labels } = last;
    const poison: NewEvent = {
      id,
      partition,
      type,
      schemaVersion,
      occurredAt,
      publisher,
      careSetting,
      labels,
      action: 'amend',
      correlationId: newEventId(),
      ...sealed,
    };
    expect((await store.append([{ stream, expectedRevision: 1, events: [poison] }])).kind).toBe('appended');
    ({ position } = store.head());
    await store.close();
    keyring.close();
    stack = await startEmptyStack(stack.folder);
    // Recorded all the same: a fact does not wait for a view.
    await put('Observation', observation('ann-later', 'ann', 71));
  });

  it('is reported with its partition and position, and nothing of it', async () => {
    await expect
      .poll(async () => {
        const { projections, log } = await status();
        return { behind: log.position - projections[0].position, parked: projections[0].parked };
      })
      .toMatchObject({ behind: 0, parked: [{ position, reason: 'SyntaxError' }] });
  });

  // The rebuilt view meets the same poison, so it has the same answers.
  it.each([
    ['as it was projected', false],
    ['after POST /rebuild/record and /rebuild/care-settings', true],
  ])('marks every answer about that person, %s', async (_, rebuilt) => {
    if (rebuilt) for (const view of ['record', 'care-settings']) await rebuildOnline(view);
    const marked = { incomplete: String(position) };
    const incomplete = (answer: Answer) => ({ incomplete: answer.headers.get('carelog-incomplete') });
    for (const path of ['/Patient/ann', '/Observation/ann-pulse', '/Observation/ann-pulse/_history/1']) {
      const answer = await stack.fhir('GET', path);
      expect(answer.status, path).toBe(200);
      expect(incomplete(answer), path).toEqual(marked);
    }
    for (const path of [
      '/Observation?patient=ann',
      '/Patient?_id=ann',
      '/Patient/ann/$everything',
      '/Observation/ann-pulse/_history',
    ]) {
      const answer = await stack.fhir('GET', path);
      expect(answer.status, path).toBe(200);
      expect(incomplete(answer), path).toEqual(marked);
      expect(outcomes(answer), path).toMatchObject([
        { resource: { issue: [{ severity: 'warning', code: 'incomplete' }] } },
      ]);
    }
    const page = await stack.fhir('GET', '/Patient/ann/$summary?profile=acute');
    expect(incomplete(page)).toEqual(marked);
    expect(page.json.entry[0].resource.status).toBe('preliminary');
    const setAside = await stack.fhir('GET', '/Observation/ann-later');
    expect(setAside.status).toBe(503);
    expect(setAside.headers.get('retry-after')).not.toBeNull();
    expect(setAside.json.issue).toMatchObject([{ code: 'incomplete' }]);
  });

  it('changes nothing for other people', async () => {
    for (const path of [
      '/Patient/ben',
      '/Observation/ben-pulse',
      '/Observation?patient=ben',
      '/Patient/ben/$everything',
      '/Patient/ben/$summary?profile=acute',
    ]) {
      const answer = await stack.fhir('GET', path);
      expect(answer.status, path).toBe(200);
      expect(answer.headers.get('carelog-incomplete'), path).toBeNull();
      expect(outcomes(answer), path).toEqual([]);
    }
    await put('Observation', observation('ben-later', 'ben', 72));
    expect((await stack.fhir('GET', '/Observation?patient=ben&_summary=count')).json.total).toBe(2);
  });
});

describe('a person whose key was destroyed', () => {
  beforeAll(async () => {
    const { partition } = (await logOf()).find(({ stream }) => stream === 'Patient/eve')!;
    const keyring = openKeyring(dataPaths(stack.folder).keyring);
    await keyring.erase(partition);
    keyring.close();
    await rebuildOnline('record');
  });

  it('has no page any more, and nothing of it is left once the care setting is built anew', async () => {
    const page = () => stack.fhir('GET', '/Patient/eve/$summary?profile=acute');
    expect((await page()).status).toBe(404);
    await rebuildOnline('care-settings');
    expect((await page()).status).toBe(404);
    const path = viewPath(dataPaths(stack.folder), 'care-settings');
    for (const it of careSettings) expect(contentsOnSqlite(path, it)).not.toMatch(/Patient\/eve.*"told":"/);
  });

  it('is answered with 410, and found by nothing', async () => {
    for (const path of ['/Patient/eve', '/Patient/eve/_history/1', '/Observation/eve-pulse']) {
      const answer = await stack.fhir('GET', path);
      expect(answer.status, path).toBe(410);
      expect(answer.json.issue[0].diagnostics, path).toContain('erased');
    }
    expect((await stack.fhir('GET', '/Observation?patient=eve&_summary=count')).json.total).toBe(0);
    expect((await stack.fhir('GET', '/Patient?_id=eve&_summary=count')).json.total).toBe(0);
  });

  it.each<[string, string, unknown]>([
    ['POST', '/Observation', { ...observation('x', 'eve', 1), id: undefined }],
    ['PUT', '/Observation/eve-pulse', observation('eve-pulse', 'eve', 1)],
    ['PUT', '/Patient/eve', { resourceType: 'Patient', id: 'eve' }],
  ])('takes nothing more: %s %s', async (method, path, body) => {
    const answer = await stack.fhir(method, path, { body });
    expect(answer.status).toBe(410);
    expect(answer.json.issue).toMatchObject([
      { severity: 'error', diagnostics: expect.stringMatching(/erased/) },
    ]);
  });

  it('leaves everybody else as they were', async () => {
    expect((await stack.fhir('GET', '/Observation/ben-pulse')).json.valueInteger).toBe(70);
    await put('Observation', observation('ben-pulse', 'ben', 73));
    expect((await stack.fhir('GET', '/Observation/ben-pulse')).json.valueInteger).toBe(73);
  });
});

it('a rebuild of the stopped server equals the view that the running one rebuilt', async () => {
  const paths = dataPaths(stack.folder);
  expect((await stack.fhir('POST', `${stack.url}/rebuild/record`, { as: 'operator' })).status).toBe(200);
  await stack.stop();
  const online = await recordHash(paths.record);
  await rebuild({ paths });
  expect(await recordHash(paths.record)).toBe(online);
  stack = await startEmptyStack(stack.folder);
  expect((await stack.fhir('GET', '/Observation/ben-pulse')).status).toBe(200);
});
