/**
 * Alerts those who must know: an item of a worklist that alerts becomes a Task, within a second and once, over restarts, several
 * processes and rebuilds. The id of the Task and of its event come from the list, the person and the cause, so that raising
 * it again records nothing. Where the cause is taken back before anybody touched the Task, it is cancelled, once as well.
 */
import type { Caller } from '@carelog/access';
import { derivedEventId } from '@carelog/event-store';
import {
  careSettings,
  cursorAfter,
  type CareSettingQueries,
  type WorkCursor,
  type WorkItem,
  type Worklist,
  type WorkRow,
} from '@carelog/read-models';
import type { Log } from '@carelog/service-kit';
import { setTimeout as delay } from 'node:timers/promises';
import type { Gateway } from './gateway.ts';

export interface Alerting {
  /** Resolves when nothing more is raised. */
  stop(): Promise<void>;
}

type Asked = Pick<Gateway, 'careSettings' | 'record' | 'recordActivity' | 'head' | 'digest'>;

/** Between two looks, so that a stream of events costs no more than four of them a second. */
const LOOK_EVERY_MS = 250;
/** What is due becomes so without an event. */
const LOOK_AT_LEAST_EVERY_MS = 1_000;
const AFTER_TROUBLE_MS = 5_000;

/** What began longer ago is history that was loaded, which helps nobody to be told of now. */
const ALERTS_WITHIN_MS = 7 * 86_400_000;

/** Raises what there is to raise, now and until it is stopped. */
export function startAlerting(gateway: Asked, log: Pick<Log, 'warn'>): Alerting {
  const ending = new AbortController();
  const ended = keepAlerting(gateway, log, ending.signal);
  return {
    async stop() {
      ending.abort();
      await ended;
    },
  };
}

async function keepAlerting(gateway: Asked, log: Pick<Log, 'warn'>, signal: AbortSignal): Promise<void> {
  if (gateway.careSettings === undefined) return;
  const raised = new Set<string>();
  let seen = -1;
  let looked = -Infinity;
  let isTroubled = false;
  while (!signal.aborted) {
    const began = performance.now();
    try {
      const head = await gateway.head();
      const isTimeToLook = head !== seen || began - looked >= LOOK_AT_LEAST_EVERY_MS;
      if (isTimeToLook && (await raiseAlerts(gateway, head, raised, Date.now()))) {
        seen = head;
        looked = began;
      }
      isTroubled = false;
    } catch (fault) {
      if (!isTroubled) log.warn({ fault: (fault as Error).name }, 'alerts could not be raised; it is tried again'); // prettier-ignore
      isTroubled = true;
    }
    const pause = isTroubled ? AFTER_TROUBLE_MS : LOOK_EVERY_MS;
    const left = Math.max(0, began + pause - performance.now());
    await delay(left, undefined, { signal, ref: false }).catch(() => {});
  }
}

/**
 * One look at all lists; whether it could be had. `raised`: ids of Tasks that are known to be there; grows. Nothing is raised
 * while the views do not reflect the log up to `head`, as while they are built again: what they show then may be over long since.
 */
export async function raiseAlerts(
  gateway: Asked,
  head: number,
  raised: Set<string>,
  now: number,
): Promise<boolean> {
  const views = gateway.careSettings!;
  if (!(await views.waitFor(head, LOOK_AT_LEAST_EVERY_MS))) return false;
  const found: Found[] = [];
  const withdrawn: WorkRow[] = [];
  for (const { name, worklists } of careSettings) {
    const queries = views.of.get(name);
    if (queries === undefined) continue;
    for (const list of worklists) {
      if (list.alert !== undefined) found.push(...(await rowsToRaise(queries, list, now)));
      if (list.withdraws) withdrawn.push(...(await queries.work(list.name, { count: PAGE, now })));
    }
  }
  // A rebuild that began meanwhile took away what the rows were made from.
  if (views.position() < head) return false;
  // One that cannot be recorded keeps nobody else from being told.
  const faults: unknown[] = [];
  const noted = (work: Promise<void>) => work.catch((fault: unknown) => void faults.push(fault));
  for (const it of found) await noted(raise(gateway, raised, it, now));
  for (const it of withdrawn) await noted(withdraw(gateway, it, now));
  if (faults.length > 0) throw faults[0];
  return true;
}

interface Found extends WorkRow {
  readonly list: Worklist;
}

const PAGE = 500;

async function rowsToRaise(
  queries: Pick<CareSettingQueries, 'work'>,
  list: Worklist,
  now: number,
): Promise<readonly Found[]> {
  const found: Found[] = [];
  let after: WorkCursor = { since: now - ALERTS_WITHIN_MS, stream: '', patient: '' };
  for (;;) {
    const rows = await queries.work(list.name, { count: PAGE, now, after });
    for (const row of rows) if (isTime(list, row.item, now)) found.push({ ...row, list });
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE) return found;
    after = cursorAfter(last);
  }
}

