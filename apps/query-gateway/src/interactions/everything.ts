/** The whole record of one person. https://hl7.org/fhir/R4/operation-patient-everything.html */
import { isResourceType } from '@carelog/fhir';
import { allow, standingOf, unknownTo } from '../access.ts';
import { caughtUp } from '../consistency.ts';
import { refuse, Refusal, type FhirAnswer, type FhirRequest, type Gateway } from '../gateway.ts';
import { bundleAnswer } from './bundles.ts';
import { COUNT_MAX, pageOf, refuseUnknown } from './search.ts';

export async function everything(
  gateway: Gateway,
  request: FhirRequest,
  id: string,
): Promise<FhirAnswer | Refusal> {
  const unknown = refuseUnknown(request, ['_type', '_since']);
  if (unknown instanceof Refusal) return unknown;
  const page = pageOf(gateway, request);
  if (page instanceof Refusal) return page;
  const filter = filterOf(request);
  if (filter instanceof Refusal) return filter;
  const behind = await caughtUp(gateway);
  if (behind !== undefined) return behind;
  const facts = await standingOf(gateway, request.caller);
  const allowed = allow(gateway, request.caller, 'everything', undefined, facts);
  if (allowed instanceof Refusal) return allowed;
  const count = request.query.has('_count') ? page.count : COUNT_MAX;
  const found = await gateway.record.everything(id, { ...page, count, ...filter }, allowed.viewer);
  if (found === undefined) return unknownTo(gateway, request.caller, 'everything', 'Patient', id);
  return bundleAnswer(gateway, request, { basis: allowed.basis, type: 'searchset', page: found, ...unknown });
}

/** More than FHIR R4 has. */
const TYPES_MAX = 200;

function filterOf(request: FhirRequest): { types?: readonly string[]; since?: number } | Refusal {
  const listed = request.query.getAll('_type').flatMap((list) => list.split(',', TYPES_MAX + 1));
  if (listed.length > TYPES_MAX) {
    const message = `_type takes at most ${TYPES_MAX} types. Leave it out for all of them.`;
    return refuse({ category: 'too-large', code: 'too-costly', message, expression: '_type' });
  }
  const types = listed.filter((type) => type !== '');
  const wrong = types.find((type) => !isResourceType(type));
  if (wrong !== undefined) {
    const message =
      'One of the types is not a resource type of FHIR R4. Send names as in _type=Observation,Condition.';
    return refuse({ category: 'incorrect', code: 'value', message, expression: '_type' });
  }
  const text = request.query.get('_since');
  const since = text === null ? undefined : Date.parse(text);
  if (Number.isNaN(since)) {
    const message = '_since is not an instant. Send one as in _since=2026-01-31T12:00:00Z.';
    return refuse({ category: 'incorrect', code: 'value', message, expression: '_since' });
  }
  return { ...(types.length > 0 && { types }), ...(since !== undefined && { since }) };
}
