/** What a planned search costs: whether the caller's thread may wait for it. */
import type { Include, SearchQuery } from '@carelog/fhir';
import type { SearchRequest } from './record.ts';
import { isAllOfPatient, isByPatientDate, isByUpdate, readsBodies, type Ordering } from './search-order.ts';
import type { SearchPlan } from './search-plan.ts';
import { BODIES_MAX, ROWS_MAX } from './search-walk.ts';
import type { SearchAudiences } from './searching.ts';

// What is needed beside the page's own statement cannot make it wrong.
export function isOneStatement(
  plan: SearchPlan,
  ordering: Ordering | undefined,
  { includes, total }: SearchRequest,
): boolean {
  return ordering === undefined && plan.isOrdered && !includes?.length && total !== 'accurate';
}

// Nothing is asked but one page of matches, in the order of the walk.
export function isWalkAlone({ sort }: SearchQuery, { includes, total }: SearchRequest): boolean {
  return !sort?.length && !includes?.length && total !== 'accurate';
}

/** A walk over everybody, in order, that passes over what may not be seen: it may end soon though it need not. */
export function isTriable({ patient, isOrdered, isTested, isUnbounded, looks }: SearchPlan): boolean {
  return patient === undefined && isOrdered && isTested && !isUnbounded && looks.length === 0;
}

// Of what refers to one match, as to a practice, all are met to find those that may be shown.
export function isWide(
  { direction }: Include,
  { patient }: SearchPlan,
  { included }: SearchAudiences,
): boolean {
  return direction === 'reverse' && patient === undefined && included !== undefined;
}

export function isSlowWalk(plan: SearchPlan): boolean {
  // Of one patient's index rows there are never too many to put in order.
  if (plan.isPure || (plan.patient !== undefined && !plan.isTested)) return false;
  return plan.isUnbounded || plan.bound() > (plan.looks.length > 0 ? BODIES_MAX : ROWS_MAX);
}

export function isSlowOrder(plan: SearchPlan, ordering: Ordering): boolean {
  if (isByPatientDate(ordering) && isAllOfPatient(ordering)) return false;
  if (plan.walk === 'type' && isByUpdate(ordering.sort)) return !plan.isPure;
  return (
    plan.isUnbounded ||
    plan.bound() >
      (plan.looks.length > 0 || (!isByPatientDate(ordering) && readsBodies(ordering)) ? BODIES_MAX : ROWS_MAX)
  );
}

export function isSlowCount(plan: SearchPlan): boolean {
  if (plan.patient !== undefined && !plan.isTested) return false;
  return plan.isUnbounded || plan.bound() > (plan.looks.length > 0 ? BODIES_MAX : ROWS_MAX);
}
