/** Reads of the condensed R4 4.0.1 definitions: loaded once, at first use, and built first when they are missing. */
import {
  buildDefinitions,
  builtDefinitions,
  type Definitions,
  type ShapeDefinition,
} from './build-definitions.ts';

/** All definitions. The first call takes milliseconds, or seconds when the file has to be built. */
export function definitions(): Definitions {
  return (loaded ??= builtDefinitions() ?? buildDefinitions());
}

/** The names of the concrete resource types of R4, in alphabetical order. */
export function resourceTypes(): readonly string[] {
  return (types ??= Object.entries(definitions().shapes)
    .filter(([, shape]) => shape.kind === 'resource')
    .map(([name]) => name)
    .sort());
}

/** Whether this is the name of a concrete resource type of R4. */
export function isResourceType(name: unknown): name is string {
  return typeof name === 'string' && (typeSet ??= new Set(resourceTypes())).has(name);
}

/** The elements of a type or of a nested element: `Patient`, `HumanName`, `Patient.contact`. */
export function definitionOf(type: string): ShapeDefinition | undefined {
  return Object.hasOwn(definitions().shapes, type) ? definitions().shapes[type] : undefined;
}

let loaded: Definitions | undefined;
let types: readonly string[] | undefined;
let typeSet: ReadonlySet<string> | undefined;
