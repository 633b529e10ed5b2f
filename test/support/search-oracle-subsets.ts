/**
 * What `_elements` and `_summary` leave of a resource.
 * https://hl7.org/fhir/R4/search.html#elements, https://hl7.org/fhir/R4/search.html#summary
 */
import type { Resource } from './search-oracle-definitions.ts';
import { childrenOf, insideOf, isNamed, nameOf, type Structure } from './search-oracle-structures.ts';
import type { Pair } from './search-oracle.ts';

const MARK = {
  system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue',
  code: 'SUBSETTED',
  display: 'subsetted',
};

/** The resource itself where nothing was asked to be left out. `_elements` is about the type that was searched for. */
export function reduced(resource: Resource, pairs: readonly Pair[], isMatch: boolean): object {
  const asked = new Map(pairs);
  const elements = asked.get('_elements')?.split(',');
  const summary = asked.get('_summary') ?? 'false';
  const isWanted = (elements ? ofElements(elements) : OF_SUMMARY[summary])!;
  if (elements ? !isMatch : summary === 'false') return resource;
  const { resourceType, id, meta = {} } = resource as Resource & { meta?: { tag?: object[] } };
  const kept = keep(resource, resourceType, isWanted, summary === 'true' && !elements);
  return { resourceType, id, ...kept, meta: { ...meta, tag: [...(meta.tag ?? []), MARK] } };
}

type Wanted = (element: Structure) => boolean;

const ofElements =
  (names: readonly string[]): Wanted =>
  (element) =>
    names.includes(nameOf(element)) || element.min > 0 || element.isModifier === true;

const OF_SUMMARY: Readonly<Record<string, Wanted>> = {
  false: () => true,
  true: ({ isSummary }) => isSummary === true,
  text: (element) => nameOf(element) === 'text' || element.min > 0,
  data: (element) => nameOf(element) !== 'text',
};

/** `inside`: what is no summary is left out of parts of the resource too, though not out of data types. */
function keep(value: object, path: string, isWanted: Wanted, inside: boolean): Record<string, unknown> {
  const wanted = childrenOf(path).filter(isWanted);
  return Object.fromEntries(
    Object.entries(value).flatMap(([member, held]) => {
      const element = wanted.find((each) => isNamed(member.replace(/^_/, ''), each));
      if (!element) return [];
      const into = insideOf(element);
      // A data type has no dot in its path.
      if (!inside || !into.includes('.') || childrenOf(into).length === 0) return [[member, held]];
      const deeper = (part: object) =>
        keep(part, into, (each) => isWanted(each) || nameOf(each) === 'id', inside);
      return [[member, Array.isArray(held) ? held.map(deeper) : deeper(held as object)]];
    }),
  );
}
