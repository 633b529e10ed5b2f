/** What of a resource matters to its use beyond the person's own care: whether it may be used so at all, and by whom it is counted. */
import { decisionsIn, labellingDigest, labelsOf, maskOf, type Policy } from '@carelog/access';
import { hash } from 'node:crypto';

export interface BeyondCare {
  /** Labelled as something that no count may rest on. */
  readonly isLeftOut: boolean;
  /** Of a Consent: it opts out of uses beyond care before this (milliseconds UTC; for ever, Infinity). */
  readonly optedOutUntil?: number;
  /** Of a Patient. */
  readonly person?: {
    /** Four digits. */
    readonly bornIn?: string;
    readonly sex?: string;
    /** ODS code. */
    readonly practice?: string;
    /** S-flagged: no organisation of theirs is told. */
    readonly isHidden?: true;
  };
}

type Json = Readonly<Record<string, unknown>>;

/** Of the version that stands (parsed JSON), by the policy's purposes that have counts. Throws nothing, whatever is in it. */
export function beyondCareOf(resource: Json, policy: Policy): BeyondCare {
  const isLeftOut = (labelsOf(resource, policy) & leftOut(policy)) !== 0;
  switch (resource['resourceType']) {
    case 'Consent':
      return { isLeftOut, ...optOutOf(resource, policy) };
    case 'Patient':
      return { isLeftOut, person: personOf(resource, policy) };
    default:
      return { isLeftOut };
  }
}

/** Of what `beyondCareOf` goes by in a policy: what is kept by another one is to be made anew. */
export function digestOfUse(policy: Policy): string {
  return hash('sha256', JSON.stringify([labellingDigest(policy), policy.sharing, leftOut(policy)]));
}

const remembered = new WeakMap<Policy, number>();

function leftOut(policy: Policy): number {
  let mask = remembered.get(policy);
  if (mask === undefined) {
    mask = maskOf(Object.values(policy.purposes).flatMap(({ counts }) => counts?.leavesOut ?? []));
    remembered.set(policy, mask);
  }
  return mask;
}

// One that begins later holds at once: who has said that they want out is not counted until then.
function optOutOf(consent: Json, policy: Policy): Pick<BeyondCare, 'optedOutUntil'> {
  const ends = decisionsIn(consent, policy).flatMap((it) => (it.kind === 'opt-out' ? [it.until ?? Infinity] : [])); // prettier-ignore
  return ends.length === 0 ? {} : { optedOutUntil: Math.max(...ends) };
}

const ODS = 'https://fhir.nhs.uk/Id/ods-organization-code';

/** Where the record of an S-flagged person is kept tells where they live. */
function personOf(patient: Json, policy: Policy): NonNullable<BeyondCare['person']> {
  const { birthDate, gender, generalPractitioner } = patient;
  const isFlagged = decisionsIn(patient, policy).some(({ kind }) => kind === 's-flag');
  const codes = (Array.isArray(generalPractitioner) ? generalPractitioner : []).map((it: Json | null) => it?.['identifier'] as Json | undefined); // prettier-ignore
  const practice = codes.find((it) => it?.['system'] === ODS)?.['value'];
  return {
    ...(typeof birthDate === 'string' && /^\d{4}/.test(birthDate) && { bornIn: birthDate.slice(0, 4) }),
    ...(typeof gender === 'string' && SEXES.has(gender) && { sex: gender }),
    ...(isFlagged && { isHidden: true as const }),
    ...(!isFlagged && typeof practice === 'string' && /^\w{1,12}$/.test(practice) && { practice }),
  };
}

/** https://hl7.org/fhir/R4/valueset-administrative-gender.html */
const SEXES = new Set(['male', 'female', 'other', 'unknown']);
