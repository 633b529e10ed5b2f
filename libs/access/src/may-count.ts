/** The question "may this caller have counts of many people?", in which nobody is told apart. */
import type { Caller } from './caller.ts';
import type { Policy } from './policy.ts';
import { refused, type AccessRefusal } from './refusals.ts';

/** The refusal where the purpose, stated or understood, is one that the policy gives no counts for. */
export function refusedCounts({ kind, purpose }: Caller, policy: Policy): AccessRefusal | undefined {
  const stated = purpose ?? policy.callers[kind].purposes[0]!;
  return policy.purposes[stated].counts === undefined ? refused('purpose-without-counts') : undefined;
}
