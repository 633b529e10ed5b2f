/** Whether somebody on a worklist is there by what the caller may know: that they are would tell of what is hidden else. */
import type { Caller } from '@carelog/access';
import { isWanted, type Filter, type Notice } from '@carelog/subscriptions';
import { decide, standingOf } from '../access.ts';
import type { Gateway } from '../gateway.ts';
import { seenBy } from '../interactions/seen-facts.ts';
import { listsAmong } from './event-filter.ts';
import { everyList } from './feed-source.ts';

/**
 * Each notice as this caller may know of it: of its worklists only those that were asked for and would show them the person.
 * Undefined where it is wanted for others alone.
 */
export function asSeen(
  gateway: Gateway,
  caller: Caller,
  filter: Filter,
  notices: readonly Notice[],
): Promise<readonly (Notice | undefined)[]> {
  const lists = listsAmong(filter.topics ?? []);
  return withListsSeen(notices, filter, lists, (list, patients) => seesWork(gateway, caller, list, patients));
}

/** The same with an answer to what is seen. It is asked for each list and the same people once. */
export async function withListsSeen(
  notices: readonly Notice[],
  filter: Filter,
  lists: readonly string[],
  sees: (list: string, patients: readonly string[]) => Promise<boolean>,
): Promise<readonly (Notice | undefined)[]> {
  // What others asked for is in the notices as well.
  if (lists.length === 0) return notices.map(withoutLists);
  const asked = new Map<string, Promise<boolean>>();
  const isSeen = (list: string, patients: readonly string[]): Promise<boolean> => {
    const key = JSON.stringify([list, patients]);
    const known = asked.get(key) ?? sees(list, patients);
    asked.set(key, known);
    return known;
  };
  return Promise.all(
    notices.map(async (notice) => {
      const on = lists.filter((name) => notice.worklists?.includes(name));
      const each = await Promise.all(on.map((name) => isSeen(name, notice.patients)));
      const worklists = on.filter((_, at) => each[at]);
      if (worklists.length > 0) return { ...notice, worklists };
      const plain = withoutLists(notice);
      return isWanted(plain, filter) ? plain : undefined;
    }),
  );
}

function withoutLists(notice: Notice): Notice {
  if (notice.worklists === undefined) return notice;
  const { worklists: _, ...plain } = notice;
  return plain;
}

/** Any of these Patients, on this list. */
async function seesWork(
  gateway: Gateway,
  caller: Caller,
  named: string,
  patients: readonly string[],
): Promise<boolean> {
  const knowing = decide(gateway, caller, 'everything', undefined, await standingOf(gateway, caller));
  if (!knowing.permit) return false;
  if (knowing.seesAll) return true;
  for (const { setting, list } of everyList.filter((it) => it.list.name === named)) {
    const queries = gateway.careSettings?.of.get(setting.name);
    for (const id of queries === undefined ? [] : patients) {
      const { facts } = await seenBy(gateway, await queries!.facts(`Patient/${id}`), knowing);
      const items = list.items(facts.filter(({ fact }) => list.kinds.has(fact.kind)));
      const { bodies } = await gateway.record.theseVersions(items.map(({ stream }) => ({ stream })), knowing.viewer); // prettier-ignore
      if (items.some(({ stream }) => bodies.has(stream))) return true;
    }
  }
  return false;
}
