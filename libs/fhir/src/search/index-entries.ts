/**
 * What a resource is found by: its SearchParameters compiled, once for each resource type, into plain functions that walk
 * the parsed resource and yield index entries.
 * https://hl7.org/fhir/R4/search.html#table
 */
import { definitionOf } from '../definitions.ts';
import { BEGINNING_OF_TIME, dateRange, END_OF_TIME, type DateRange } from './dates.ts';
import { parseExpression, type Path, type Step } from './expression.ts';
import { searchParametersOf, type SearchParameter } from './search-parameters.ts';

/** `system` is absent where the code has none; `code` is absent where only a system was given. */
export type IndexEntry =
  | { readonly kind: 'token'; readonly parameter: string; readonly system?: string; readonly code?: string }
  | { readonly kind: 'reference'; readonly parameter: string; readonly target: string }
  | { readonly kind: 'date'; readonly parameter: string; readonly low: number; readonly high: number }
  /** As written; `normaliseString` makes it comparable. */
  | { readonly kind: 'string'; readonly parameter: string; readonly text: string }
  | { readonly kind: 'number'; readonly parameter: string; readonly value: number }
  /** `code` is the coded unit, in `system`; `unit` the written one. */
  | {
      readonly kind: 'quantity';
      readonly parameter: string;
      readonly value: number;
      readonly system?: string;
      readonly code?: string;
      readonly unit?: string;
    }
  | { readonly kind: 'uri'; readonly parameter: string; readonly value: string }
  /** The logical identifier that a reference carries: `subject:identifier`. */
  | {
      readonly kind: 'identifier';
      readonly parameter: string;
      readonly system?: string;
      readonly code?: string;
    };

type Json = Readonly<Record<string, unknown>>;

/** The index entries of a valid resource, without repeats. Values that cannot be read are left out, never thrown. */
export function indexEntries(type: string, resource: Json): IndexEntry[] {
  let walks = compiled.get(type);
  if (walks === undefined) compiled.set(type, (walks = compileType(type)));
  const entries: IndexEntry[] = [];
  for (const walk of walks) walk(resource, entries);
  return entries;
}

/**
 * The parameters of a type that ask for the patient it is about: `patient`, or else `subject`, and those that read the same
 * element, so that they agree wherever a Patient is referred to.
 */
export function subjectParametersOf(type: string): readonly string[] {
  let codes = subjects.get(type);
  if (codes === undefined) {
    const references = searchParametersOf(type).filter((it) => it.type === 'reference');
    const main =
      references.find((it) => it.code === 'patient') ?? references.find((it) => it.code === 'subject');
    const element = main && elementOf(type, main);
    codes = references.filter((it) => elementOf(type, it) === element).map((it) => it.code);
    subjects.set(type, codes);
  }
  return codes;
}

const subjects = new Map<string, readonly string[]>();

function elementOf(type: string, { expression }: SearchParameter): string {
  const paths = parseExpression(expression ?? '')
    .map((path) => relativeTo(type, path)?.steps)
    .filter((steps) => steps !== undefined)
    .map((steps) => steps.filter((it) => it.kind !== 'target-type' || it.name !== 'Patient'));
  return JSON.stringify(paths);
}

type Walk = (value: unknown, entries: IndexEntry[]) => void;

const compiled = new Map<string, readonly Walk[]>();

function compileType(type: string): Walk[] {
  return searchParametersOf(type).flatMap((parameter) => {
    if (parameter.expression === undefined) return [];
    return parseExpression(parameter.expression)
      .map((path) => relativeTo(type, path))
      .filter((path) => path !== undefined)
      .map((path) => compilePath(type, parameter, path));
  });
}

