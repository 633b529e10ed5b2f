/**
 * References inside resources: all of them, the one to the patient a resource is about, and the identifiers it bears itself.
 * https://hl7.org/fhir/R4/references.html
 */
import { definitionOf, definitions, isResourceType } from './definitions.ts';

/** A Reference as it stands in the resource; changing it changes the resource. */
export interface ReferenceElement {
  reference?: string;
  type?: string;
  identifier?: { system?: string; value?: string };
}

/**
 * Visits every Reference of a resource, those in extensions, contained resources and Bundle entries included, with its
 * FHIRPath. References to contained resources (`#x`) are left out. Values of a wrong type are passed over.
 */
export function forEachReference(
  resource: unknown,
  visit: (reference: ReferenceElement, expression: string) => void,
): void {
  const type = typeOf(resource);
  if (type !== undefined) walk(resource as JsonObject, type, type, visit);
}

/** The Reference that says whom the resource is about, when that can be a patient, and the element it stands in. */
export function patientOf(resource: unknown): { element: string; reference: ReferenceElement } | undefined {
  const type = typeOf(resource);
  if (type === undefined || type === 'Patient') return undefined;
  for (const path of subjectPaths(type)) {
    for (const reference of valuesAt(resource, path.split('.')) as ReferenceElement[]) {
      if (mayBePatient(reference)) return { element: path, reference };
    }
  }
  return undefined;
}

/** Every Reference to a patient in the elements of the patient compartment, the subject's first, each with its element. */
export function patientsOf(resource: unknown): { element: string; reference: ReferenceElement }[] {
  const type = typeOf(resource);
  if (type === undefined) return [];
  const subjects = subjectPaths(type);
  const paths = [...subjects, ...compartmentPaths(type).filter((path) => !subjects.includes(path))];
  return paths.flatMap((path) =>
    (valuesAt(resource, path.split('.')) as ReferenceElement[])
      .filter(mayBePatient)
      .map((reference) => ({ element: path, reference })),
  );
}

/** The complete business identifiers of a resource: those of `identifier` that have both a system and a value. */
export function businessIdentifiers(resource: unknown): { system: string; value: string }[] {
  return valuesAt(resource, ['identifier']).flatMap((it) => {
    const { system, value } = it as { system?: unknown; value?: unknown };
    return typeof system === 'string' && typeof value === 'string' ? [{ system, value }] : [];
  });
}

type JsonObject = Record<string, unknown>;
type Visit = (reference: ReferenceElement, expression: string) => void;

// In the order in which they say whom a resource is about; other compartment elements only mention a patient.
const SUBJECTS = ['subject', 'patient', 'beneficiary', 'for', 'individual', 'candidate', 'deliverTo'];
// Where a participant's place is all there is to say it.
const SUBJECTS_BY_TYPE: Readonly<Record<string, readonly string[]>> = {
  Appointment: ['participant.actor'],
  AppointmentResponse: ['actor'],
  AuditEvent: ['entity.what', 'agent.who'],
  Person: ['link.target'],
  Provenance: ['target'],
  Schedule: ['actor'],
};

function subjectPaths(type: string): readonly string[] {
  const paths = compartmentPaths(type);
  return SUBJECTS_BY_TYPE[type] ?? SUBJECTS.filter((path) => paths.includes(path) || isOutside(type, path));
}

/** Types that R4 leaves out of the compartment although they name the patient they are about. */
function isOutside(type: string, path: string): boolean {
  if (compartmentPaths(type).length > 0 || (path !== 'subject' && path !== 'patient')) return false;
  const element = definitionOf(type)?.elements.find((it) => it.name === path);
  return (
    element?.types.some((it) => it.code === 'Reference' && (it.targets?.includes('Patient') ?? true)) ?? false
  );
}

function compartmentPaths(type: string): readonly string[] {
  return definitions().patientCompartment[type] ?? [];
}

function mayBePatient(it: unknown): boolean {
  if (typeof it !== 'object' || it === null) return false;
  const { reference, type, identifier } = it as { reference?: unknown; type?: unknown; identifier?: unknown };
  if (typeof reference === 'string') {
    if (reference.startsWith('#')) return false;
    const target = /(?:^|\/)([A-Z][A-Za-z]+)(?:\/|\?)[^/]/.exec(
      reference.replace(/\/_history\/.*$/, ''),
    )?.[1];
    // What a urn:uuid points at is not known here, unless its type is said.
    return target === undefined ? type === undefined || type === 'Patient' : target === 'Patient';
  }
  return identifier !== undefined && (type === undefined || type === 'Patient');
}

/** The objects found by following a path of members through arrays. */
function valuesAt(value: unknown, path: readonly string[]): object[] {
  if (Array.isArray(value)) return value.flatMap((item) => valuesAt(item, path));
  if (typeof value !== 'object' || value === null) return [];
  const [name, ...rest] = path;
  return name === undefined ? [value] : valuesAt((value as JsonObject)[name], rest);
}

interface Link {
  readonly step: string;
  readonly kind: 'reference' | 'resource' | 'primitive' | 'element';
  readonly shape: string;
}

const links = new Map<string, ReadonlyMap<string, Link>>();

/** By member name, what can lead to a Reference: primitives only through their extensions. */
function linksOf(shape: string): ReadonlyMap<string, Link> {
  const known = links.get(shape);
  if (known !== undefined) return known;
  const found = new Map<string, Link>();
  for (const { name, choice, types } of definitionOf(shape)?.elements ?? []) {
    for (const type of types) {
      const member = choice ? name + type.code.charAt(0).toUpperCase() + type.code.slice(1) : name;
      const step = choice ? `${name}.ofType(${type.code})` : name;
      if (type.shape === undefined) found.set(`_${member}`, { step, kind: 'primitive', shape: 'Element' });
      else if (type.code === 'Reference') found.set(member, { step, kind: 'reference', shape: 'Reference' });
      else if (type.shape === 'Resource') found.set(member, { step, kind: 'resource', shape: '' });
      else found.set(member, { step, kind: 'element', shape: type.shape });
    }
  }
  links.set(shape, found);
  return found;
}

function walk(value: JsonObject, shape: string, path: string, visit: Visit): void {
  const known = linksOf(shape);
  for (const name in value) {
    const link = known.get(name);
    if (link === undefined) continue;
    const member = value[name];
    const at = `${path}.${link.step}`;
    if (Array.isArray(member)) member.forEach((item, i) => follow(item, link, `${at}[${i}]`, visit));
    else follow(member, link, at, visit);
  }
}

function follow(value: unknown, link: Link, path: string, visit: Visit): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
  const shape = link.kind === 'resource' ? typeOf(value) : link.shape;
  if (shape === undefined) return;
  if (link.kind === 'reference') {
    const { reference } = value as { reference?: unknown };
    if (typeof reference !== 'string' || !reference.startsWith('#')) visit(value, path);
  }
  walk(value as JsonObject, shape, path, visit);
}

function typeOf(resource: unknown): string | undefined {
  const type = (resource as { resourceType?: unknown } | null | undefined)?.resourceType;
  return isResourceType(type) ? type : undefined;
}
