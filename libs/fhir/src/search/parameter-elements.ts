/** What a search parameter reads of a resource type, for reading its values and modifiers. */
import { compilePaths, type ElementType } from './extraction.ts';
import { searchParameterOf } from './search-parameters.ts';

export interface ParameterElements {
  /** The types of element that it reads. */
  readonly elements: readonly ElementType[];
  /** It asks only whether there is a value that is not `false`. */
  readonly isTest: boolean;
}

/** Worked out once for each parameter of a type; empty for `_id`, `_lastUpdated` and what is no parameter of the type. */
export function parameterElements(type: string, parameter: string): ParameterElements {
  const key = `${type} ${parameter}`;
  let known = read.get(key);
  if (known === undefined) {
    const definition = searchParameterOf(type, parameter);
    const elements: ElementType[] = [];
    const paths =
      definition === undefined
        ? []
        : compilePaths(type, definition, (element) => {
            elements.push(element);
            return () => {};
          });
    known = { elements, isTest: paths.some((it) => it.isTest) };
    read.set(key, known);
  }
  return known;
}

const read = new Map<string, ParameterElements>();
