/**
 * Alerts those who must know: an item of a worklist that alerts becomes a Task, within a second and once, over restarts, several
 * processes and rebuilds. The id of the Task and of its event come from the list, the person and the cause, so that raising
 * it again records nothing. Where the cause is taken back before anybody touched the Task, it is cancelled, once as well.
 */
import type { Caller } from '@carelog/access';
import { derivedEventId } from '@carelog/event-store';
import {
  careSettings,
  type Alert,
  type CareSettingQueries,
  type NewCursor,
  type NewRow,
  type WorkItem,
  type Worklist,
  type WorkRow,
} from '@carelog/read-models';
import type { Log } from '@carelog/service-kit';
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import type { Gateway } from './gateway.ts';

export interface Alerting {
  /** Resolves when nothing more is raised. */
  stop(): Promise<void>;
}

type Asked = Pick<Gateway, 'careSettings' | 'record' | 'projected' | 'recordActivity' | 'head' | 'digest'>; // prettier-ignore

/** Between two looks, so that a stream of events costs no more than four of them a second. */
const LOOK_EVERY_MS = 250;
/** What is due becomes so without an event. */
const LOOK_AT_LEAST_EVERY_MS = 1_000;
const REACHED_EVERY_MS = 50;
const AFTER_TROUBLE_MS = 5_000;
/** What is new is all that there is to look at; whatever went past that, as a view that was mended, is found by looking at everything. */
const WHOLE_EVERY_MS = 600_000;

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
  let before: Looked | undefined;
  let lookedAt = -Infinity;
  let wholeAt = -Infinity;
  let retryMs = AFTER_TROUBLE_MS;
  let isTroubled = false;
  while (!signal.aborted) {
    const began = performance.now();
    let pause = LOOK_EVERY_MS;
    const trouble = (fault: unknown): void => {
      if (!isTroubled) log.warn({ fault: (fault as Error).name }, 'alerts could not be raised; it is tried again'); // prettier-ignore
      isTroubled = true;
      wholeAt = Math.min(wholeAt, began + retryMs);
    };
    try {
      const head = await gateway.head();
      const isWhole = began >= wholeAt;
      const isTimeToLook = isWhole || head !== before?.position || began - lookedAt >= LOOK_AT_LEAST_EVERY_MS;
      const look = isTimeToLook ? await raiseAlerts(gateway, head, isWhole ? undefined : before, Date.now()) : undefined; // prettier-ignore
      if (look !== undefined) {
        before = look.looked;
        lookedAt = began;
        if (isWhole) {
          // What cannot be recorded is tried less and less often, while what is new goes on being told of.
          retryMs = look.failed ? Math.min(2 * retryMs, WHOLE_EVERY_MS) : AFTER_TROUBLE_MS;
          wholeAt = began + WHOLE_EVERY_MS;
          isTroubled &&= look.failed !== undefined;
        }
        if (look.failed !== undefined) trouble(look.failed.fault);
      }
    } catch (fault) {
      trouble(fault);
      pause = AFTER_TROUBLE_MS;
    }
    const left = Math.max(0, began + pause - performance.now());
    await delay(left, undefined, { signal, ref: false }).catch(() => {});
  }
}

/** Up to where lists were looked at: what the log had, and the time, in milliseconds UTC. */
export interface Looked {
  readonly position: number;
  readonly at: number;
}

export interface Look {
  readonly looked: Looked;
  /** The first of what could not be recorded; everything else was. */
  readonly failed?: { readonly fault: unknown };
}

/**
 * Looks at what is new on all lists since `before`, by events or by the time alone; at everything where that is not told. Undefined
 * where the views do not reflect the log up to `head`, as while they are built again: what they show then may be over long since.
 */
export async function raiseAlerts(
  gateway: Asked,
  head: number,
  before: Looked | undefined,
  now: number,
): Promise<Look | undefined> {
  const views = gateway.careSettings!;
  if (!(await reflected(gateway, head))) return undefined;
  // Of another life of the log.
  const from = before !== undefined && before.position <= head ? before : undefined;
  let failed: Look['failed'];
  for (const { name, worklists } of careSettings) {
    const queries = views.of.get(name);
    if (queries === undefined) continue;
    for (const list of worklists.filter((it) => it.alert !== undefined || it.withdraws === true)) {
      for await (const rows of newOn(queries, list, from, now)) {
        // A rebuild that began meanwhile took away what the rows were made from.
        if (views.position() < head) return undefined;
        for (const row of rows) {
          const done = list.withdraws ? withdraw(gateway, row, now) : raise(gateway, { ...row, list }, now);
          // One that cannot be recorded keeps nobody else from being told.
          await done.catch((fault: unknown) => void (failed ??= { fault }));
        }
      }
    }
  }
  return { looked: { position: head, at: now }, ...(failed && { failed }) };
}

