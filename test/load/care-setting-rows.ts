/** How long the first page of each care setting takes, and how soon an attendance of somebody who is protected is a Task. */
import { careSettings } from '@carelog/read-models';
import { generatePopulation } from '@carelog/synthetic';
import { setTimeout as delay } from 'node:timers/promises';
import { startServer } from '../support/server-process.ts';
import { inFolder } from './folder.ts';
import { startHttpFloor, type HttpFloor } from './http-floor.ts';
import { cellOf, cellsOf, percentile, type SingleRow } from './report.ts';
import { settled } from './request-rows.ts';
import type { Settings } from './settings.ts';
import { send } from './targets.ts';

const PEOPLE = 100;
const CHILDREN = 40;
/** Between two questions whether it is there. */
const ASK_EVERY_MS = 5;

export function careSettingRows(settings: Settings): Promise<SingleRow[]> {
  return inFolder(async (folder) => {
    settings.say(`loading ${PEOPLE} people with what organisations tell of them`);
    const server = await startServer(folder);
    const floor = await startHttpFloor();
    try {
      const asked: Asked = { base: `${server.url}/fhir/R4`, token: await server.token('publisher') };
      const people = await loadPeople(asked);
      await settled(server);
      const rows: SingleRow[] = [];
      for (const { name } of careSettings) rows.push(await summaryRow(name, people, asked, { floor, settings })); // prettier-ignore
      return [...rows, ...(await alertRows(asked, settings))];
    } finally {
      await floor.end();
      await server.end();
    }
  });
}

interface Asked {
  readonly base: string;
  readonly token: string;
}

/** Their ids. */
async function loadPeople({ base, token }: Asked): Promise<readonly string[]> {
  const people = new Set<string>();
  for (const bundles of generatePopulation({ seed: 7, people: PEOPLE }))
    for (const bundle of bundles) {
      await send(base, token, 'POST', '', bundle);
      for (const { resource, request } of bundle.entry as readonly Entry[])
        if (resource.resourceType === 'Patient' && request.method === 'PUT') people.add(request.url.slice('Patient/'.length)); // prettier-ignore
    }
  if (people.size === 0) throw new Error('The population names nobody by an id.');
  return [...people];
}

interface Entry {
  readonly resource: { readonly resourceType: string };
  readonly request: { readonly method: string; readonly url: string };
}

/** One question after another, each about the next person. */
async function summaryRow(
  setting: string,
  people: readonly string[],
  { base, token }: Asked,
  { floor, settings }: { readonly floor: HttpFloor; readonly settings: Settings },
): Promise<SingleRow> {
  const name = `\`$summary\` of ${setting}, one at a time, p50 (target: 5 ms)`;
  settings.say(name);
  const urls = people.map((id) => `${base}/Patient/${id}/$summary?profile=${setting}`);
  const cell = await cellOf(async () => {
    floor.serve('/', (await answer(urls[0]!, token)).bytes);
    const figures: number[] = [];
    const floors: number[] = [];
    for (let run = 0; run < settings.runs; run += 1) {
      floors.push(percentile(await timesOf([`${floor.url}/`], token, settings.seconds), 0.5));
      figures.push(percentile(await timesOf(urls, token, settings.seconds), 0.5));
    }
    return { figures, floors };
  });
  return { name, unit: 'ms', cell, floor: 'a bare `node:http` server that answers the bytes of one of them' };
}

/** Milliseconds of each. */
async function timesOf(urls: readonly string[], token: string, seconds: number): Promise<number[]> {
  const times: number[] = [];
  const ends = performance.now() + seconds * 1_000;
  for (let turn = 0; performance.now() < ends; turn += 1) {
    const { milliseconds } = await answer(urls[turn % urls.length]!, token);
    times.push(milliseconds);
  }
  return times;
}

async function answer(url: string, token: string): Promise<{ bytes: Uint8Array; milliseconds: number }> {
  const asked = performance.now();
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  const bytes = await response.bytes();
  if (!response.ok) throw new Error(`${url} was answered with ${response.status}.`);
  return { bytes, milliseconds: performance.now() - asked };
}

/** One child after another; from the answer that the attendance is recorded until a search for Tasks finds its alert. */
async function alertRows({ base, token }: Asked, { say }: Settings): Promise<SingleRow[]> {
  const name = 'safeguarding attendance → Task readable';
  say(name);
  const cells = await cellsOf(['p50', 'slowest'], async () => {
    const tasks: number[] = [];
    const attendances: number[] = [];
    for (let index = 0; index < CHILDREN; index += 1) {
      const id = `protected-${index}`;
      for (const it of protectedChild(id)) await send(base, token, 'PUT', `/${it.resourceType}/${id}`, it);
      const recorded = await send(base, token, 'PUT', `/Encounter/${id}`, attendanceOf(id)).then(() => performance.now()); // prettier-ignore
      const found = async (type: string) => {
        while (((await send(base, token, 'GET', `/${type}?patient=${id}`)) as { entry?: unknown[] }).entry === undefined) await delay(ASK_EVERY_MS); // prettier-ignore
        return performance.now() - recorded;
      };
      attendances.push(await found('Encounter'));
      tasks.push(await found('Task'));
    }
    const at = (share: number) => ({
      figures: [percentile(tasks, share)],
      floors: [percentile(attendances, share)],
    });
    return { p50: at(0.5), slowest: at(1) };
  });
  const floor = 'the attendance itself, searched for the same way';
  return [
    { name: `${name}, p50`, unit: 'ms', cell: cells.p50, floor },
    { name: `${name}, slowest of ${CHILDREN} (target: 1,000 ms)`, unit: 'ms', cell: cells.slowest, floor },
  ];
}

function protectedChild(id: string) {
  const plan = { coding: [{ system: 'http://snomed.info/sct', code: '342191000000101' }] };
  return [
    { resourceType: 'Patient', id, birthDate: '2019-05-05' },
    { resourceType: 'CareTeam', id, status: 'active', category: [plan], subject: { reference: `Patient/${id}` } }, // prettier-ignore
  ];
}

const attendanceOf = (id: string) => ({
  resourceType: 'Encounter',
  id,
  status: 'in-progress',
  class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'EMER' },
  subject: { reference: `Patient/${id}` },
  period: { start: new Date().toISOString() },
});
