/**
 * What a resource is found by: its SearchParameters compiled, once for each resource type, into plain functions that walk
 * the parsed resource.
 * https://hl7.org/fhir/R4/search.html
 */
import { LOWEST } from './decimals.ts';
import { compilePaths, type ElementType, type Json, type Walk } from './extraction.ts';
import { indexLeaf, type Findings } from './leaves.ts';
import { searchParameterOf, searchParametersOf, type SearchParameter } from './search-parameters.ts';
import { dropRepeats } from './repeats.ts';
import { normaliseString } from './text.ts';

/** `system` is absent where the code has none; `code` is absent where only a system was given. */
export type IndexEntry =
  /** `code` as `foldToken` makes it. */
  | { readonly kind: 'token'; readonly parameter: string; readonly system?: string; readonly code?: string }
  | { readonly kind: 'reference'; readonly parameter: string; readonly target: string }
  | { readonly kind: 'date'; readonly parameter: string; readonly low: number; readonly high: number }
  /** As written; `normaliseString` makes it comparable. */
  | { readonly kind: 'string'; readonly parameter: string; readonly text: string }
  | { readonly kind: 'number'; readonly parameter: string; readonly value: number }
  /** Both ends lie inside; a number by itself is both. `code` is the coded unit, in `system`; `unit` the written one. */
  | {
      readonly kind: 'quantity';
      readonly parameter: string;
      /** `LOWEST` where the range is open. */
      readonly low: number;
      /** `HIGHEST` where the range is open. */
      readonly high: number;
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

/** What one walk over a resource gives. */
export interface Indexed {
  /** Without repeats. Values that cannot be read are left out, never thrown. */
  readonly entries: IndexEntry[];
  /**
   * Which parameters found an element, whether or not its value can be searched by: bit i (2^i; above 2^31 too, so no bit
   * operators) is the i-th of `searchParametersOf(type)`.
   */
  readonly present: number;
}

/** The index entries of a valid resource and the parameters present in it. */
export function indexResource(type: string, resource: Json): Indexed {
  let parameters = compiled.get(type);
  if (parameters === undefined)
    compiled.set(type, (parameters = searchParametersOf(type).map(compile(type))));
  const findings: Findings = { entries: [], found: false };
  const { entries } = findings;
  let present = 0;
  for (const { walks, bit, atOnce } of parameters) {
    findings.found = atOnce;
    const start = entries.length;
    for (const walk of walks) walk(resource, findings, resource);
    if (findings.found) present += bit;
    if (entries.length > start + 1) dropRepeats(entries, start);
  }
  return { entries, present };
}

/** The index entries of a valid resource. */
export function indexEntries(type: string, resource: Json): IndexEntry[] {
  return indexResource(type, resource).entries;
}

/** The words that go with the codes of a token parameter, as written: what `:text` searches. */
export function tokenTexts(type: string, parameter: string, resource: Json): string[] {
  const key = `${type} ${parameter}`;
  let walks = textWalks.get(key);
  if (walks === undefined) {
    const definition = searchParameterOf(type, parameter);
    walks = definition === undefined ? [] : compilePaths(type, definition, textLeaf).map((it) => it.walk);
    textWalks.set(key, walks);
  }
  const texts: string[] = [];
  for (const walk of walks) walk(resource, texts, resource);
  return texts;
}

/**
 * The value that a resource has its place by when results are sorted by a parameter: of several the smallest, or the largest
 * when descending. A range counts by its beginning, one of quantities that has none by its end; strings are normalised, tokens
 * go by code, quantities by their number. Undefined when there is none.
 */
export function sortValue(
  type: string,
  parameter: string,
  resource: Json,
  descending: boolean,
): number | string | undefined {
  const key = `${type} ${parameter}`;
  let walks = sortWalks.get(key);
  if (walks === undefined) {
    const definition = searchParameterOf(type, parameter);
    walks = definition === undefined ? [] : compile(type)(definition, 0).walks;
    sortWalks.set(key, walks);
  }
  const findings: Findings = { entries: [], found: false };
  for (const walk of walks) walk(resource, findings, resource);
  let chosen: number | string | undefined;
  for (const entry of findings.entries) {
    const value = sortKeyOf(entry);
    if (value === undefined) continue;
    if (chosen === undefined || (descending ? value > chosen : value < chosen)) chosen = value;
  }
  return chosen;
}

interface CompiledParameter {
  readonly walks: readonly Walk<Findings>[];
  readonly bit: number;
  /** Present in every resource as it is served, whatever it holds here: `_id`, `_lastUpdated`. */
  readonly atOnce: boolean;
}

const compiled = new Map<string, readonly CompiledParameter[]>();
const sortWalks = new Map<string, readonly Walk<Findings>[]>();
const textWalks = new Map<string, readonly Walk<string[]>[]>();

const MOST_PARAMETERS = 52;

const compile =
  (type: string) =>
  (parameter: SearchParameter, i: number): CompiledParameter => {
    if (i > MOST_PARAMETERS) throw new Error(`${type} has more parameters than a number has bits`);
    const walks = compilePaths(type, parameter, (element) => indexLeaf(parameter, element)).map(
      ({ walk, isTest }) => (isTest ? testOf(parameter.code, walk) : walk),
    );
    return { walks, bit: 2 ** i, atOnce: parameter.expression === undefined };
  };

// `X.exists() and X != false` is true or false of every resource.
function testOf(parameter: string, walk: Walk<Findings>): Walk<Findings> {
  return (resource, findings, root) => {
    const inner: Findings = { entries: [], found: false };
    walk(resource, inner, root);
    findings.found ||= inner.found;
    const holds = inner.entries.some((it) => it.kind === 'token' && it.code !== 'false');
    findings.entries.push({ kind: 'token', parameter, code: String(holds) });
  };
}

function textLeaf(element: ElementType): Walk<string[]> {
  const keep = (text: unknown, texts: string[]) => {
    if (typeof text === 'string') texts.push(text);
  };
  switch (element.code) {
    case 'Coding':
      return (value, texts) => keep((value as Json)['display'], texts);
    case 'CodeableConcept':
      return (value, texts) => {
        const { text, coding } = value as Json;
        keep(text, texts);
        for (const it of Array.isArray(coding) ? coding : []) keep((it as Json | null)?.['display'], texts);
      };
    case 'Identifier':
      return (value, texts) => keep(((value as Json)['type'] as Json | undefined | null)?.['text'], texts);
    default:
      return () => {};
  }
}

function sortKeyOf(entry: IndexEntry): number | string | undefined {
  switch (entry.kind) {
    case 'date':
      return entry.low;
    case 'string':
      return normaliseString(entry.text);
    case 'number':
    case 'uri':
      return entry.value;
    case 'quantity':
      return entry.low === LOWEST ? entry.high : entry.low;
    case 'reference':
      return entry.target;
    case 'token':
      return entry.code;
    case 'identifier':
      return undefined;
  }
}
