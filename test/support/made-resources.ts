/** The smallest valid resource of a type that has a value where a search parameter looks. */
import { definitionOf, definitions } from '../../libs/fhir/src/definitions.ts';
import type { ElementDefinition, TypeReference } from '../../libs/fhir/src/build-definitions.ts';
import { ALSO, PERSON, SPECIAL } from './made-elements.ts';
import type { Parameter } from './search-oracle-definitions.ts';

/** Patients that every server has to hold before it takes made resources. */
export const PEOPLE = ['made-0', 'made-1', 'made-2'];

export interface Made {
  readonly path: string;
  /** The second differs from the first in the value that the parameter reads, and in what has to follow it. */
  readonly pair: readonly [Record<string, unknown>, Record<string, unknown>];
}

/** One for each path that the parameter reads in this type, and for each data type at its end. */
export function madeFor(type: string, parameter: Parameter): Made[] {
  const special = SPECIAL[`${type}.${parameter.code}`];
  if (special) {
    const make = (variant: number) => ({ ...special(variant), resourceType: type });
    return [{ path: `${type}.${parameter.code}`, pair: [make(1), make(2)] }];
  }
  return pathsOf(type, parameter).flatMap((path) =>
    endsOf(type, path).flatMap((end): Made[] => {
      const make = (variant: number) => ({
        resourceType: type,
        ...(build(type, path, { end, variant, parameter }) as Record<string, unknown>),
      });
      const of = `${path.map(({ name }) => name).join('.')}: ${end.code}`;
      return [{ path: `${type}.${of}`, pair: [make(1), make(2)] }];
    }),
  );
}

interface Step {
  readonly name: string;
  /** The data type of a choice. */
  readonly as?: string;
  /** Members that the element has to have as well. */
  readonly with?: Record<string, string>;
  /** What a reference has to point at. */
  readonly to?: string;
}

const WITH = /^where\((\w+)\s*=\s*'([^']*)'\)$/;

function pathsOf(type: string, parameter: Parameter): Step[][] {
  return (
    parameter.expression
      .split(/ \| (?![^(]*\))/)
      .map((part) =>
        part
          .trim()
          .replace(/^\((.*)\)$/, '$1')
          .replace(/ as (\w+)$/, '.as($1)'),
      )
      // Of every type, or written without one.
      .map((part) => (/^[a-z]/.test(part) ? `${type}.${part}` : part))
      .filter((part) => part.startsWith(`${type}.`))
      .map((part) => steps(part.slice(type.length + 1).split(/\.(?![^()]*\))/)))
  );
}

function steps(names: readonly string[]): Step[] {
  const path: Step[] = [];
  for (const name of names) {
    const last = path.at(-1);
    const [, as] = /^(?:as|ofType)\((\w+)\)$/.exec(name) ?? [];
    const [, to] = /^where\(resolve\(\) is (\w+)\)$/.exec(name) ?? [];
    const [, member, value] = WITH.exec(name) ?? [];
    if (as !== undefined) path[path.length - 1] = { ...last!, as };
    else if (to !== undefined) path[path.length - 1] = { ...last!, to };
    else if (member !== undefined) path[path.length - 1] = { ...last!, with: { [member]: value! } };
    else path.push({ name: name.replace(/\[\d+\]$/, '') });
  }
  return path;
}

function elementOf(shape: string, name: string): ElementDefinition | undefined {
  return definitionOf(shape)?.elements.find((element) => element.name === name);
}

/** The data types that the end of the path can have. */
function endsOf(shape: string, [step, ...rest]: readonly Step[]): readonly TypeReference[] {
  const types = (step && elementOf(shape, step.name)?.types) ?? [];
  const chosen = types.filter(({ code }) => step?.as === undefined || code === step.as);
  if (rest.length === 0) return chosen;
  return chosen.flatMap(({ shape: inner }) => (inner === undefined ? [] : endsOf(inner, rest)));
}

interface Goal {
  readonly end: TypeReference;
  readonly variant: number;
  readonly parameter: Parameter;
}

/** What the shape must have, and what is on the path. */
function build(shape: string, path: readonly Step[], goal: Goal): unknown {
  const [step, ...rest] = path;
  const made: Record<string, unknown> = { ...ALSO[shape]?.(step?.name) };
  for (const element of definitionOf(shape)?.elements ?? []) {
    const onPath = element.name === step?.name;
    if (!onPath && (element.required !== true || element.name in made)) continue;
    const type = onPath ? stepType(element, step, rest, goal) : plainest(element.types);
    if (!type) continue;
    const value =
      onPath && rest.length > 0
        ? build(type.shape!, rest, goal)
        : valueOf(type, element, onPath ? goal : undefined, onPath ? step : undefined);
    const name = element.choice
      ? element.name + type.code.charAt(0).toUpperCase() + type.code.slice(1)
      : element.name;
    const whole = onPath && step.with && typeof value === 'object' ? { ...value, ...step.with } : value;
    made[name] = element.many ? [whole] : whole;
  }
  return shape === 'Linkage'
    ? { ...made, item: [...(made['item'] as object[]), { type: 'alternate', resource: PERSON }] }
    : made;
}

