/** Rules for contained resources, dom-2 to dom-5. https://hl7.org/fhir/R4/references.html#contained */
import type { JsonObject, Run } from './run.ts';

/** Checks the contained resources of the resource where the run stands; they are known to be objects or reported already. */
export function checkContained(container: JsonObject, run: Run): void {
  const contained = container['contained'];
  if (!Array.isArray(contained)) return;
  const outer = new Set<string>();
  const ids = new Set<unknown>();
  collectLocal(container, outer);
  contained.forEach((resource: unknown, index) => {
    if (typeof resource !== 'object' || resource === null) return;
    const { id, meta, contained: nested } = resource as JsonObject;
    run.enter('contained');
    run.enter(index);
    if (nested !== undefined) {
      run.report(
        'invariant',
        'A contained resource may not contain others (dom-2). Put them in the outer resource.',
        'contained',
      );
    }
    if (typeof id !== 'string') {
      run.report(
        'required',
        'A contained resource needs an `id`, by which the outer resource refers to it. Add one.',
        'id',
      );
    } else if (ids.has(id)) {
      run.report('duplicate', 'Two contained resources have the same `id`. Give each its own.', 'id');
    } else if (!outer.has(`#${id}`) && !collectLocal(resource, new Set()).has('#')) {
      run.report(
        'invariant',
        'Nothing in the outer resource refers to this one, nor it to the outer one (dom-3). Refer to it as `#` and its id, or remove it.',
      );
    }
    ids.add(id);
    const { versionId, lastUpdated, security } = (meta ?? {}) as JsonObject;
    if (versionId !== undefined || lastUpdated !== undefined) {
      run.report(
        'invariant',
        'A contained resource has no version of its own (dom-4). Remove `versionId` and `lastUpdated`.',
        'meta',
      );
    }
    if (security !== undefined) {
      run.report(
        'invariant',
        'A contained resource has no security label of its own (dom-5). Label the outer resource.',
        'meta',
      );
    }
    run.leave();
    run.leave();
  });
}

/** Every string below that could be a reference within the resource: `#` and an id. */
function collectLocal(value: unknown, into: Set<string>, depth = 0): Set<string> {
  if (typeof value === 'string') {
    if (value.startsWith('#')) into.add(value);
  } else if (typeof value === 'object' && value !== null && depth < 300) {
    for (const member of Object.values(value)) collectLocal(member, into, depth + 1);
  }
  return into;
}
