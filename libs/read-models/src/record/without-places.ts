/**
 * For specs: a resource as somebody is shown it from whom an S-flag conceals places. Told by looks alone, over the resources
 * that specs make: neither the definitions of R4 nor the policy have a say in it.
 */
import type { Resource } from './miniature-log.ts';

export function withoutPlaces<Made extends Resource>(resource: Made): Made {
  const {
    text: _,
    contained,
    ...rest
  } = resource as Made & { text?: unknown; contained?: readonly Resource[] };
  const gone = GONE[resource.resourceType] ?? [];
  const kept = Object.entries(rest).filter(([name]) => !gone.includes(name));
  const inside = contained?.filter((it) => !PLACE.test(`${it.resourceType}/`)).map((it) => withoutPlaces(it));
  return left({ ...Object.fromEntries(kept), ...(inside?.length && { contained: inside }) }) as Made;
}

const PLACE = /(^|\/)(Location|Organization|HealthcareService|PractitionerRole|CareTeam|Slot|Schedule)\//;
const NUMBER = 'https://fhir.nhs.uk/Id/nhs-number';

/** Besides what refers to a place. */
const GONE: Readonly<Record<string, readonly string[]>> = {
  Patient: ['extension', 'telecom', 'address', 'photo', 'contact', 'generalPractitioner', 'managingOrganization'],
  Practitioner: ['telecom', 'address'],
  EpisodeOfCare: ['careManager', 'team', 'managingOrganization'],
  Appointment: ['description', 'comment', 'patientInstruction', 'slot'],
  Coverage: ['subscriber', 'payor'],
  ServiceRequest: ['locationCode', 'locationReference'],
}; // prettier-ignore

/** Elements that say nothing more once their place is gone, by the element that names it. */
const WITH_THEIR_PLACE: Readonly<Record<string, string>> = { location: 'location', participant: 'actor', performer: 'actor', actor: 'reference' }; // prettier-ignore

function left(value: unknown, name = ''): unknown {
  if (Array.isArray(value)) {
    const items = value.map((it) => left(it, name)).filter((it) => it !== undefined);
    return items.length === 0 && value.length > 0 ? undefined : items;
  }
  if (typeof value !== 'object' || value === null) return value;
  if (isPlace(value)) return undefined;
  const all = Object.entries(value).map(([key, it]) => [key, it, left(it, key)] as const);
  const place = WITH_THEIR_PLACE[name];
  if (all.some(([key, was, is]) => key === place && was !== undefined && is === undefined)) return undefined;
  const kept = all.filter(([, , is]) => is !== undefined).map(([key, , is]) => [key, is] as const);
  return kept.length === 0 && all.length > 0 ? undefined : Object.fromEntries(kept);
}

function isPlace(value: object): boolean {
  const { reference, type, identifier } = value as Readonly<Record<string, unknown>>;
  if (typeof reference === 'string') return PLACE.test(reference);
  if (typeof identifier !== 'object' || identifier === null || Array.isArray(identifier)) return false;
  return typeof type === 'string' ? PLACE.test(`${type}/`) : (identifier as { system?: unknown }).system !== NUMBER;
} // prettier-ignore