function compilePath(type: string, parameter: SearchParameter, { steps, isTest }: Path): Walk {
  const walk = compileSteps(parameter, steps, { code: type, shape: type });
  if (isTest === undefined) return walk;
  return (resource, entries) => {
    const found: IndexEntry[] = [];
    walk(resource, found);
    const holds = found.some((it) => it.kind === 'token' && it.code !== 'false');
    entries.push({ kind: 'token', parameter: parameter.code, code: String(holds) });
  };
}

// A parameter of several types names each; only this type's paths concern it. A bare element name belongs to any.
function relativeTo(type: string, path: Path): Path | undefined {
  const [first, ...steps] = path.steps;
  if (first?.kind !== 'property') return undefined;
  if (first.name === type) return { ...path, steps };
  return /^[a-z]/.test(first.name) ? path : undefined;
}

interface ElementType {
  readonly code: string;
  readonly shape?: string;
}

function compileSteps(parameter: SearchParameter, steps: readonly Step[], type: ElementType): Walk {
  const [step, ...rest] = steps;
  if (step === undefined) return leaf(parameter, type);
  const next = (then: ElementType) => compileSteps(parameter, rest, then);
  switch (step.kind) {
    case 'property': {
      const [index, ...afterIndex] = rest;
      if (index?.kind !== 'index') return property(step.name, undefined, type, next);
      return property(step.name, index.at, type, (then) => compileSteps(parameter, afterIndex, then));
    }
    case 'type':
      return type.code === step.name ? next(type) : () => {};
    case 'target-type':
      return filter((value) => targetTypeOf(value as Json) === step.name, next(type));
    case 'equals':
      return filter((value) => (value as Json)[step.name] === step.value, next(type));
    case 'extension':
      return extension(step.url, rest, parameter);
    case 'index':
      throw new Error(`${parameter.url}: an index stands only after an element`);
  }
}

function property(
  name: string,
  at: number | undefined,
  owner: ElementType,
  next: (type: ElementType) => Walk,
): Walk {
  const element = definitionOf(owner.shape ?? owner.code)?.elements.find((it) => it.name === name);
  if (element === undefined) return () => {};
  const walks = element.types.map((type) => {
    const key = element.choice === true ? name + type.code[0]?.toUpperCase() + type.code.slice(1) : name;
    return at === undefined ? each(key, next(type)) : one(key, at, next(type));
  });
  const [only] = walks;
  if (walks.length === 1 && only !== undefined) return only;
  return (value, entries) => {
    for (const walk of walks) walk(value, entries);
  };
}

function each(key: string, next: Walk): Walk {
  return (owner, entries) => {
    const value = (owner as Json)[key];
    if (value === undefined || value === null) return;
    if (Array.isArray(value)) {
      for (const item of value) if (item !== null) next(item, entries);
    } else next(value, entries);
  };
}

function one(key: string, at: number, next: Walk): Walk {
  return (owner, entries) => {
    const item: unknown = ((owner as Json)[key] as unknown[] | undefined)?.[at];
    if (item !== undefined && item !== null) next(item, entries);
  };
}

const filter =
  (test: (value: unknown) => boolean, next: Walk): Walk =>
  (value, entries) => {
    if (test(value)) next(value, entries);
  };

function extension(url: string, rest: readonly Step[], parameter: SearchParameter): Walk {
  const next = compileSteps(parameter, rest, { code: 'Extension', shape: 'Extension' });
  return each(
    'extension',
    filter((value) => (value as Json)['url'] === url, next),
  );
}

function leaf(parameter: SearchParameter, type: ElementType): Walk {
  if (parameter.type === 'token') return tokenLeaf(parameter.code, type.code);
  if (parameter.type === 'reference') return referenceLeaf(parameter.code, type.code);
  return parameter.type === 'date' ? dateLeaf(parameter.code, type.code) : () => {};
}

