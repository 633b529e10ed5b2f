/** History of one resource, newest version first. https://hl7.org/fhir/R4/http.html#history */
import { allow, standingOf, unknownTo } from '../access.ts';
import { caughtUp } from '../consistency.ts';
import { Refusal, type FhirAnswer, type FhirRequest, type Gateway } from '../gateway.ts';
import { bundleAnswer } from './bundles.ts';
import { pageOf, refuseUnknown } from './search.ts';

export async function history(
  gateway: Gateway,
  request: FhirRequest,
  type: string,
  id: string,
): Promise<FhirAnswer | Refusal> {
  const unknown = refuseUnknown(request, []);
  if (unknown instanceof Refusal) return unknown;
  const page = pageOf(gateway, request);
  if (page instanceof Refusal) return page;
  const behind = await caughtUp(gateway);
  if (behind !== undefined) return behind;
  const facts = await standingOf(gateway, request.caller);
  const allowed = allow(gateway, request.caller, 'history', type, facts);
  if (allowed instanceof Refusal) return allowed;
  const found = await gateway.record.history(type, id, page, allowed.viewer);
  if (found === undefined) return unknownTo(gateway, request.caller, 'history', type, id);
  return bundleAnswer(gateway, request, {
    basis: allowed.basis,
    type: 'history',
    page: found,
    notes: unknown.notes,
    used: unknown.used,
  });
}
