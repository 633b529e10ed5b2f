/** What patients decided about their record, and what was decided for their safety, as recorded resources tell of it. */
import { EVERY_CLASS, maskOf } from './facts.ts';
import { labelsOfCode, classOf } from './labels-of.ts';
import { objectsIn, partiesIn, patientIn, type Json, type Party, wordIn } from './parties.ts';
import type { Policy } from './policy.ts';
import { firstMoment, momentAfter } from './times.ts';

/** Of one patient (`Patient/…`); times in milliseconds UTC, from `from` until before `until`. */
export type PatientDecision =
  | SharingDecision
  | { readonly kind: 'opt-out'; readonly patient: string; readonly from: number; readonly until?: number }
  /** The last one by its time holds: the patient's own access waits for a review, or waits no longer. */
  | { readonly kind: 'review'; readonly patient: string; readonly from: number; readonly pending: boolean }
  | { readonly kind: 's-flag'; readonly patient: string };

/** An active Consent about who may see what. */
export interface SharingDecision {
  readonly kind: 'sharing';
  readonly patient: string;
  /** Those who keep the Consent, and to whom its denials do not apply. */
  readonly keptBy: readonly Party[];
  /** In order: a later one is an exception to those before it. */
  readonly rules: readonly SharingRule[];
}
export interface SharingRule {
  readonly denies: boolean;
  /** To whom it applies; undefined for everybody. */
  readonly parties?: readonly Party[];
  /** Labels and record classes that it is about. */
  readonly about: number;
  readonly from: number;
  readonly until?: number;
}

/**
 * What this resource (parsed JSON, the version that stands) tells of decisions:
 * - `Consent` (active): sharing by organisation, setting, or category; the national data opt-out where its scope is one of
 *   `policy.sharing.optOutScopes` or its provisions deny purposes beyond care.
 * - `Patient` with a security label `R` or `V`: the S-flag of PDS.
 * - any resource with a code of `policy.review`.
 *
 * A denial that is narrower than the labels can tell is taken as the next wider one, a permission like that as none.
 */
export function decisionsIn(resource: Json, policy: Policy): readonly PatientDecision[] {
  switch (resource['resourceType']) {
    case 'Consent':
      return consentDecisions(resource, policy);
    case 'Patient':
      return flagDecisions(resource);
    default:
      return reviewDecisions(resource, policy);
  }
}

/** Labels and classes withheld now (milliseconds UTC) from a caller who is one of the parties that `isCaller` says yes to. */
export function withheldFrom(
  decisions: readonly PatientDecision[],
  isCaller: (party: Party) => boolean,
  now: number,
): number {
  let withheld = 0;
  for (const decision of decisions) {
    if (decision.kind !== 'sharing') continue;
    // Exceptions hold within one Consent; between two of them a denial does.
    let mask = 0;
    for (const { denies, parties, about, from, until } of decision.rules) {
      if (now < from || (until !== undefined && now >= until)) continue;
      if (parties !== undefined && !parties.some(isCaller)) continue;
      mask = denies ? mask | about : mask & ~about;
    }
    if (mask !== 0 && !decision.keptBy.some(isCaller)) withheld |= mask;
  }
  return withheld;
}

const CONFIDENTIALITY = 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality';

function flagDecisions(patient: Json): readonly PatientDecision[] {
  const [{ security } = {} as Json] = objectsIn(patient['meta']);
  const flagged = objectsIn(security).some(
    ({ system, code }) => system === CONFIDENTIALITY && (code === 'R' || code === 'V'),
  );
  return flagged && typeof patient['id'] === 'string'
    ? [{ kind: 's-flag', patient: `Patient/${patient['id']}` }]
    : [];
}

function reviewDecisions(resource: Json, { review }: Policy): readonly PatientDecision[] {
  const codes = codingsIn(resource['code']).filter(({ system }) => system === review.system);
  const says = (list: readonly string[]): boolean => codes.some(({ code }) => list.includes(wordIn(code)));
  const pending = says(review.pending);
  if (!pending && !says(review.lifted)) return [];
  const retracted = [
    resource['status'],
    ...codingsIn(resource['verificationStatus']).map(({ code }) => code),
  ];
  const patient = patientIn(resource['subject']) ?? patientIn(resource['patient']);
  if (patient === undefined || retracted.includes('entered-in-error')) return [];
  const [{ start } = {} as Json] = objectsIn(resource['period']);
  const times = [
    ...['effectiveDateTime', 'recordedDate', 'performedDateTime', 'issued', 'authoredOn'].map(
      (it) => resource[it],
    ),
    start,
  ];
  const from = times.map(firstMoment).find((moment) => moment !== undefined) ?? 0;
  return [{ kind: 'review', patient, from, pending }];
}

function consentDecisions(consent: Json, policy: Policy): readonly PatientDecision[] {
  const patient = patientIn(consent['patient']);
  if (consent['status'] !== 'active' || patient === undefined) return [];
  const rules = rulesIn(consent, policy);
  const { optOutScopes } = policy.sharing;
  const beyondCare = codingsIn(consent['scope']).some(({ code }) => optOutScopes.includes(wordIn(code)));
  const optOuts = rules
    .filter(({ denies, forCare }) => denies && (beyondCare || !forCare))
    .map(({ from, until }) => ({
      kind: 'opt-out' as const,
      patient,
      from,
      ...(until !== undefined && { until }),
    }));
  const sharing = beyondCare ? [] : rules.filter(({ forCare }) => forCare);
  if (!sharing.some(({ denies }) => denies)) return optOuts;
  const keptBy = objectsIn(consent['organization']).flatMap(partiesIn);
  return [
    ...optOuts,
    { kind: 'sharing', patient, keptBy, rules: sharing.map(({ forCare: _, ...rule }) => rule) },
  ];
}