const isTime = ({ alert }: Worklist, { due, isQuiet }: WorkItem, now: number): boolean =>
  isQuiet !== true && (alert?.whenDue !== true || (due !== undefined && Date.parse(due) <= now));

/** The platform itself, as an author. */
const PLATFORM: Caller = { subject: 'carelog', kind: 'system', organisation: 'carelog', system: 'alerts', careSetting: 'any' }; // prettier-ignore

async function raise(gateway: Asked, raised: Set<string>, found: Found, now: number): Promise<void> {
  const { record, recordActivity, digest } = gateway;
  const { list, patient, item } = found;
  // Nobody can work it out, and so put something harmless in its place beforehand.
  const id = derivedEventId(`alert ${list.name}`, digest(`${list.name}|${patient}|${item.stream}`));
  if (raised.has(id)) return;
  const standing = await record.read('Task', id);
  if (standing.kind === 'unknown') {
    const entry = {
      method: 'PUT',
      type: 'Task',
      id,
      resource: JSON.stringify({ ...taskOf(id, found, now), ...(await labelled(record, found)) }),
      ifNoneMatch: true,
      eventId: derivedEventId('alert raised', id),
    } as const;
    const [outcome] = await recordActivity.record({ caller: PLATFORM, mode: 'single', entries: [entry] });
    // That another process raised it is no fault, and of somebody who was erased nobody is told.
    if (
      outcome?.kind === 'refused' &&
      outcome.problems.some(({ category }) => category !== 'mismatch' && category !== 'gone')
    )
      // prettier-ignore
      throw new Error(`${list.name} could not alert: ${outcome.problems[0]?.message ?? ''}`);
  }
  raised.add(id);
}

/** Once, whoever else does it at the same time: the Task must be as it was raised, and the id of the event comes from the Task's. */
async function withdraw({ record, recordActivity }: Asked, { item }: WorkRow, now: number): Promise<void> {
  const id = item.stream.slice('Task/'.length);
  const standing = await record.read('Task', id);
  if (standing.kind !== 'found' || standing.versionId !== 1) return;
  const task = JSON.parse(standing.body) as object;
  const lastModified = new Date(now).toISOString();
  const entry = {
    method: 'PUT',
    type: 'Task',
    id,
    resource: JSON.stringify({ ...task, status: 'cancelled', statusReason: TAKEN_BACK, lastModified }),
    ifMatch: 1,
    eventId: derivedEventId('alert withdrawn', id),
  } as const;
  const [outcome] = await recordActivity.record({ caller: PLATFORM, mode: 'single', entries: [entry] });
  if (outcome?.kind === 'refused' && outcome.problems.some(({ category }) => category !== 'mismatch'))
    throw new Error(`An alert could not be withdrawn: ${outcome.problems[0]?.message ?? ''}`);
}

const TAKEN_BACK = { text: 'What it is about was taken back.' };

const AUDIENCE = 'https://fhir.carelog.example/CodeSystem/audience';

/** What hides from the patient and proxies hides from staff who may not see restricted entries too: it tells of a plan that is one. */
const HIDING = [
  { system: AUDIENCE, code: 'not-for-patient' },
  { system: AUDIENCE, code: 'hidden-from-proxy' },
  { system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R', display: 'restricted' },
];

/** A Task tells of what it is about, so it is for nobody who may not see that. */
async function labelled(record: Asked['record'], { list, item }: Found): Promise<object> {
  const [type, id] = item.stream.split('/') as [string, string];
  const about = await record.read(type, id);
  const labels = about.kind === 'found' ? ((JSON.parse(about.body) as Labelled).meta?.security ?? []) : [];
  const security = [...(list.alert!.isHiddenFromPatient ? HIDING : []), ...labels];
  const once = new Map(security.map((it) => [`${it.system}|${it.code}`, it]));
  return once.size === 0 ? {} : { meta: { security: [...once.values()] } };
}

interface Labelled {
  readonly meta?: { readonly security?: readonly { readonly system?: string; readonly code?: string }[] };
}

/** https://hl7.org/fhir/R4/task.html */
function taskOf(id: string, { list, patient, item }: Found, now: number): object {
  const { code, priority } = list.alert!;
  const { owner, due, stream, text } = item;
  return {
    resourceType: 'Task',
    id,
    status: 'requested',
    intent: 'order',
    priority,
    code: { coding: [code], ...(code.display !== undefined && { text: code.display }) },
    description: text,
    focus: { reference: stream },
    for: { reference: patient },
    authoredOn: new Date(now).toISOString(),
    ...(owner !== undefined && { owner: ownerOf(owner) }),
    ...(due !== undefined && list.alert!.whenDue !== true && { restriction: { period: { end: due } } }),
  };
}

function ownerOf(owner: string): object {
  return owner.includes('/')
    ? { reference: owner }
    : { type: 'Organization', identifier: { system: 'https://fhir.nhs.uk/Id/ods-organization-code', value: owner } }; // prettier-ignore
}
