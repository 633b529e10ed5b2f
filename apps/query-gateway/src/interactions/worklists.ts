/**
 * Worklists: what waits, oldest first, as a FHIR List that is made when it is asked for: `List?code=[system]|[name]`.
 * https://hl7.org/fhir/R4/list.html
 */
import { cursorAfter, isOpenAt, type PageRequest, type WorkCursor, type WorkRow } from '@carelog/read-models'; // prettier-ignore
import { allow, standingOf, type Allowed } from '../access.ts';
import { settingCaughtUp } from '../consistency.ts';
import { nextLink } from '../cursor.ts';
import { refuse, Refusal, type FhirAnswer, type FhirRequest, type Gateway } from '../gateway.ts';
import { everyList, type ListOfSetting } from '../subscriptions/feed-source.ts';
import { filledPage, type FilledPage, type ListToFill } from './filled-page.ts';
import { pageOf, refuseUnknown } from './search.ts';
import { seenBy } from './seen-facts.ts';

/** The code system whose codes are the worklists' names. */
export const WORKLIST_SYSTEM = 'https://fhir.carelog.example/CodeSystem/worklist';

/** Of one page; what a page shows is decided person by person. */
const ITEMS_MAX = 100;

export const asksForWorklist = ({ query }: FhirRequest): boolean =>
  query.getAll('code').some((it) => it.startsWith(`${WORKLIST_SYSTEM}|`));

export async function worklist(gateway: Gateway, request: FhirRequest): Promise<FhirAnswer | Refusal> {
  const unknown = refuseUnknown(request, ['code']);
  if (unknown instanceof Refusal) return unknown;
  const asked = listNamed(request.query.getAll('code'));
  const queries = asked && gateway.careSettings?.of.get(asked.setting.name);
  if (asked === undefined || queries === undefined) return unknownList();
  const page = pageOf(gateway, request);
  if (page instanceof Refusal) return page;
  const behind = await settingCaughtUp(gateway, asked.setting.name);
  if (behind !== undefined) return behind;
  const standing = await standingOf(gateway, request.caller);
  const allowed = allow(gateway, request.caller, 'search', 'List', standing);
  if (allowed instanceof Refusal) return allowed;
  // What a List tells of anybody is what the caller may know of them.
  const knowing = allow(gateway, request.caller, 'everything', undefined, standing);
  if (knowing instanceof Refusal) return knowing;

  const position = gateway.careSettings!.position(asked.setting.name);
  const [parked] = await queries.parked();
  const { shown, next } = await pageOfList(gateway, asked, page, knowing);
  const found = await gateway.record.theseVersions(shown.map(({ item }) => ({ stream: item.stream })), knowing.viewer); // prettier-ignore
  const links = [{ relation: 'self', url: `${request.base}/List?${request.query}` }];
  if (next !== undefined) links.push({ relation: 'next', url: nextLink(gateway, request, [next.since, next.stream, next.patient]) }); // prettier-ignore
  const list = listOf(
    asked,
    shown.filter(({ item }) => found.bodies.has(item.stream)),
  );
  const entry = [{ fullUrl: `${request.base}/List/${list.id}`, resource: list, search: { mode: 'match' } }];
  return {
    status: 200,
    headers: {
      'carelog-position': String(position),
      ...(parked !== undefined && { 'carelog-incomplete': String(parked.position) }),
    },
    body: JSON.stringify({ resourceType: 'Bundle', type: 'searchset', link: links, entry }),
    shown: found.shown,
    basis: allowed.basis,
  };
}

function listNamed(codes: readonly string[]): ListOfSetting | undefined {
  const [code, ...others] = codes;
  return others.length > 0
    ? undefined
    : everyList.find(({ list }) => code === `${WORKLIST_SYSTEM}|${list.name}`);
}

function unknownList(): Refusal {
  const names = everyList.map(({ list }) => list.name).join(', ');
  const message = `code names no worklist of this server. Send one code of ${WORKLIST_SYSTEM}: ${names}.`;
  return refuse({ category: 'incorrect', code: 'value', message, expression: 'code' });
}

