/** Whether somebody on a worklist is there by what the caller may know: that they are would tell of what is hidden else. */
import type { Caller } from '@carelog/access';
import { decide, standingOf } from '../access.ts';
import type { Gateway } from '../gateway.ts';
import { seenBy } from '../interactions/seen-facts.ts';
import { everyList } from './feed-source.ts';

/** Any of these Patients, on any of these lists. */
export async function seesWork(
  gateway: Gateway,
  caller: Caller,
  lists: readonly string[],
  patients: readonly string[],
): Promise<boolean> {
  const knowing = decide(gateway, caller, 'everything', undefined, await standingOf(gateway, caller));
  if (!knowing.permit) return false;
  if (knowing.seesAll) return true;
  for (const { setting, list } of everyList.filter((it) => lists.includes(it.list.name))) {
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
