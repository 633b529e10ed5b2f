/** Who may see a patient's record for them: proxy roles, as recorded resources tell of them. */
import { objectsIn, patientIn, type Json } from './parties.ts';
import { firstMoment, momentAfter } from './times.ts';

/** A proxy role: live from `from` until before `until` (milliseconds UTC). */
export interface Proxy {
  /** `Patient/…` whose record it opens. */
  readonly patient: string;
  /** `nhs:<NHS number>` of the proxy, or a `RelatedPerson/…` or `Patient/…` whose number `personIn` tells. */
  readonly who: string;
  readonly from: number;
  readonly until?: number;
}

/**
 * The proxy roles of a resource (parsed JSON, the version that stands), in the shape of the National Proxy Service: an
 * active Consent that permits to an actor who is a RelatedPerson or a Patient. Being somebody's relative alone gives none.
 */
export function proxiesIn(resource: Json): readonly Proxy[] {
  const patient = patientIn(resource['patient']);
  if (resource['resourceType'] !== 'Consent' || resource['status'] !== 'active' || patient === undefined)
    return [];
  const [provision = {}] = objectsIn(resource['provision']);
  if (provision['type'] !== 'permit' || NARROWER.some((element) => provision[element] !== undefined))
    return [];
  const [{ start, end } = {} as Json] = objectsIn(provision['period']);
  const until = momentAfter(end);
  const period = { from: firstMoment(start) ?? 0, ...(until !== undefined && { until }) };
  return objectsIn(provision['actor'])
    .flatMap(({ reference }) => objectsIn(reference))
    .flatMap((reference) => personNamedBy(reference).map((who) => ({ patient, who, ...period })));
}

/**
 * The person that a RelatedPerson or Patient is: its address, and its NHS number where it has one that counts; undefined
 * for other resources, and for a RelatedPerson who is not active.
 */
export function personIn(
  resource: Json,
): { readonly address: string; readonly nhsNumber?: string } | undefined {
  const type = resource['resourceType'];
  const id = resource['id'];
  if ((type !== 'RelatedPerson' && type !== 'Patient') || typeof id !== 'string') return undefined;
  if (type === 'RelatedPerson' && resource['active'] === false) return undefined;
  const nhsNumber = objectsIn(resource['identifier'])
    .map(nhsNumberIn)
    .find((number) => number !== undefined);
  return { address: `${type}/${id}`, ...(nhsNumber !== undefined && { nhsNumber }) };
}

/** Permits something less than the whole record, or something else than seeing it, which a proxy role does not tell. */
const NARROWER = ['class', 'code', 'securityLabel', 'data', 'dataPeriod', 'action', 'purpose', 'provision'];
const PERSON = /^((?:RelatedPerson|Patient)\/[A-Za-z0-9\-.]{1,64})(?:\/_history\/.*)?$/;

function personNamedBy(reference: Json): readonly string[] {
  const numbers = objectsIn(reference['identifier'])
    .map(nhsNumberIn)
    .filter((it) => it !== undefined);
  if (numbers.length > 0) {
    const person = reference['type'] === 'RelatedPerson' || reference['type'] === 'Patient';
    return person ? numbers.map((number) => `nhs:${number}`) : [];
  }
  const address = reference['reference'];
  const named = typeof address === 'string' ? PERSON.exec(address)?.[1] : undefined;
  return named === undefined ? [] : [named];
}

function nhsNumberIn({ system, value }: Json): string | undefined {
  const isNumber = system === 'https://fhir.nhs.uk/Id/nhs-number' && typeof value === 'string';
  return isNumber && /^\d{10}$/.test(value) ? value : undefined;
}
