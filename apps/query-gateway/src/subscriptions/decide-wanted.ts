/** As `decideNotices`, for somebody who listens to worklists too: that a person is on one tells of them as well. */
import type { Caller } from '@carelog/access';
import type { Filter, Notice } from '@carelog/subscriptions';
import type { Gateway } from '../gateway.ts';
import { decideNotices, type DecidedNotices } from './decide-notices.ts';
import { asSeen } from './sees-work.ts';

export async function decideWanted(
  gateway: Gateway,
  caller: Caller,
  filter: Filter,
  notices: readonly Notice[],
  wantsBodies: boolean,
): Promise<DecidedNotices> {
  const seen = await asSeen(gateway, caller, filter, notices);
  const known = seen.filter((it) => it !== undefined);
  const decided = await decideNotices(gateway, caller, known, wantsBodies);
  const each = decided.outcomes.values();
  return { ...decided, outcomes: seen.map((it) => (it ? each.next().value! : { kind: 'withheld' })) };
}
