/** Names for conditions whose SQL is equal, so that a statement is written and prepared once. */
import type { NumberedCondition } from './numbers.ts';

/** Says everything of a condition that its SQL depends on, and no value. */
export function shapeOf(condition: NumberedCondition): string {
  const { kind } = condition;
  switch (kind) {
    case 'streams':
      return `${kind} ${some(condition.streams)}`;
    case 'token':
      return `${kind}${condition.not ? ' not' : ''} ${some(condition.parameters)} ${some(condition.values)}`;
    case 'token-system':
      return `${kind}${condition.not ? ' not' : ''} ${some(condition.parameters)} ${some(condition.values)} ${some(condition.systems)}`;
    case 'reference':
      return `${kind} ${some(condition.parameters)} ${some(condition.patients)} ${some(condition.targets)}`;
    case 'compartment':
      return `${kind} ${condition.bySubject} ${some(condition.parameters)}`;
    case 'updated':
      return `${kind} ${prefixes(condition.comparisons)}`;
    case 'date':
    case 'number':
      return `${kind} ${some(condition.parameters)} ${prefixes(condition.comparisons)}`;
    case 'quantity': {
      const units = condition.comparisons.map((it) => (it.units === undefined ? 'any' : some(it.units)));
      return `${kind} ${some(condition.parameters)} ${prefixes(condition.comparisons)} ${units.join()}`;
    }
    case 'string':
      return `${kind} ${some(condition.parameters)} ${condition.match} ${condition.values.length}`;
    case 'missing':
    case 'token-text':
      return kind;
  }
}

/** Lists longer than this go as one value, so that statements for many lengths are one. */
export const LIST_MAX = 20;

const some = (list: readonly unknown[]) => (list.length > LIST_MAX ? 'many' : String(list.length));
const prefixes = (comparisons: readonly { readonly prefix: string }[]) =>
  comparisons.map((it) => it.prefix).join();