function tokenLeaf(parameter: string, type: string): Walk {
  const coding: Walk = (value, entries) => {
    const { system, code } = value as Json;
    token(parameter, system, code, entries);
  };
  switch (type) {
    case 'CodeableConcept':
      return each('coding', coding);
    case 'Coding':
      return coding;
    case 'Identifier':
      return (value, entries) => {
        const identifier = value as Json;
        token(parameter, identifier['system'], identifier['value'], entries);
      };
    // The system of a ContactPoint says phone or email; it is no namespace.
    case 'ContactPoint':
      return each('value', (value, entries) => token(parameter, undefined, value, entries));
    default:
      return (value, entries) => {
        if (typeof value !== 'object') token(parameter, undefined, String(value), entries);
      };
  }
}

function token(parameter: string, system: unknown, code: unknown, entries: IndexEntry[]): void {
  const withSystem = typeof system === 'string';
  const withCode = typeof code === 'string';
  if (!withSystem && !withCode) return;
  for (const it of entries) {
    if (it.kind === 'token' && it.parameter === parameter && it.code === code && it.system === system) return;
  }
  entries.push({ kind: 'token', parameter, ...(withSystem && { system }), ...(withCode && { code }) });
}

function referenceLeaf(parameter: string, type: string): Walk {
  const add = (target: unknown, entries: IndexEntry[]) => {
    if (typeof target !== 'string' || target.startsWith('#')) return;
    const unversioned = target.replace(/\/_history\/[^/]+$/, '');
    for (const it of entries) {
      if (it.kind === 'reference' && it.parameter === parameter && it.target === unversioned) return;
    }
    entries.push({ kind: 'reference', parameter, target: unversioned });
  };
  if (type === 'Reference') return (value, entries) => add((value as Json)['reference'], entries);
  return (value, entries) => add(value, entries);
}

// `resolve() is X`, told from the reference itself: the index never reads another resource.
function targetTypeOf(reference: Json): string | undefined {
  const text = reference['reference'];
  const named =
    typeof text === 'string' ? /(?:^|\/)([A-Z][A-Za-z]+)\/[^/]+(?:\/_history\/[^/]+)?$/.exec(text) : null;
  return named?.[1] ?? (typeof reference['type'] === 'string' ? reference['type'] : undefined);
}

function dateLeaf(parameter: string, type: string): Walk {
  const read = DATE_READERS[type];
  if (read === undefined) return () => {};
  return (value, entries) => {
    const range = read(value as never);
    if (range === undefined) return;
    for (const it of entries) {
      if (it.kind === 'date' && it.parameter === parameter && it.low === range.low && it.high === range.high)
        return;
    }
    entries.push({ kind: 'date', parameter, low: range.low, high: range.high });
  };
}

const DATE_READERS: Readonly<Record<string, (value: never) => DateRange | undefined>> = {
  date: (value: string) => dateRange(value),
  dateTime: (value: string) => dateRange(value),
  instant: (value: string) => dateRange(value),
  Period: (value: Json) => periodRange(value),
  Timing: (value: Json) => timingRange(value),
};

function periodRange({ start, end }: Json): DateRange | undefined {
  const from = typeof start === 'string' ? dateRange(start) : undefined;
  const to = typeof end === 'string' ? dateRange(end) : undefined;
  if (from === undefined && to === undefined) return undefined;
  return { low: from?.low ?? BEGINNING_OF_TIME, high: to?.high ?? END_OF_TIME };
}

// Only the outer limits of a Timing matter: https://hl7.org/fhir/R4/search.html#date
function timingRange({ event, repeat }: Json): DateRange | undefined {
  const ranges = (Array.isArray(event) ? event : [])
    .map((it) => dateRange(String(it)))
    .filter((it) => it !== undefined);
  const bounds = (repeat as Json | undefined)?.['boundsPeriod'] as Json | undefined;
  const outer = bounds === undefined ? undefined : periodRange(bounds);
  if (outer !== undefined) ranges.push(outer);
  if (ranges.length === 0) return undefined;
  return {
    low: Math.min(...ranges.map((it) => it.low)),
    high: Math.max(...ranges.map((it) => it.high)),
  };
}
