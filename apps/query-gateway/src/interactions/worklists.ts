/**
 * Worklists: what waits, oldest first, as a FHIR List that is made when it is asked for: `List?code=[system]|[name]`.
 * https://hl7.org/fhir/R4/list.html
 */
import { careSettings, isOpenAt, type CareSetting, type Worklist, type WorkRow } from '@carelog/read-models';
import { allow, standingOf, type Allowed } from '../access.ts';
import { caughtUp, settingsCaughtUp } from '../consistency.ts';
import { nextLink } from '../cursor.ts';
import { refuse, Refusal, type FhirAnswer, type FhirRequest, type Gateway } from '../gateway.ts';
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
  const behind = (await caughtUp(gateway)) ?? (await settingsCaughtUp(gateway));
  if (behind !== undefined) return behind;
  const standing = await standingOf(gateway, request.caller);
  const allowed = allow(gateway, request.caller, 'search', 'List', standing);
  if (allowed instanceof Refusal) return allowed;
  // What a List tells of anybody is what the caller may know of them.
  const knowing = allow(gateway, request.caller, 'everything', undefined, standing);
  if (knowing instanceof Refusal) return knowing;

  const position = gateway.careSettings!.position();
  const [since, stream] = (page.cursor ?? []) as [number?, string?];
  const count = Math.min(page.count, ITEMS_MAX);
  const after = since === undefined || stream === undefined ? {} : { after: { since, stream } };
  const now = Date.now();
  const rows = await queries.work(asked.list.name, { count: count + 1, now, ...after });
  const shown = (await knownOf(gateway, rows.slice(0, count), asked, knowing)).filter(({ item }) =>
    isOpenAt(item, now),
  );
  const last = rows.length > count ? rows[count - 1] : undefined;
  const found = await gateway.record.theseVersions(shown.map(({ item }) => ({ stream: item.stream })), knowing.viewer); // prettier-ignore
  const links = [{ relation: 'self', url: `${request.base}/List?${request.query}` }];
  if (last !== undefined) {
    const next = [Date.parse(last.item.since), last.item.stream];
    links.push({ relation: 'next', url: nextLink(gateway, request, next) });
  }
  const list = listOf(
    asked,
    shown.filter(({ item }) => found.bodies.has(item.stream)),
  );
  const entry = [{ fullUrl: `${request.base}/List/${list.id}`, resource: list, search: { mode: 'match' } }];
  return {
    status: 200,
    headers: { 'carelog-position': String(position) },
    body: JSON.stringify({ resourceType: 'Bundle', type: 'searchset', link: links, entry }),
    shown: found.shown,
    basis: allowed.basis,
  };
}

interface Asked {
  readonly setting: CareSetting;
  readonly list: Worklist;
}

const everyList: readonly Asked[] = careSettings.flatMap((setting) =>
  setting.worklists.filter((list) => list.withdraws !== true).map((list) => ({ setting, list })),
);

function listNamed(codes: readonly string[]): Asked | undefined {
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

/** What is work by what the caller may know: an item that comes of something else would tell of it. */
async function knownOf(
  gateway: Gateway,
  rows: readonly WorkRow[],
  { setting, list }: Asked,
  allowed: Allowed,
): Promise<readonly WorkRow[]> {
  if (allowed.seesAll) return rows;
  const queries = gateway.careSettings!.of.get(setting.name)!;
  const patients = [...new Set(rows.map(({ patient }) => patient))];
  const known = await Promise.all(
    patients.map(async (patient) => {
      const { facts } = await seenBy(gateway, await queries.facts(patient), allowed);
      const items = list.items(facts.filter(({ fact }) => list.kinds.has(fact.kind)));
      return [patient, new Map(items.map((item) => [item.stream, item]))] as const;
    }),
  );
  const byPatient = new Map(known);
  return rows.flatMap(({ patient, item }) => {
    const seen = byPatient.get(patient)?.get(item.stream);
    return seen === undefined ? [] : [{ patient, item: seen }];
  });
}

const EXTENSION = 'https://fhir.carelog.example/StructureDefinition/worklist-';

function listOf({ setting, list }: Asked, rows: readonly WorkRow[]) {
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
