/** Elements of a resource that may be anything yet: whatever is of another shape is not there. */
export type Json = Readonly<Record<string, unknown>>;

export function objectIn(parent: unknown, name: string): Json | undefined {
  const value = (parent as Json | undefined)?.[name];
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
}

export function textIn(parent: unknown, name: string): string | undefined {
  const value = (parent as Json | undefined)?.[name];
  return typeof value === 'string' ? value : undefined;
}

/** Never a hole: what is no object is an empty one, so that places count as they were sent. */
export function extensionsOf(parent: unknown): readonly Json[] {
  const list = (parent as Json | null | undefined)?.['extension'];
  if (!Array.isArray(list)) return [];
  return list.map((it: unknown) => (typeof it === 'object' && it !== null ? (it as Json) : {}));
}
