/**
 * Part of a resource, for `_elements` and `_summary`, marked as such so that nobody takes it for the whole.
 * https://hl7.org/fhir/R4/search.html#summary, https://hl7.org/fhir/R4/search.html#elements
 */
import type { ElementDefinition } from './build-definitions.ts';
import { definitionOf } from './definitions.ts';
import type { ExactNumbers } from './parse-json.ts';

export type Subset =
  /** Besides these elements of the resource itself, what is mandatory or changes the meaning of others. */
  | { readonly kind: 'elements'; readonly elements: readonly string[] }
  /** `true`: what R4 marks as summary. `text`: the narrative and what is mandatory. `data`: all but the narrative. */
  | { readonly kind: 'summary'; readonly of: 'true' | 'text' | 'data' };

type Json = Record<string, unknown>;

/** A new resource with the wanted elements; `id` and `meta` are always among them. Number literals in `exact` follow it. */
export function subsetOf(resource: Json, wanted: Subset, exact?: ExactNumbers): Json {
  const type = String(resource['resourceType']);
  const isWanted = chooser(wanted);
  const part = partOf(resource, type, (element) => ALWAYS.has(element.name) || isWanted(element), exact);
  if (wanted.kind === 'summary' && wanted.of === 'true') summariseBackbones(part, type, exact);
  return { ...part, meta: withMark(resource['meta'] as Json | undefined) };
}

const ALWAYS = new Set(['id', 'meta']);

function chooser(wanted: Subset): (element: ElementDefinition) => boolean {
  if (wanted.kind === 'elements') {
    const names = new Set(wanted.elements);
    return ({ name, required, modifier }) => names.has(name) || required === true || modifier === true;
  }
  if (wanted.of === 'data') return ({ name }) => name !== 'text';
  if (wanted.of === 'text') return ({ name, required }) => name === 'text' || required === true;
  return ({ summary }) => summary === true;
}

// Members keep their order, and primitives their `_name` with extensions.
function partOf(
  value: Json,
  shape: string,
  isWanted: (element: ElementDefinition) => boolean,
  exact: ExactNumbers | undefined,
): Json {
  const elements = (definitionOf(shape)?.elements ?? []).filter(isWanted);
  const keys = new Set<string>(['resourceType']);
  for (const { name, choice, types } of elements) {
    for (const key of choice === true ? types.map(({ code }) => name + capital(code)) : [name]) {
      keys.add(key).add(`_${key}`);
    }
  }
  const part = Object.fromEntries(Object.entries(value).filter(([key]) => keys.has(key)));
  const literals = exact?.get(value);
  if (literals !== undefined) exact?.set(part, literals);
  return part;
}

function summariseBackbones(part: Json, shape: string, exact: ExactNumbers | undefined): void {
  for (const { name, types } of definitionOf(shape)?.elements ?? []) {
    const inner = types[0]?.code === 'BackboneElement' ? types[0].shape : undefined;
    const value = part[name];
    if (inner === undefined || typeof value !== 'object' || value === null) continue;
    const summarise = (item: Json): Json => {
      const summary = partOf(item, inner, (it) => it.summary === true || it.name === 'id', exact);
      summariseBackbones(summary, inner, exact);
      return summary;
    };
    part[name] = Array.isArray(value)
      ? value.map((item) => summarise(item as Json))
      : summarise(value as Json);
  }
}

const SUBSETTED = {
  system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue',
  code: 'SUBSETTED',
  display: 'subsetted',
};

function withMark(meta: Json | undefined): Json {
  const tags = (meta?.['tag'] as readonly Json[] | undefined) ?? [];
  const isMarked = tags.some(({ system, code }) => system === SUBSETTED.system && code === SUBSETTED.code);
  return { ...meta, tag: isMarked ? tags : [...tags, SUBSETTED] };
}

const capital = (code: string) => code.charAt(0).toUpperCase() + code.slice(1);
