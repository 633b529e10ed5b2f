/** When two resources say the same, whatever their spelling. */

type Resource = Readonly<Record<string, unknown>>;

/**
 * One text for all resources of equal content: members sorted by name, without `id` and without what servers add to
 * `meta` (`versionId`, `lastUpdated`). Numbers are compared as they were written, so `1.0` differs from `1.00`.
 */
export function canonicalContent(resource: Resource, exact?: WeakMap<object, Map<string, string>>): string {
  return canonical(withoutServerParts(resource), exact, resource);
}

function withoutServerParts(resource: Resource): Resource {
  const { id: _id, meta, ...rest } = resource;
  if (typeof meta !== 'object' || meta === null) return rest;
  const { versionId: _versionId, lastUpdated: _lastUpdated, ...kept } = meta as Resource;
  return Object.keys(kept).length === 0 ? rest : { ...rest, meta: kept };
}

/** `holder` is where exact numbers of `value` were noted, when `value` itself is a copy. */
function canonical(
  value: unknown,
  exact: WeakMap<object, Map<string, string>> | undefined,
  holder?: object,
): string {
  if (Array.isArray(value)) {
    const numbers = exact?.get(value);
    return `[${value.map((item, index) => numbers?.get(String(index)) ?? canonical(item, exact)).join(',')}]`;
  }
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const numbers = exact?.get(holder ?? value);
  const members = Object.keys(value)
    .sort()
    .map(
      (key) => `${JSON.stringify(key)}:${numbers?.get(key) ?? canonical((value as Resource)[key], exact)}`,
    );
  return `{${members.join(',')}}`;
}
