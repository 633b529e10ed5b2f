/** How what a made resource holds is asked for. */
import { elementsOf, type Element, type Parameter, type Resource } from './search-oracle-definitions.ts';
import { spanOf, strings, targetsOf } from './search-oracle-matching.ts';
import { amounts, placeOf } from './search-oracle-quantities.ts';
import { codes } from './search-oracle-tokens.ts';
import { escape } from './search-oracle.ts';

/** A value that finds the first by the parameter and not the second; undefined where R4 has none for such elements. */
export function valueFor(
  parameter: Parameter,
  [made, other]: readonly Resource[],
  base: string,
): string | undefined {
  const [own, others] = [made!, other!].map((resource) =>
    elementsOf(resource, parameter).map((element) => askFor(parameter, element, base)),
  );
  return own!.find((value) => value !== undefined && !others!.includes(value));
}

function askFor(parameter: Parameter, element: Element, base: string): string | undefined {
  const { type } = parameter;
  switch (type) {
    case 'token': {
      if (parameter.code === '_id') return String(element.value);
      const [coded] = codes(element);
      if (!coded) return undefined;
      return coded.system === undefined
        ? escape(coded.code!)
        : `${escape(coded.system)}|${escape(coded.code!)}`;
    }
    case 'string':
      return strings(element).map(escape)[0];
    case 'uri':
      return escape(String(element.value));
    case 'reference':
      return targetsOf(element, parameter, base).map(escape)[0];
    case 'date': {
      if (parameter.code === '_lastUpdated') return String(element.value);
      const span = spanOf(element);
      return span && new Date(Math.max(span.low, 0)).toISOString().slice(0, 10);
    }
    case 'number':
      return typeof element.value === 'number' ? String(element.value) : undefined;
    case 'quantity': {
      const [held] = amounts(element);
      if (!held) return undefined;
      const { system, code } = held;
      return `${placeOf(held)}${system ? `|${system}|${code}` : ''}`;
    }
  }
}
