/** Asks the decision point, and gives it what it needs to know of the caller. */
import type { AccessDecision } from '@carelog/access';
import { nhsNumberSystem, parseSearch } from '@carelog/fhir';
import { Refusal, type FhirRequest, type Gateway } from './gateway.ts';

/** The Patient that a patient caller is; empty for everybody else, and where nobody is registered under the number. */
export function ownPatient(
  gateway: Gateway,
  request: FhirRequest,
): { ownPatient?: string } | Promise<{ ownPatient?: string }> {
  const { kind, nhsNumber } = request.caller;
  return kind !== 'patient' || nhsNumber === undefined ? {} : patientWith(gateway, request, nhsNumber);
}

async function patientWith(
  gateway: Gateway,
  request: FhirRequest,
  nhsNumber: string,
): Promise<{ ownPatient?: string }> {
  const parsed = parseSearch('Patient', [['identifier', `${nhsNumberSystem}|${nhsNumber}`]], {
    base: request.base,
  });
  const page = await gateway.record.search(parsed.query, { count: 2, base: '' });
  if ('refused' in page || page.count !== 1) return {};
  const [entry] = JSON.parse(`[${Buffer.concat(page.entries).toString()}]`) as [{ resource: { id: string } }];
  return { ownPatient: entry.resource.id };
}

export function permitted(decision: AccessDecision): (AccessDecision & { permit: true }) | Refusal {
  if (decision.permit) return decision;
  const message = `${decision.reason} ${decision.remedy}`;
  return new Refusal([{ category: 'forbidden', code: 'forbidden', message }], {}, { reason: 'forbidden' });
}
