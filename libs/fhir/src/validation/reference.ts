/**
 * What a Reference may point at: the types its element allows, and contained resources that are there.
 * https://hl7.org/fhir/R4/references.html#Reference
 */
import { isResourceType } from '../definitions.ts';
import { text } from './elements.ts';
import type { JsonObject, Run } from './run.ts';

/** Checks one Reference against the types its element allows (undefined: any), and invariant ref-1. */
export function checkReference(value: JsonObject, targets: ReadonlySet<string> | undefined, run: Run): void {
  const { reference, type } = value;
  if (targets !== undefined && isResourceType(type) && !targets.has(type)) {
    run.report('value', `This may not refer to ${type}. ${allowed(targets)}`, 'type');
  }
  if (typeof reference !== 'string') return;
  const target = reference.startsWith('#') ? containedType(reference, run) : literalType(reference);
  if (target === undefined) return;
  if (targets !== undefined && !targets.has(target)) {
    run.report('value', `This may not refer to ${target}. ${allowed(targets)}`, 'reference');
  } else if (isResourceType(type) && type !== target) {
    run.report(
      'value',
      `The reference is to ${target}, but its \`type\` says ${type}. Make them agree.`,
      'type',
    );
  }
}

// Type and id, and nothing but a version after them; absolute ones included, since their last part has the same form.
const LITERAL =
  /^(?:https?:\/\/\S+\/)?([A-Z][A-Za-z]+)\/[A-Za-z0-9\-.]{1,64}(?:\/_history\/[A-Za-z0-9\-.]{1,64})?$/;

/** The resource type that a literal reference, relative or absolute, says it points at. */
export function literalType(reference: string): string | undefined {
  const type = LITERAL.exec(reference)?.[1];
  return isResourceType(type) ? type : undefined;
}

function containedType(reference: string, run: Run): string | undefined {
  const { contained, resourceType } = run.root;
  // From inside a contained resource, `#` alone means the one that contains it.
  if (reference === '#' && run.resource !== run.root)
    return isResourceType(resourceType) ? resourceType : undefined;
  const found = Array.isArray(contained)
    ? (contained as (JsonObject | null)[]).find((it) => `#${text(it?.['id'])}` === reference)
    : undefined;
  if (found !== undefined) return isResourceType(found?.['resourceType']) ? found['resourceType'] : undefined;
  run.report(
    'invariant',
    'No contained resource has this id (ref-1). Contain it, or correct the reference.',
    'reference',
  );
  return undefined;
}

function allowed(targets: ReadonlySet<string>): string {
  const names = [...targets];
  return names.length <= 12
    ? `Refer to ${names.join(', ')}.`
    : `Refer to one of the ${names.length} types allowed here.`;
}