/** As many as were asked for of what the caller may know, past what waits for others. */
function pageOfList(
  gateway: Gateway,
  asked: ListOfSetting,
  page: PageRequest,
  knowing: Allowed,
): Promise<FilledPage<WorkRow, WorkCursor>> {
  const queries = gateway.careSettings!.of.get(asked.setting.name)!;
  const now = Date.now();
  const list: ListToFill<WorkRow, WorkCursor> = {
    read: (count, after) => queries.work(asked.list.name, { count, now, ...(after && { after }) }),
    async see(rows) {
      const known = await knownOf(gateway, rows, asked, knowing);
      return known.map((it) => (it !== undefined && isOpenAt(it.item, now) ? it : undefined));
    },
    // Of the row as it stands on the list: to the caller it may wait since another time.
    cursorAfter,
  };
  return filledPage(list, Math.min(page.count, ITEMS_MAX), placeOf(page.cursor));
}

function placeOf(cursor: PageRequest['cursor']): WorkCursor | undefined {
  if (cursor === undefined) return undefined;
  const [since, stream, patient] = cursor as [number, string, string];
  return { since, stream, patient };
}

/** Each row as it is by what the caller may know, or undefined: an item that comes of something else would tell of it. */
async function knownOf(
  gateway: Gateway,
  rows: readonly WorkRow[],
  { setting, list }: ListOfSetting,
  allowed: Allowed,
): Promise<readonly (WorkRow | undefined)[]> {
  if (allowed.seesAll) return rows;
  const queries = gateway.careSettings!.of.get(setting.name)!;
  const { bodies } = await gateway.record.theseVersions(rows.map(({ item }) => ({ stream: item.stream })), allowed.viewer); // prettier-ignore
  const open = rows.filter(({ item }) => bodies.has(item.stream));
  const patients = [...new Set(open.map(({ patient }) => patient))];
  const known = await Promise.all(
    patients.map(async (patient) => {
      const { facts } = await seenBy(gateway, await queries.facts(patient), allowed);
      const items = list.items(facts.filter(({ fact }) => list.kinds.has(fact.kind)));
      return [patient, new Map(items.map((item) => [item.stream, item]))] as const;
    }),
  );
  const byPatient = new Map(known);
  return rows.map(({ patient, item }) => {
    const seen = byPatient.get(patient)?.get(item.stream);
    return seen && bodies.has(item.stream) ? { patient, item: seen } : undefined;
  });
}

const EXTENSION = 'https://fhir.carelog.example/StructureDefinition/worklist-';

function listOf({ setting, list }: ListOfSetting, rows: readonly WorkRow[]) {
  const now = new Date().toISOString();
  return {
    resourceType: 'List',
    id: `worklist-${list.name}`,
    status: 'current',
    mode: 'snapshot',
    title: list.title,
    code: {
      coding: [{ system: WORKLIST_SYSTEM, code: list.name, display: list.title }],
      text: setting.title,
    },
    date: now,
    ...(rows.length > 0
      ? { entry: rows.map((row) => entryOf(row, now)) }
      : { emptyReason: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/list-empty-reason', code: 'nilknown', display: 'Nil Known' }] } }), // prettier-ignore
  };
}

/** Overdue is what its time says when it is read. */
function entryOf({ patient, item }: WorkRow, now: string) {
  const { stream, since, due, owner, state, text } = item;
  const isOverdue = due !== undefined && Date.parse(due) <= Date.parse(now);
  const states = isOverdue ? [state, 'overdue'] : [state];
  return {
    extension: [
      { url: `${EXTENSION}patient`, valueReference: { reference: patient } },
      ...(due === undefined ? [] : [{ url: `${EXTENSION}due`, valueDateTime: due }]),
      { url: `${EXTENSION}overdue`, valueBoolean: isOverdue },
      ...(owner === undefined ? [] : [{ url: `${EXTENSION}owner`, valueString: owner }]),
    ],
    flag: { coding: states.map((code) => ({ system: `${WORKLIST_SYSTEM}-state`, code })), text },
    date: since,
    item: { reference: stream },
  };
}
