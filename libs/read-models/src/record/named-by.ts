/** Whom a search is about. */
import { subjectParametersOf, type SearchQuery } from '@carelog/fhir';
import { isPatient } from './record-projection.ts';

/**
 * The resources or patients that a search asks for by name, all of one condition, as streams: nothing that happens to others
 * changes its answer. Undefined where it asks for others too.
 */
export function namedBy({ type, conditions }: SearchQuery): readonly string[] | undefined {
  for (const condition of conditions) {
    if (condition.kind === 'id') return condition.values.map((id) => `${type}/${id}`);
    if (condition.kind !== 'reference' || !subjectParametersOf(type).includes(condition.parameter)) continue;
    const targets = condition.values.map(({ target }) => target);
    if (targets.every(isPatient)) return targets;
  }
  return undefined;
}
