/** A resource that says the same thing twice is found by it once. */
import type { IndexEntry } from './index-entries.ts';

/** Removes from the entries of one parameter, which begin at `start`, those that say what one before them says. */
export function dropRepeats(entries: IndexEntry[], start: number): void {
  let end = start + 1;
  // Most parameters find a few values; a set only where comparing each with each would take long.
  const seen = entries.length - start > 16 ? new Set<string>([JSON.stringify(entries[start])]) : undefined;
  for (let i = end; i < entries.length; i += 1) {
    const entry = entries[i];
    if (entry === undefined) continue;
    if (seen !== undefined) {
      const key = JSON.stringify(entry);
      if (seen.has(key)) continue;
      seen.add(key);
    } else if (isAmong(entry, entries, start, end)) continue;
    entries[end] = entry;
    end += 1;
  }
  entries.length = end;
}

function isAmong(entry: IndexEntry, entries: readonly IndexEntry[], start: number, end: number): boolean {
  for (let i = start; i < end; i += 1) {
    const other = entries[i];
    if (other !== undefined && isSame(entry, other)) return true;
  }
  return false;
}

function isSame(a: IndexEntry, b: IndexEntry): boolean {
  switch (a.kind) {
    case 'token':
    case 'identifier':
      return a.kind === b.kind && a.code === b.code && a.system === b.system;
    case 'reference':
      return b.kind === 'reference' && a.target === b.target;
    case 'date':
      return b.kind === 'date' && a.low === b.low && a.high === b.high;
    case 'string':
      return b.kind === 'string' && a.text === b.text;
    case 'number':
    case 'uri':
      return a.kind === b.kind && a.value === b.value;
    case 'quantity':
      return (
        b.kind === 'quantity' &&
        a.low === b.low &&
        a.high === b.high &&
        a.code === b.code &&
        a.system === b.system &&
        a.unit === b.unit
      );
  }
}
