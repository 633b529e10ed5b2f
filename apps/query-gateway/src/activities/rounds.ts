/**
 * In which order the events of a batch are recorded. What is recorded at once depends on nothing of the same round: events about
 * the same resource or the same person follow each other as they were sent, and what an event refers to is there before it.
 */
import type { ParsedResource, RecordEntry } from '@carelog/activity';
import { businessIdentifiers, forEachReference, isNhsNumberSystem } from '@carelog/fhir';

/** Indexes of entries, round by round. A circle of references is cut where it closes. */
export function roundsOf(entries: readonly RecordEntry[]): readonly (readonly number[])[] {
  const named = entries.map(namesIn);
  const first = new Map<string, number>();
  const before: number[][] = [];
  const last = new Map<string, number>();
  for (const [index, { writes }] of named.entries()) {
    before.push([...new Set(writes.flatMap((name) => last.get(name) ?? []))]);
    for (const name of writes) {
      last.set(name, index);
      if (!first.has(name)) first.set(name, index);
    }
  }
  const rounds: number[][] = [];
  const roundOf = new Array<number | undefined>(entries.length);
  const settle = (index: number): number => {
    const settled = roundOf[index];
    if (settled !== undefined) return settled;
    roundOf[index] = CLOSING;
    const needed = [...before[index]!, ...named[index]!.reads.flatMap((name) => first.get(name) ?? [])];
    const round = needed.reduce((most, other) => Math.max(most, other === index ? CLOSING : settle(other)), CLOSING) + 1; // prettier-ignore
    (rounds[round] ??= []).push(index);
    return (roundOf[index] = round);
  };
  for (const index of entries.keys()) settle(index);
  return rounds.map((round) => round.sort((a, b) => a - b));
}

/** The round of what is looked at just now, which nobody can wait for. */
const CLOSING = -1;

interface Names {
  /** What the entry is the record of. */
  readonly writes: readonly string[];
  /** What it points at. */
  readonly reads: readonly string[];
}

function namesIn({ type, id, publishedAs, resource }: RecordEntry): Names {
  const { value } = resource as ParsedResource;
  const writes = [`event ${publishedAs}`];
  if (id !== undefined) writes.push(`${type}/${id}`);
  if (type === 'Patient') {
    for (const { system, value: number } of businessIdentifiers(value)) {
      if (isNhsNumberSystem(system)) writes.push(`number ${number}`);
    }
  }
  const reads = new Set<string>();
  forEachReference(value, ({ reference, identifier }) => {
    if (typeof reference === 'string') for (const name of namesOf(reference)) reads.add(name);
    if (isNhsNumberSystem(identifier?.system)) reads.add(`number ${String(identifier?.value)}`);
  });
  return { writes, reads: [...reads] };
}

function namesOf(reference: string): readonly string[] {
  const condition = reference.indexOf('?');
  if (condition < 0) return [reference.split('/_history/', 1)[0]!];
  // `Patient?identifier=[system]|[number]`
  const asked = [...new URLSearchParams(reference.slice(condition + 1)).values()];
  return asked.map((value) => `number ${value.slice(value.lastIndexOf('|') + 1)}`);
}
