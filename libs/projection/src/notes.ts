/**
 * What is found out once of a thing is noted on the thing itself, so that it goes when that goes: a WeakMap's values outlive their
 * keys by a collection of what is young, and so grow old, all of them, until the collector stops everybody to look for what is old.
 * Seen by nobody else: neither by whoever copies what is noted on, nor by who writes it as JSON.
 */
export function notes<On extends object, Found>(name: string) {
  const key = Symbol(name);
  type Noted = On & { [key]?: { readonly found: Found } };
  return {
    of: (on: On) => (on as Noted)[key],
    note(on: On, found: Found): void {
      Object.defineProperty(on, key, { value: { found }, writable: true });
    },
  };
}
