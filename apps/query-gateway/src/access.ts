/** Asks the decision point, and gives it what it needs to know of the caller. */
import {
  defaultPolicy,
  noCallerFacts,
  restrictionOf,
  type AccessAction,
  type AccessBasis,
  type AccessRefusal,
  type Caller,
  type CallerFacts,
} from '@carelog/access';
import { seesAll, type Viewer } from '@carelog/read-models';
import { Refusal, type FhirRequest, type Gateway } from './gateway.ts';

/** Whom the caller stands for, and whose glass they broke. */
export function standingOf(gateway: Gateway, { caller }: FhirRequest): CallerFacts | Promise<CallerFacts> {
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
  caller: Caller,
  action: AccessAction,
  type?: string,
  facts: CallerFacts = noCallerFacts,
): Allowed | AccessRefusal {
  const permission = restrictionOf(caller, action, type, facts, defaultPolicy());
  if (!permission.permit) return permission;
  const { basis, restriction } = permission;
  const { organisation, careSetting, system, subject } = caller;
  const viewer = { restriction, organisation, careSetting, asker: `${system} ${subject}` };
  return { permit: true, basis, viewer, seesAll: seesAll(restriction) };
}

export function permitted(decision: Allowed | AccessRefusal): Allowed | Refusal {
  if (decision.permit) return decision;
  const message = `${decision.reason} ${decision.remedy}`;
  return new Refusal([{ category: 'forbidden', code: 'forbidden', message }], {}, { reason: decision.code });
}