/** Not by `waitFor`: who waits there is told at once, and to find that out again and again costs more than it is worth here. */
async function reflected({ careSettings, projected }: Asked, head: number): Promise<boolean> {
  // The record too: by it is told for whom an alert is.
  const isThere = () => careSettings!.position() >= head && projected.position() >= head;
  for (const until = performance.now() + LOOK_AT_LEAST_EVERY_MS; !isThere(); await delay(REACHED_EVERY_MS))
    if (performance.now() >= until) return false;
  return true;
}

interface Found extends WorkRow {
  readonly list: Worklist;
}

const PAGE = 500;

/** Pages of it. What is changed while one reads comes once more; nothing is passed by. */
async function* newOn(
  queries: Pick<CareSettingQueries, 'newWork'>,
  list: Worklist,
  from: Looked | undefined,
  now: number,
): AsyncGenerator<readonly WorkRow[]> {
  const { alert } = list;
  const since = alert === undefined ? 0 : now - (alert.lateWithinMs ?? ALERTS_WITHIN_MS);
  const byTime = from !== undefined && alert?.whenDue === true;
  const looks = [
    { by: 'changed', after: from?.position ?? -1, upTo: Number.MAX_SAFE_INTEGER },
    ...(byTime ? [{ by: 'due', after: from.at, upTo: now } as const] : []),
  ] as const;
  for (const { by, after: at, upTo } of looks) {
    // After everything that is of this very position, or time.
    let after: NewCursor | undefined = { at: at + 1, patient: '', stream: '' };
    while (after !== undefined) {
      const rows: readonly NewRow[] = await queries.newWork(list.name, { by, after, upTo, since, now, count: PAGE }); // prettier-ignore
      yield alert === undefined ? rows : rows.filter(({ item }) => isTime(alert, item, now));
      const last = rows.length < PAGE ? undefined : rows.at(-1);
      after = last && { at: last.at, patient: last.patient, stream: last.item.stream };
      // A page may take long to be told of; others are served before the next one.
      if (after !== undefined) await turn();
    }
  }
}

const isTime = ({ whenDue }: Alert, { due, isQuiet, alertsUntil }: WorkItem, now: number): boolean =>
  isQuiet !== true &&
  (alertsUntil === undefined || now < Date.parse(alertsUntil)) &&
  (whenDue !== true || (due !== undefined && Date.parse(due) <= now));

/** The platform itself, as an author. */
const PLATFORM: Caller = { subject: 'carelog', kind: 'system', organisation: 'carelog', system: 'alerts', careSetting: 'any' }; // prettier-ignore

async function raise(gateway: Asked, found: Found, now: number): Promise<void> {
  const { record, recordActivity, digest } = gateway;
  const { list, patient, item } = found;
  // Nobody can work it out, and so put something harmless in its place beforehand.
  const id = derivedEventId(`alert ${list.name}`, digest(`${list.name}|${patient}|${item.cause ?? item.stream}`)); // prettier-ignore
  const standing = await record.read('Task', id);
  if (standing.kind !== 'unknown') return;
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
  const isFault = outcome?.kind === 'refused' && outcome.problems.some(({ category }) => category !== 'mismatch' && category !== 'gone'); // prettier-ignore
  if (isFault) throw new Error(`${list.name} could not alert: ${outcome.problems[0]?.message ?? ''}`);
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

/** A Task tells of what it is about and of what that rests on, so it is for nobody who may not see all of it. */
async function labelled(record: Asked['record'], { list, item }: Found): Promise<object> {
  const about = [...new Set([item.stream, ...(item.because ?? [])])].map((stream) => ({ stream }));
  const { bodies } = await record.theseVersions(about);
  const labels = [...bodies.values()].flatMap(({ body }) => (JSON.parse(body) as Labelled).meta?.security ?? []); // prettier-ignore
  // What cannot be read may be hidden from anybody.
  const isHiding = list.alert!.isHiddenFromPatient || about.some(({ stream }) => !bodies.has(stream));
  const security = [...(isHiding ? HIDING : []), ...labels];
  const once = new Map(security.map((it) => [`${it.system}|${it.code}`, it]));
  return once.size === 0 ? {} : { meta: { security: [...once.values()] } };
}

interface Labelled {
  readonly meta?: { readonly security?: readonly { readonly system?: string; readonly code?: string }[] };
}

/** Who learns of something a day after it was is told so. */
const LATE_AFTER_MS = 86_400_000;

/** https://hl7.org/fhir/R4/task.html */
function taskOf(id: string, { list, patient, item }: Found, now: number): object {
  const { code, priority, lateWithinMs } = list.alert!;
  const { owner, due, since, stream, text } = item;
  const isLate = lateWithinMs !== undefined && now - Date.parse(since) > LATE_AFTER_MS;
  return {
    resourceType: 'Task',
    id,
    status: 'requested',
    intent: 'order',
    priority,
    code: { coding: [code], ...(code.display !== undefined && { text: code.display }) },
    description: isLate ? `${text}. Learned of late: it was on ${since.slice(0, 10)}.` : text,
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
