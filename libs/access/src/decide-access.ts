/** The one decision point: may this caller do this to this resource? Pure; everything asks it, or asks `restrictionOf`. */
import type { AccessAction } from './actions.ts';
import type { Caller } from './caller.ts';
import {
  maskOf,
  type CallerFacts,
  type PatientFacts,
  type RelationshipBasis,
  type ResourceFacts,
} from './facts.ts';
import { grantOf } from './grant.ts';
import type { Policy } from './policy.ts';
import { refused, type AccessRefusal, type RefusalCode } from './refusals.ts';
import { restrictionOf } from './restriction-of.ts';
import type { AccessBasis, Restriction, ScopeLimit, View } from './restriction.ts';

export type AccessDecision =
  | {
      readonly permit: true;
      readonly basis: AccessBasis;
      /** The relationship it rests on, where it rests on one. */
      readonly relationship?: RelationshipBasis;
      /** What `policy.sFlag` conceals is to be taken out before the resource is shown. */
      readonly conceals?: true;
    }
  | AccessRefusal;

/**
 * Decides whether `caller` may do `action` to the resource, given what is known of each Patient it names. Total: every
 * combination gets a permit with its basis, or a refusal with a reason and a remedy that are safe to show. A patient of
 * whom nothing is known is one whom the caller may not see. Never throws, never repeats a value.
 *
 * For `create` ask about what is to be recorded, for `delete` about what stands there, for `update` about one `replacing`
 * the other.
 */
export function decideAccess(
  caller: Caller,
  action: AccessAction,
  resource: ResourceFacts,
  patients: ReadonlyMap<string, PatientFacts>,
  policy: Policy,
): AccessDecision {
  const permission = restrictionOf(caller, action, resource.type, callerFactsOf(resource, patients), policy);
  if (!permission.permit) {
    // Of a caller's own records only those that the resource names were looked at.
    const another = permission.code === 'unregistered' && resource.patients.length > 0;
    return another ? refused('not-own-record') : permission;
  }
  if (CARRIES_NO_RESOURCE.has(action)) return { permit: true, basis: permission.basis };
  if (action === 'break-glass') return decideGlass(resource, patients);
  const { restriction } = permission;
  const registers = caller.kind === 'staff' && action === 'create' && resource.type === 'Patient';
  if (registers && resource.patients.length === 0) return decideRegistration(restriction, resource);
  const decision = decideWithin(restriction, action, resource, patients);
  if (decision.permit || decision.code !== 'no-relationship') return decision;
  const grant = grantOf(caller, policy);
  return grant.permit && grant.mayBreakGlass ? decision : refused('no-relationship-no-glass');
}

const CARRIES_NO_RESOURCE: ReadonlySet<AccessAction> = new Set([
  'transaction',
  'batch',
  'metadata',
  'status',
  'rebuild',
]);
const WRITES: ReadonlySet<AccessAction> = new Set(['create', 'update', 'delete']);
/** These could lose what the caller was not shown. */
const CHANGES: ReadonlySet<AccessAction> = new Set(['update', 'delete']);
const REFERENCE = maskOf(['reference']);

function callerFactsOf(resource: ResourceFacts, patients: ReadonlyMap<string, PatientFacts>): CallerFacts {
  const those = (which: (facts: PatientFacts) => boolean): string[] =>
    resource.patients.filter((id) => {
      const facts = patients.get(id);
      return facts !== undefined && which(facts);
    });
  return {
    own: those(({ ownOrProxy }) => ownOrProxy === 'own'),
    proxyFor: those(({ ownOrProxy }) => ownOrProxy === 'proxy'),
    brokenGlass: those(({ brokenGlass }) => brokenGlass === true),
  };
}

function decideGlass(
  { type, patients: [id, ...more] }: ResourceFacts,
  patients: ReadonlyMap<string, PatientFacts>,
): AccessDecision {
  if (type !== 'Patient') return refused('type-not-permitted');
  if (id === undefined || more.length > 0 || !patients.has(id)) return refused('fact-missing');
  return { permit: true, basis: 'broken-glass' };
}

/** A Patient who has no id yet. */
function decideRegistration({ views }: Restriction, { labels }: ResourceFacts): AccessDecision {
  const confidential = views.every((view) => (view.denied & labels) !== 0);
  return confidential ? refused('confidential') : { permit: true, basis: 'registration' };
}

function decideWithin(
  restriction: Restriction,
  action: AccessAction,
  resource: ResourceFacts,
  patients: ReadonlyMap<string, PatientFacts>,
): AccessDecision {
  const outside = outsideScopes(restriction.scopes, resource);
  if (outside !== undefined) return refused(outside);
  if (resource.patients.length === 0) return decideAboutNobody(restriction, resource);
  const admissions: Admission[] = [];
  for (const id of resource.patients) {
    const admission = admit(restriction, action, resource, id, patients.get(id));
    if (typeof admission === 'string') return refused(admission);
    admissions.push(admission);
  }
  const { basis, relationship } = admissions[0]!;
  const conceals = admissions.some((it) => it.conceals);
  // What was shown in part must not be replaced by whoever was shown it like that.
  if (conceals && CHANGES.has(action) && resource.hasPlaces !== false) return refused('location-protected');
  return {
    permit: true,
    basis,
    ...(relationship !== undefined && { relationship }),
    ...(conceals && { conceals }),
  };
}

