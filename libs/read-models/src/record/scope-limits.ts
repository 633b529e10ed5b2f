/** What scopes ask of resources, as conditions of a search. https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html */
import type { ScopeLimit } from '@carelog/access';
import { parseSearch, type SearchCondition } from '@carelog/fhir';
import type { StoredFacts } from './audience.ts';
import { SEVERAL } from './tables.ts';

/** Of a scope, for one type. `patient`: it names nobody but this one. */
export interface Limit {
  readonly patient?: number;
  readonly conditions: readonly SearchCondition[];
}

/** Whether the patients that a version names are within the limit. */
export function isWithin(
  { patient: only }: Pick<Limit, 'patient'>,
  { patient, labels }: Pick<StoredFacts, 'patient' | 'labels'>,
) {
  return only === undefined || patient === 0 || (patient === only && (labels & SEVERAL) === 0);
}

/** The token's conditions are those of a search; what could not be searched for is met by nothing. */
export function conditionsOf(
  { where }: ScopeLimit,
  typeName: string,
): readonly SearchCondition[] | undefined {
  if (where.length === 0) return [];
  const { query, problems, unknown } = parseSearch(typeName, where, { base: '' });
  const isWhole = problems.length + unknown.length === 0 && query.conditions.length === where.length;
  return isWhole ? query.conditions : undefined;
}
