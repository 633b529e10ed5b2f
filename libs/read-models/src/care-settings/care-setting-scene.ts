/**
 * For specs: what one care setting shows after some activities, in the order told and in others, on SQLite and on PostgreSQL.
 * Arrival changes nothing that a page says: a scene ends the same whichever way its activities came, or the spec fails.
 */
import { isDeepStrictEqual } from 'node:util';
import { it } from 'vitest';
import type { CareSetting, Item, Section, WorkItem } from './care-setting.ts';
import { cursorAfter, type CareSettingQueries, type WorkCursor } from './care-setting-reader.ts';
import { askedOnPostgres, askedOnSqlite, scrambled, withoutPostgres } from './scene-engines.ts';
import { logOf, RECORDED } from './scene-log.ts';

export type Resource = { readonly resourceType: string; readonly id: string } & Readonly<
  Record<string, unknown>
>;

/** Something that an organisation published. */
export interface Activity {
  readonly resource: Resource;
  /** Organisation that publishes; `RX1` unless told. */
  readonly by?: string;
  /** When its source issued this version, ISO 8601, or what it counts it as: several versions of one resource need one of them to be told apart in any order. */
  readonly issued?: string;
  readonly number?: number;
  /** A `DELETE`: of the resource nothing is told but that it is gone. */
  readonly isDeleted?: true;
}

// What is not asked is said, in each file of scenes.
const reason = withoutPostgres();
if (reason !== undefined) it.skip(`each scene on PostgreSQL too (${reason})`, () => {});

/** The person that scenes are about. */
export const PERSON = 'Patient/p';
export const person = (more: Readonly<Record<string, unknown>> = {}): Activity => ({ resource: { resourceType: 'Patient', id: 'p', ...more } }); // prettier-ignore

/** What was told, deleted later. */
export const deleted = ({ resource, by }: Activity, issued: string): Activity => ({ resource, ...(by !== undefined && { by }), issued, isDeleted: true }); // prettier-ignore

/** A resource about the person, in as few words as it can be told. */
export function about(resourceType: string, id: string, more: Readonly<Record<string, unknown>>): Resource {
  const subject = { reference: PERSON };
  const named = ['AllergyIntolerance', 'EpisodeOfCare', 'Consent', 'RelatedPerson', 'Immunization'].includes(resourceType); // prettier-ignore
  const whose = resourceType === 'Task' ? { for: subject } : named ? { patient: subject } : { subject };
  return { resourceType, id, ...(resourceType !== 'Appointment' && whose), ...more };
}

export const snomed = (code: string, display: string) => ({ coding: [{ system: 'http://snomed.info/sct', code, display }] }); // prettier-ignore

/** The page as of `now` (ISO 8601), the same for every order of arrival and with everything arriving twice. */
export async function pageAfter(
  setting: CareSetting,
  activities: readonly Activity[],
  now: string,
): Promise<readonly Section[]> {
  return inEveryOrder(setting, activities, async (queries) =>
    setting.page(await queries.facts(PERSON), Date.parse(now)),
  );
}

/** What waits on the list as of `now` (ISO 8601), the same for every order of arrival. */
export async function workAfter(
  setting: CareSetting,
  list: string,
  activities: readonly Activity[],
  now = '2026-06-01T12:00:00Z',
): Promise<readonly WorkItem[]> {
  if (!setting.worklists.some(({ name }) => name === list))
    throw new Error(`${setting.name} has no list ${list}.`);
  return inEveryOrder(setting, activities, async (queries) =>
    (await queries.work(list, { count: 100, now: Date.parse(now) })).map(({ item }) => item),
  );
}

/** As `stream patient`, what pages of so many have together that are read one after the other, the same for every order of arrival. */
export async function workInPages(
  setting: CareSetting,
  list: string,
  activities: readonly Activity[],
  count: number,
): Promise<readonly string[]> {
  return inEveryOrder(setting, activities, async (queries) => {
    const told: string[] = [];
    for (let after: WorkCursor | undefined; ;) {
      const rows = await queries.work(list, { count, now: RECORDED, ...(after && { after }) });
      told.push(...rows.map(({ patient, item }) => `${item.stream} ${patient}`));
      if (rows.length < count || told.length > MOST_WORK) return told;
      after = cursorAfter(rows.at(-1)!);
    }
  });
}

// Pages that never end are found by there being too many.
const MOST_WORK = 1_000;

/** The lines under a heading's title, each `what | detail | differs | change`, of what there is; `(unavailable)` where it is empty. */
export function linesOf(sections: readonly Section[], title: string): readonly string[] {
  const found = sections.find((it) => it.title === title);
  if (found === undefined)
    throw new Error(`The page has no ${title}. It has ${sections.map((it) => it.title).join(', ')}.`);
  return found.empty === undefined ? found.items.map(lineText) : [`(${found.empty})`];
}

const lineText = ({ text, detail, differs, change, inTransit, urgent }: Item): string =>
  [text, detail, differs, change, inTransit && 'in transit', urgent && 'urgent'].filter((it) => it !== undefined).join(' | '); // prettier-ignore

/** The answer after activities that come one by one, in the order told. */
export const oneByOne = <Answer>(
  setting: CareSetting,
  activities: readonly Activity[],
  ask: (queries: CareSettingQueries) => Promise<Answer>,
): Promise<Answer> => askedOnSqlite(setting, logOf(activities), ask, 1);

/** The same answer for every order of arrival and on every engine. */
export async function inEveryOrder<Answer>(
  setting: CareSetting,
  activities: readonly Activity[],
  ask: (queries: CareSettingQueries) => Promise<Answer>,
): Promise<Answer> {
  const first = await askedOnSqlite(setting, logOf(activities), ask);
  const expectSame = (where: string, other: Answer) => {
    if (!isDeepStrictEqual(withoutBookkeeping(other), withoutBookkeeping(first)))
      throw new Error(`${where} it ends otherwise:\n${JSON.stringify(withoutBookkeeping(other))}\nrather than\n${JSON.stringify(withoutBookkeeping(first))}`); // prettier-ignore
  };
  const orders = [[...activities].reverse(), scrambled(activities, 23), [...activities, ...activities]];
  for (const order of orders) expectSame('In another order', await askedOnSqlite(setting, logOf(order), ask));
  expectSame(
    'One by one in another order',
    await askedOnSqlite(setting, logOf(scrambled(activities, 7)), ask, 1),
  );
  const other = await askedOnPostgres(setting, logOf(scrambled(activities, 41)), ask);
  if (other !== undefined) expectSame('On PostgreSQL, in lanes and another order,', other.answer);
  return first;
}

const BOOKKEEPING = new Set(['version', 'position', 'event', 'recordedAt', 'cause']);
const withoutBookkeeping = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (key, it: unknown) => (BOOKKEEPING.has(key) ? undefined : it)));