function outsideScopes(
  scopes: readonly ScopeLimit[] | undefined,
  { type, patients, meets = [] }: ResourceFacts,
): RefusalCode | undefined {
  if (scopes === undefined) return undefined;
  const ofType = scopes.filter((limit) => limit.type === '*' || limit.type === type);
  const ofPatient = ofType.filter(
    ({ patient }) => patient === undefined || patients.every((id) => id === patient),
  );
  if (ofType.length > 0 && ofPatient.length === 0) return 'other-launch-patient';
  const met = ofPatient.some(({ where }) =>
    where.every(([name, value]) => meets.includes(`${name}=${value}`)),
  );
  return met ? undefined : 'outside-scope';
}

function decideAboutNobody({ views, shared }: Restriction, { labels }: ResourceFacts): AccessDecision {
  const reference = (labels & REFERENCE) !== 0;
  const view = views.find(({ patients, denied }) => patients.kind === 'everybody' && (denied & labels) === 0);
  if (reference && (view !== undefined || (shared !== undefined && (shared & labels) === 0))) {
    return { permit: true, basis: 'shared-reference-data' };
  }
  if (view !== undefined) return { permit: true, basis: view.basis };
  return refused(reference ? 'confidential' : 'about-nobody');
}

interface Admission {
  readonly basis: AccessBasis;
  readonly relationship?: RelationshipBasis;
  /** Only with redactions. */
  readonly conceals: boolean;
}

/** By which view the resource is admitted for this patient, one that redacts nothing if there is one; else why by none. */
function admit(
  { views, conceal }: Restriction,
  action: AccessAction,
  resource: ResourceFacts,
  id: string,
  facts: PatientFacts | undefined,
): Admission | RefusalCode {
  let redacted: Admission | undefined;
  const reasons: { readonly code: RefusalCode; readonly weight: number }[] = [];
  for (const view of views) {
    const stranger = strangeTo(view, action, id, facts);
    const code = stranger ?? hiddenIn(view, resource, facts);
    if (code !== undefined) {
      // The reason that says most: of a view that the patient is in, before those that everybody is in.
      reasons.push({ code, weight: stranger !== undefined ? 1 : view.patients.kind === 'everybody' ? 0 : 2 });
      continue;
    }
    const relationship = view.patients.kind === 'related' ? facts?.relationships[0] : undefined;
    const registering = view.patients.kind === 'related' && relationship === undefined;
    const conceals = view.conceals && facts?.sFlag === true;
    const admission: Admission = {
      basis: registering ? 'registration' : view.basis,
      conceals,
      ...(relationship !== undefined && { relationship }),
    };
    if (!conceals || conceal === undefined) return admission;
    if (!conceal.hides.includes(resource.type)) redacted ??= admission;
    else reasons.push({ code: 'confidential', weight: 2 });
  }
  if (redacted !== undefined) return redacted;
  return reasons.sort((a, b) => b.weight - a.weight)[0]?.code ?? 'fact-missing';
}

/** Why the patient is not among those of the view; undefined where they are. */
function strangeTo(
  { patients, heedsOptOut, heedsWithheld, heedsReview, conceals, basis }: View,
  action: AccessAction,
  id: string,
  facts: PatientFacts | undefined,
): RefusalCode | undefined {
  switch (patients.kind) {
    case 'everybody': {
      const needsFacts = heedsOptOut || heedsWithheld || heedsReview || conceals;
      return needsFacts && facts === undefined ? 'fact-missing' : undefined;
    }
    case 'these':
      if (patients.ids.includes(id)) return undefined;
      return basis === 'broken-glass' ? 'no-relationship' : 'not-own-record';
    case 'related': {
      if (facts === undefined) return 'fact-missing';
      const registering = facts.registering === true && WRITES.has(action);
      return registering || facts.relationships.length > 0 ? undefined : 'no-relationship';
    }
  }
}

function hiddenIn(
  { denied, heedsWithheld, heedsOptOut, heedsReview }: View,
  { labels }: ResourceFacts,
  facts: PatientFacts | undefined,
): RefusalCode | undefined {
  if ((denied & labels) !== 0) return 'confidential';
  if (facts === undefined) return undefined;
  if (heedsWithheld && (facts.withheld & labels) !== 0) return 'withheld';
  if (heedsOptOut && facts.optedOut) return 'opted-out';
  return heedsReview && facts.reviewPending ? 'own-access-under-review' : undefined;
}