function stepType(
  { types }: ElementDefinition,
  { as }: Step,
  rest: readonly Step[],
  { end }: Goal,
): TypeReference | undefined {
  if (rest.length === 0) return types.find(({ code }) => code === end.code);
  return types.find(({ code, shape }) => (as === undefined || code === as) && shape !== undefined);
}

const PLAIN = ['boolean', 'code', 'string', 'dateTime', 'CodeableConcept', 'Reference', 'uri', 'canonical'];

function plainest(types: readonly TypeReference[]): TypeReference {
  return PLAIN.flatMap((code) => types.find((type) => type.code === code) ?? [])[0] ?? types[0]!;
}

function valueOf(
  type: TypeReference,
  element: ElementDefinition,
  goal: Goal | undefined,
  step: Step | undefined,
): unknown {
  const variant = goal?.variant ?? 0;
  const url = `http://example.org/made/${variant}`;
  switch (type.code) {
    case 'boolean':
      return variant !== 2;
    case 'code':
    case 'string':
    case 'markdown':
    case 'id':
      return codeOf(element, variant) ?? `made-${variant}`;
    case 'oid':
      return `urn:oid:1.2.${variant}`;
    case 'uuid':
      return `urn:uuid:00000000-0000-4000-8000-00000000000${variant}`;
    case 'uri':
    case 'url':
    case 'canonical':
      return url;
    case 'date':
      return `2021-0${variant + 1}-11`;
    case 'dateTime':
    case 'instant':
      return `2021-0${variant + 1}-11T10:00:00Z`;
    case 'time':
      return '10:00:00';
    case 'decimal':
      return variant + 0.25;
    case 'integer':
    case 'positiveInt':
    case 'unsignedInt':
      return variant + 1;
    case 'base64Binary':
      return 'bWFkZQ==';
    case 'Reference':
      return { reference: referenceTo(type, variant, goal?.parameter.targets ?? [], step?.to) };
    case 'CodeableConcept':
      return { coding: [{ system: 'http://example.org/made', ...coding(element, variant) }] };
    case 'Coding':
      return { system: 'http://example.org/made', ...coding(element, variant) };
    case 'Identifier':
      return { system: 'http://example.org/made', value: `made-${variant}-${goal?.parameter.code ?? ''}` };
    case 'ContactPoint':
      return { system: 'phone', value: `0123 ${variant}` };
    case 'HumanName':
      return { family: `Made-${variant}`, given: [`Given-${variant}`] };
    case 'Address':
      return { line: [`${variant} Made Street`], city: `City-${variant}` };
    case 'Period':
      return { start: `2021-0${variant + 1}-11`, end: `2021-0${variant + 1}-11` };
    case 'Timing':
      return { event: [`2021-0${variant + 1}-11`] };
    case 'Range':
      // A Range of probabilities has to be in percent; the others may be in anything.
      return { low: quantity(variant, '%'), high: quantity(variant + 0.1, '%') };
    case 'Money':
      return { value: variant + 5, currency: 'GBP' };
    case 'Quantity':
    case 'Age':
    case 'Duration':
    case 'Count':
    case 'Distance':
      return quantity(variant + 5);
    case 'Attachment':
      return { contentType: 'text/plain', url };
    case 'Resource':
      return { resourceType: 'Basic', id: `made-${variant}`, code: { text: 'made' } };
    default:
      return type.shape === undefined
        ? `made-${variant}`
        : build(type.shape, [], { ...(goal as Goal), variant });
  }
}

function quantity(value: number, unit = 'a'): object {
  return { value, unit, system: 'http://unitsofmeasure.org', code: unit };
}

function codeOf({ valueSet }: ElementDefinition, variant: number): string | undefined {
  const all = valueSet === undefined ? [] : Object.values(definitions().valueSets[valueSet] ?? {}).flat();
  return all[variant % all.length];
}

function coding({ valueSet }: ElementDefinition, variant: number): { system?: string; code: string } {
  const systems = Object.entries((valueSet !== undefined && definitions().valueSets[valueSet]) || {});
  const all = systems.flatMap(([system, each]) => each.map((code) => ({ system, code })));
  return all[variant % all.length] ?? { code: `made-${variant}` };
}

function referenceTo(
  type: TypeReference,
  variant: number,
  wanted: readonly string[],
  to: string | undefined,
): string {
  const allowed = type.targets ?? [];
  const common = allowed.filter((each) => wanted.includes(each));
  const target = to ?? common[0] ?? allowed[0] ?? wanted[0] ?? 'Patient';
  return `${target === 'Patient' || target === 'Resource' || target === 'Any' ? 'Patient' : target}/made-${variant}`;
}
