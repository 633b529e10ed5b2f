/** Asks the decision point, and gives it what it needs to know of the caller. */
import {
  classOf,
  defaultPolicy,
  noCallerFacts,
  restrictionOf,
  type AccessAction,
  type AccessBasis,
  type AccessRefusal,
  type Caller,
  type Permission,
} from '@carelog/access';
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

export interface Allowed {
  readonly permit: true;
  readonly basis: AccessBasis;
  /** The answer must hold nothing outside this patient's compartment. */
  readonly restrictTo?: { readonly patient: string };
}

/** What the decision point permits this caller, as far as the record can be restricted to it: to one patient. */
export function decide(
  caller: Caller,
  action: AccessAction,
  { type, ownPatient: own }: { readonly type?: string; readonly ownPatient?: string } = {},
): Allowed | AccessRefusal {
  const policy = defaultPolicy();
  const facts = { ...noCallerFacts, own: own === undefined ? [] : [own] };
  const permission: Permission | AccessRefusal = restrictionOf(caller, action, type, facts, policy);
  if (!permission.permit) return permission;
  const reference = type !== undefined && classOf(type, policy) === 'reference';
  const restricted = caller.kind === 'patient' && !reference;
  // Of nobody, where nobody is registered under the caller's number.
  const { basis } = permission;
  return { permit: true, basis, ...(restricted && { restrictTo: { patient: own ?? '' } }) };
}

export function permitted(decision: Allowed | AccessRefusal): Allowed | Refusal {
  if (decision.permit) return decision;
  const message = `${decision.reason} ${decision.remedy}`;
  return new Refusal([{ category: 'forbidden', code: 'forbidden', message }], {}, { reason: decision.code });
}
