/** As `decideNotices`, for somebody who listens to worklists too: that a person is on one tells of them as well. */
import type { Caller } from '@carelog/access';
import { isWanted, type Filter, type Notice } from '@carelog/subscriptions';
import type { Gateway } from '../gateway.ts';
import { decideNotices, type DecidedNotices } from './decide-notices.ts';
import { listsAmong } from './event-filter.ts';
import { seesWork } from './sees-work.ts';

export async function decideWanted(
  gateway: Gateway,
  caller: Caller,
  filter: Filter,
  notices: readonly Notice[],
  wantsBodies: boolean,
): Promise<DecidedNotices> {
  const lists = listsAmong(filter.topics ?? []);
  if (lists.length === 0) return decideNotices(gateway, caller, notices, wantsBodies);
  const isSeen = await seenAmong(gateway, caller, filter, lists, notices);
  const seen = notices.filter((_, at) => isSeen[at]);
  const decided = await decideNotices(gateway, caller, seen, wantsBodies);
  const each = decided.outcomes.values();
  return { ...decided, outcomes: isSeen.map((it) => (it ? each.next().value! : { kind: 'withheld' })) };
}

/** Whether each would be wanted without what the caller may not know of worklists. People are asked about once. */
async function seenAmong(
  gateway: Gateway,
  caller: Caller,
  filter: Filter,
  lists: readonly string[],
  notices: readonly Notice[],
): Promise<readonly boolean[]> {
  const asked = new Map<string, Promise<boolean>>();
  const sees = (on: readonly string[], patients: readonly string[]): Promise<boolean> => {
    const key = JSON.stringify([on, patients]);
    const known = asked.get(key) ?? seesWork(gateway, caller, on, patients);
    asked.set(key, known);
    return known;
  };
  return Promise.all(
    notices.map(async (notice) => {
      const { worklists = [], ...plain } = notice;
      const on = lists.filter((name) => worklists.includes(name));
      return (on.length > 0 && (await sees(on, notice.patients))) || isWanted(plain, filter);
    }),
  );
}
