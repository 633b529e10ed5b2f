/** Who takes part in care, as references name them: organisations, and what belongs to one. */

export type Json = Readonly<Record<string, unknown>>;

/**
 * `Organization/1`, `Location/1`, `HealthcareService/1`, `PractitionerRole/1`, `CareTeam/1`, `Practitioner/1`,
 * `RelatedPerson/1`; `ods:Y90001` where an organisation is named by its code; `setting:pharmacy` in a Consent.
 */
export type Party = string;

export const ODS_CODE = 'https://fhir.nhs.uk/Id/ods-organization-code';

/**
 * Of whom this resource is a part, one step up: the ODS codes of an Organization, the Organization of a Location, a
 * HealthcareService, a PractitionerRole or a CareTeam. Following it leads from any party to the codes of organisations.
 */
export function partOf(resource: Json): readonly Party[] {
  switch (resource['resourceType']) {
    case 'Organization':
      return objectsIn(resource['identifier']).flatMap(({ system, value }) =>
        system === ODS_CODE && typeof value === 'string' ? [`ods:${value}`] : [],
      );
    case 'Location':
    case 'CareTeam':
      return objectsIn(resource['managingOrganization']).flatMap(partiesIn);
    case 'HealthcareService':
      return objectsIn(resource['providedBy']).flatMap(partiesIn);
    case 'PractitionerRole':
      return objectsIn(resource['organization']).flatMap(partiesIn);
    default:
      return [];
  }
}

/** The party that a Reference names, by its address if it has one, else by an ODS code; none for any other. */
export function partiesIn({ reference, identifier }: Json): readonly Party[] {
  const address = typeof reference === 'string' ? (ADDRESS.exec(reference)?.[1] ?? undefined) : undefined;
  if (address !== undefined) return [address];
  const [{ system, value } = {} as Json] = objectsIn(identifier);
  return system === ODS_CODE && typeof value === 'string' ? [`ods:${value}`] : [];
}

/** `Patient/…` that a Reference names; undefined where it names none of this record. */
export function patientIn(reference: unknown): string | undefined {
  const [{ reference: address } = {} as Json] = objectsIn(reference);
  return typeof address === 'string' ? PATIENT.exec(address)?.[1] : undefined;
}

/** The objects of an element, whether it repeats or not. */
export function objectsIn(value: unknown): readonly Json[] {
  const values = Array.isArray(value) ? value : [value];
  return values.filter((it): it is Json => typeof it === 'object' && it !== null && !Array.isArray(it));
}

const ID = String.raw`[A-Za-z0-9\-.]{1,64}`;
const PATIENT = new RegExp(`^(Patient/${ID})(?:/_history/.*)?$`);
const ADDRESS = new RegExp(
  `^((?:Organization|Location|HealthcareService|PractitionerRole|CareTeam|Practitioner|RelatedPerson)/${ID})(?:/_history/.*)?$`,
);

/** A word in a resource; the empty one for what is none, whatever it is. */
export function wordIn(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
