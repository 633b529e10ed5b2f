/** Asks the decision point, and gives it what it needs to know of the caller. */
import {
  decideAccess,
  noCallerFacts,
  restrictionOf,
  type AccessAction,
  type AccessBasis,
  type AccessRefusal,
  type Caller,
  type CallerFacts,
} from '@carelog/access';
import type { Withheld } from '@carelog/activity';
import { seesAll, type Viewer } from '@carelog/read-models';
import { refuse, Refusal, type Gateway } from './gateway.ts';
import { scopeChallenge } from './scope-challenge.ts';

export type Standing = Pick<Gateway, 'record' | 'brokenGlass' | 'policy'>;

/** Whom the caller stands for, and whose glass they broke. */
export function standingOf(gateway: Standing, caller: Caller): CallerFacts | Promise<CallerFacts> {
  // Only staff break it; what somebody broke at another gateway counts here from the next request on.
  const noticed = caller.kind === 'staff' ? gateway.brokenGlass.noticed() : undefined;
  return noticed === undefined
    ? standingNow(gateway, caller)
    : noticed.then(() => standingNow(gateway, caller));
}

function standingNow(gateway: Standing, caller: Caller): CallerFacts | Promise<CallerFacts> {
  const brokenGlass = gateway.brokenGlass.patientsOf(caller);
  const { kind, nhsNumber } = caller;
  if (kind !== 'patient' || nhsNumber === undefined) return { ...noCallerFacts, brokenGlass };
  return gateway.record.standsFor(nhsNumber).then((facts) => ({ ...facts, brokenGlass }));
}

export interface Allowed {
  readonly permit: true;
  readonly basis: AccessBasis;
  /** For whom the record is asked. */
  readonly viewer: Viewer;
  /** Nothing is kept from them, so that an answer for everybody is one for them. */
  readonly seesAll: boolean;
}

/** What the decision point permits this caller. */
export function decide(
  { policy }: Pick<Gateway, 'policy'>,
  caller: Caller,
  action: AccessAction,
  type?: string,
  facts: CallerFacts = noCallerFacts,
): Allowed | AccessRefusal {
  const permission = restrictionOf(caller, action, type, facts, policy);
  if (!permission.permit) return permission;
  const { basis, restriction } = permission;
  const { organisation, careSetting, system, subject } = caller;
  const viewer = { restriction, organisation, careSetting, asker: `${system} ${subject}` };
  return { permit: true, basis, viewer, seesAll: seesAll(restriction) };
}

/**
 * The answer about a resource that there is not, or that the caller may not know of: both alike. What the decision point said
 * stands in the access record only, and in that of either, so that not even the time it takes to keep it tells them apart.
 */
export async function unknownTo(
  gateway: Standing,
  caller: Caller,
  action: AccessAction,
  type: string,
  id: string,
): Promise<Refusal> {
  const { record, policy } = gateway;
  const open = decide(gateway, caller, action, type);
  if (open.permit && open.seesAll) return unknown(type);
  const facts = await record.resourceFacts(type, id, caller.scopes ?? []);
  if (facts === undefined) return unknown(type, { reason: 'not-known' });
  const patients = await record.patientFacts(caller, await standingOf(gateway, caller), facts.patients);
  const decision = decideAccess(caller, action, facts, patients, policy);
  return unknown(type, {
    reason: decision.permit ? 'not-known' : decision.code,
    patients: facts.patients,
  });
}

// What was asked for is not repeated: it may be an NHS number or a name in the place of an id.
export function unknown(what: string, withheld?: Withheld): Refusal {
  const message = `This ${what} is not known here. Check the type and the id, or search for it.`;
  const problem = { category: 'not-found', code: 'not-found', message } as const;
  return withheld === undefined ? refuse(problem) : new Refusal([problem], {}, withheld);
}

/** As `decide`, with the answer where it is no. */
export function allow(
  gateway: Pick<Gateway, 'policy'>,
  caller: Caller,
  action: AccessAction,
  type?: string,
  facts?: CallerFacts,
): Allowed | Refusal {
  const decision = decide(gateway, caller, action, type, facts);
  if (decision.permit) return decision;
  const { code, reason, remedy } = decision;
  const problem = { category: 'forbidden', code: 'forbidden', message: `${reason} ${remedy}` } as const;
  const needed = { action, ...(type !== undefined && { type }) };
  return new Refusal([problem], code === 'scope-missing' ? scopeChallenge(caller, [needed]) : {}, {
    reason: code,
  });
}