type Provided = SharingRule & { readonly forCare: boolean };

/** `Consent.provision` and its exceptions, each after what it is an exception to. */
function rulesIn(consent: Json, policy: Policy): readonly Provided[] {
  const optsOut = codingsIn(consent['policyRule']).some(({ code }) => wordIn(code).startsWith('OPTOUT'));
  const everybody: Provided = { denies: true, about: everything(policy), from: 0, forCare: true };
  const [root] = objectsIn(consent['provision']);
  const base = optsOut ? [everybody] : [];
  if (root === undefined) return base;
  return [...base, ...provisionRules(root, policy, 0)];
}

const DEPTH_MAX = 8;

function provisionRules(provision: Json, policy: Policy, depth: number): readonly Provided[] {
  const exceptions =
    depth >= DEPTH_MAX
      ? []
      : objectsIn(provision['provision']).flatMap((it) => provisionRules(it, policy, depth + 1));
  const { type } = provision;
  if (type !== 'permit' && type !== 'deny') return exceptions;
  const denies = type === 'deny';
  const about = aboutOf(provision, denies, policy);
  const shows = objectsIn(provision['action']).flatMap(({ coding }) => objectsIn(coding));
  const applies = shows.length === 0 || shows.some(({ code }) => SHOWING.has(wordIn(code)));
  if (!applies || about === 0) return exceptions;
  const parties = actorsIn(provision, policy);
  const [{ start, end } = {} as Json] = objectsIn(provision['period']);
  const until = momentAfter(end);
  const rule: Provided = {
    denies,
    about,
    from: firstMoment(start) ?? 0,
    ...(until !== undefined && { until }),
    ...(parties !== undefined && { parties }),
    forCare: concernsCare(provision, denies, policy),
  };
  return [rule, ...exceptions];
}

/** https://hl7.org/fhir/R4/valueset-consent-action.html: those that let see; `collect` and `correct` do not. */
const SHOWING = new Set(['access', 'use', 'disclose']);

function concernsCare(provision: Json, denies: boolean, { sharing }: Policy): boolean {
  const asked = objectsIn(provision['purpose']).map(({ code }) =>
    Object.hasOwn(sharing.purposes, wordIn(code)) ? sharing.purposes[wordIn(code)] : undefined,
  );
  // A purpose that the policy does not know may be care: it may deny, and it does not permit.
  return asked.length === 0 || asked.some((it) => it === 'direct-care' || (denies && it === undefined));
}

/** Undefined for everybody. Who is named so that nobody could be told by it is everybody in a denial and nobody in a permission. */
function actorsIn(provision: Json, { sharing }: Policy): readonly Party[] | undefined {
  const actors = objectsIn(provision['actor']);
  if (actors.length === 0) return undefined;
  const named = actors.map(({ reference }): readonly Party[] => {
    const [it = {}] = objectsIn(reference);
    const [{ system, value } = {} as Json] = objectsIn(it['identifier']);
    if (system === sharing.settingSystem && typeof value === 'string') return [`setting:${value}`];
    // A person is one whom other rules are about, such as a proxy; an organisation never is.
    if (it['type'] === 'RelatedPerson' || it['type'] === 'Patient') return ['RelatedPerson/-'];
    return partiesIn(it);
  });
  if (provision['type'] === 'deny' && named.some((parties) => parties.length === 0)) return undefined;
  return named.flat();
}

/** The categories of a provision: resource types, codes and security labels; everything where it names none. */
function aboutOf(provision: Json, denies: boolean, policy: Policy): number {
  const masks = [
    ...objectsIn(provision['class']).map(({ code }) => classMask(wordIn(code), policy)),
    ...[
      ...objectsIn(provision['securityLabel']),
      ...objectsIn(provision['code']).flatMap(({ coding }) => objectsIn(coding)),
    ].map(({ system, code }) => labelsOfCode(system, code, policy)),
    ...objectsIn(provision['data']).map(({ reference }) => dataMask(reference, policy)),
  ];
  if (masks.length === 0) return denies || provision['dataPeriod'] === undefined ? everything(policy) : 0;
  if (denies) return masks.reduce((about, mask) => about | (mask === 0 ? everything(policy) : mask), 0);
  const kinds = ['class', 'code', 'securityLabel', 'data', 'dataPeriod'].filter(
    (kind) => provision[kind] !== undefined,
  );
  // Together they would narrow the permission to what meets all of them, which no single label tells.
  if (kinds.length > 1 || kinds[0] === 'data') return 0;
  return kinds[0] === 'class'
    ? wholeClasses(provision, policy)
    : masks.reduce((about, mask) => about | mask, 0);
}

function everything({ sharing }: Policy): number {
  return EVERY_CLASS & ~maskOf(sharing.alwaysShared);
}

function classMask(type: string, policy: Policy): number {
  return /^[A-Z][A-Za-z]+$/.test(type) ? maskOf([classOf(type, policy)]) : 0;
}

function dataMask(reference: unknown, policy: Policy): number {
  const [{ reference: address } = {} as Json] = objectsIn(reference);
  return typeof address === 'string' ? classMask(address.split('/').at(-2) ?? '', policy) : 0;
}

/** Of the types that a permission names, the classes of which it names all types. */
function wholeClasses(provision: Json, { labelling }: Policy): number {
  const types = new Set(objectsIn(provision['class']).map(({ code }) => wordIn(code)));
  const whole = Object.entries(labelling.classes).filter(
    ([, members]) => members?.every((type) => types.has(type)) === true,
  );
  return maskOf(whole.map(([name]) => name as keyof typeof labelling.classes));
}

function codingsIn(concept: unknown): readonly Json[] {
  return objectsIn(concept).flatMap(({ coding }) => objectsIn(coding));
}
