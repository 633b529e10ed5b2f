/**
 * Search parameters compiled: the FHIRPath of one becomes plain functions that walk a parsed resource and hand each value
 * they reach to a leaf. What a leaf does with it (index entry, text) is the caller's.
 */
import { definitionOf } from '../definitions.ts';
import { parseExpression, type Path, type Step } from './expression.ts';
import type { SearchParameter } from './search-parameters.ts';

export type Json = Readonly<Record<string, unknown>>;

/**
 * Called with a value, first of all with the resource itself; `sink` is where a leaf puts what it makes of it, `root` the
 * resource.
 */
export type Walk<Sink> = (value: unknown, sink: Sink, root: Json) => void;

/** The type of an element that a parameter reads, e.g. `CodeableConcept`. */
export interface ElementType {
  readonly code: string;
  readonly shape?: string;
  /** The value set that binds it, when its codes are known. */
  readonly valueSet?: string;
}

/** What a parameter reads of a type; `isTest` where it asks only whether there is a value that is not `false`. */
export interface CompiledPath<Sink> {
  readonly walk: Walk<Sink>;
  readonly isTest: boolean;
}

/** The paths of a parameter that concern a type. `leaf` is called while compiling, once for every type of element reached. */
export function compilePaths<Sink>(
  type: string,
  parameter: SearchParameter,
  leaf: (element: ElementType) => Walk<Sink>,
): CompiledPath<Sink>[] {
  return pathsOf(type, parameter).map(({ steps, isTest = false }) => ({
    walk: compileSteps(parameter, steps, { code: type, shape: type }, leaf),
    isTest,
  }));
}

/** The paths of a parameter that concern a type, from its resource on. */
export function pathsOf(type: string, { expression }: SearchParameter): readonly Path[] {
  if (expression === undefined) return [];
  return parseExpression(expression)
    .map((path) => relativeTo(type, path))
    .filter((path) => path !== undefined);
}

// A parameter of several types names each; only this type's paths concern it. A bare element name belongs to any.
function relativeTo(type: string, path: Path): Path | undefined {
  const [first, ...steps] = path.steps;
  if (first?.kind !== 'property') return undefined;
  if (first.name === type || first.name === 'Resource') return { ...path, steps };
  return /^[a-z]/.test(first.name) ? path : undefined;
}

type Leaf<Sink> = (element: ElementType) => Walk<Sink>;

function compileSteps<Sink>(
  parameter: SearchParameter,
  steps: readonly Step[],
  type: ElementType,
  leaf: Leaf<Sink>,
): Walk<Sink> {
  const [step, ...rest] = steps;
  if (step === undefined) return leaf(type);
  const next = (then: ElementType) => compileSteps(parameter, rest, then, leaf);
  switch (step.kind) {
    case 'property': {
      const [index, ...afterIndex] = rest;
      if (index?.kind !== 'index') return property(step.name, undefined, type, next);
      return property(step.name, index.at, type, (then) => compileSteps(parameter, afterIndex, then, leaf));
    }
    case 'type':
      return type.code === step.name ? next(type) : nothing;
    case 'target-type':
      return filter((value, root) => targetTypeOf(value as Json, root) === step.name, next(type));
    case 'equals':
      return filter((value) => (value as Json)[step.name] === step.value, next(type));
    case 'extension': {
      const then = next({ code: 'Extension', shape: 'Extension' });
      return each(
        'extension',
        filter((value) => (value as Json)['url'] === step.url, then),
      );
    }
    case 'index':
      throw new Error(`${parameter.url}: an index stands only after an element`);
  }
}

const nothing = () => {};

function property<Sink>(
  name: string,
  at: number | undefined,
  owner: ElementType,
  next: (type: ElementType) => Walk<Sink>,
): Walk<Sink> {
  const element = definitionOf(owner.shape ?? owner.code)?.elements.find((it) => it.name === name);
  if (element === undefined) return nothing;
  const { valueSet } = element;
  const walks: Walk<Sink>[] = [];
  for (const type of element.types) {
    const key = element.choice === true ? name + type.code[0]?.toUpperCase() + type.code.slice(1) : name;
    const then = next({ ...type, ...(valueSet !== undefined && { valueSet }) });
    if (then !== nothing) walks.push(at === undefined ? each(key, then) : one(key, at, then));
  }
  const [only] = walks;
  if (only === undefined) return nothing;
  if (walks.length === 1) return only;
  return (value, sink, root) => {
    for (const walk of walks) walk(value, sink, root);
  };
}

function each<Sink>(key: string, next: Walk<Sink>): Walk<Sink> {
  return (owner, sink, root) => {
    const value = (owner as Json)[key];
    if (value === undefined || value === null) return;
    if (Array.isArray(value)) {
      for (const item of value) if (item !== null && item !== undefined) next(item, sink, root);
    } else next(value, sink, root);
  };
}

function one<Sink>(key: string, at: number, next: Walk<Sink>): Walk<Sink> {
  return (owner, sink, root) => {
    const item: unknown = ((owner as Json)[key] as unknown[] | undefined | null)?.[at];
    if (item !== undefined && item !== null) next(item, sink, root);
  };
}

function filter<Sink>(test: (value: unknown, root: Json) => boolean, next: Walk<Sink>): Walk<Sink> {
  return (value, sink, root) => {
    if (test(value, root)) next(value, sink, root);
  };
}

// `resolve() is X`, told from the reference itself or from what the resource contains: no other resource is read.
function targetTypeOf(reference: Json, { contained }: Json): string | undefined {
  const { reference: text, type } = reference;
  if (typeof text === 'string') {
    if (text.startsWith('#') && Array.isArray(contained)) {
      const found: unknown = contained.find((it) => (it as Json | null)?.['id'] === text.slice(1));
      if (found !== undefined) return (found as { resourceType?: string }).resourceType;
    }
    const named = TYPE_IN_REFERENCE.exec(text)?.[1];
    if (named !== undefined) return named;
  }
  return typeof type === 'string' ? type : undefined;
}

const TYPE_IN_REFERENCE = /(?:^|\/)([A-Z][A-Za-z]+)\/[^/]+(?:\/_history\/[^/]+)?$/;
