/** What is recorded of a patient, put together for one caller at one moment. */
import { withheldFrom, type PatientDecision } from './decisions-in.ts';
import type { PatientFacts } from './facts.ts';
import type { Party } from './parties.ts';
import type { Policy } from './policy.ts';
import type { Proxy } from './proxies-in.ts';
import { basisNow, type Relationship } from './relationships-in.ts';

/** Of one patient, from all resources that stand: `relationshipsIn`, `decisionsIn` and `proxiesIn` of each. */
export interface PatientStatements {
  readonly relationships: readonly Relationship[];
  readonly decisions: readonly PatientDecision[];
  readonly proxies: readonly Proxy[];
}

/** The caller in view of this patient. */
export interface Asker {
  /** Whether a party is the caller's organisation, belongs to it (`partOf`), or is the setting they act in. */
  isParty(party: Party): boolean;
  /** Whether `Proxy.who` is the caller. */
  isPerson(who: string): boolean;
  readonly isPatient: boolean;
  readonly brokeGlass: boolean;
}

/** Pure; `now` in milliseconds UTC. */
export function patientFactsOf(
  { relationships, decisions, proxies }: PatientStatements,
  asker: Asker,
  now: number,
  policy: Policy,
): PatientFacts {
  const live = relationships
    .filter(({ party }) => asker.isParty(party))
    .map((relationship) => basisNow(relationship, now, policy))
    .filter((basis) => basis !== undefined);
  const ownOrProxy = asker.isPatient
    ? 'own'
    : proxies.some((it) => isLive(it, now) && asker.isPerson(it.who))
      ? 'proxy'
      : undefined;
  return {
    relationships: [...new Set(live)],
    sFlag: decisions.some(({ kind }) => kind === 's-flag'),
    withheld: withheldFrom(decisions, (party) => asker.isParty(party), now),
    ...(ownOrProxy !== undefined && { ownOrProxy }),
    reviewPending: reviewIsPending(decisions, now),
    ...(asker.brokeGlass && { brokenGlass: true }),
    optedOut: decisions.some((it) => it.kind === 'opt-out' && isLive(it, now)),
  };
}

function isLive({ from, until }: { readonly from: number; readonly until?: number }, now: number): boolean {
  return now >= from && (until === undefined || now < until);
}

/** Of two that are of the same moment, the careful one. */
function reviewIsPending(decisions: readonly PatientDecision[], now: number): boolean {
  let last: { readonly from: number; readonly pending: boolean } | undefined;
  for (const decision of decisions) {
    if (decision.kind !== 'review' || decision.from > now) continue;
    const later = last === undefined || decision.from > last.from;
    if (later || (decision.from === last!.from && decision.pending)) last = decision;
  }
  return last?.pending === true;
}
