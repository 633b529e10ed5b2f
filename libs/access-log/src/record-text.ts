/**
 * How records are written, version 1: one line of UTF-8 for each, its fields between tabs, and before the first record of a
 * caller one line that says who that is and what the answers rest on. A line is short because it names that line by its number.
 */
import type { Caller } from '@carelog/access';
import type { AccessRecord, Answered, Decision, Ground, Who } from './access-record.ts';

/** The line of an answer, with its line end. `context`: the number that its `contextLine` gave. */
export function recordLine(at: number, context: number, answered: Answered): string {
  const { interaction, query, status, decision, basis, patients, shown, position, correlation } = answered;
  const about = patients.length === 1 ? patients[0]! : patients.join(',');
  return `${at}\t${context}\t${interaction}\t${status}\t${LETTER[decision]}\t${basis}\t${position}\t${correlation}\t${about}\t${shown}\t${query}\n`;
}

/** Gives `context` its meaning for the lines that follow. */
export function contextLine(context: number, caller: Caller, ground: Ground): string {
  const { subject, kind, organisation, system, careSetting, roleProfile, roleCode, purpose } = caller;
  const who: Partial<Who> = { subject, kind, organisation, system, careSetting, ...defined({ roleProfile, roleCode, purpose }) }; // prettier-ignore
  return `=\t${context}\t${JSON.stringify({ who, ground })}\n`;
}

export interface LineReader {
  /** The record of a line without its line end; undefined for a line that only gives a context. */
  read(line: string): AccessRecord | undefined;
  /** The line of the context that this line is read in, without its line end. */
  contextOf(line: string): string;
}

/** Reads lines in the order in which they were written. Throws where a line is not one of this format. */
export function createLineReader(): LineReader {
  const contexts = new Map<string, { readonly line: string; readonly who: Who; readonly ground: Ground }>();
  const contextNumbered = (context: string | undefined) => {
    const known = contexts.get(context ?? '');
    if (known === undefined) throw new Error('An access record stands before the line that says whose it is');
    return known;
  };
  return {
    read(line) {
      const fields = line.split('\t');
      if (fields[0] === '=') {
        const { who, ground } = JSON.parse(fields.slice(2).join('\t')) as { who: Who; ground: Ground };
        contexts.set(fields[1]!, { line, who, ground });
        return undefined;
      }
      const [at, context, interaction, status, letter, basis, position, correlation, about, shown, query] =
        fields;
      if (query === undefined || fields.length !== 11) throw new Error('A line is no access record');
      const { who, ground } = contextNumbered(context);
      return {
        at: Number(at),
        who,
        ground,
        interaction: interaction!,
        query,
        status: Number(status),
        decision: DECISION[letter!]!,
        basis: basis!,
        patients: about === '' ? [] : about!.split(','),
        shown: shown!,
        position: Number(position),
        correlation: correlation!,
      };
    },
    contextOf: (line) => contextNumbered(line.split('\t', 2)[1]).line,
  };
}

const LETTER: Readonly<Record<Decision, string>> = { permitted: 'p', redacted: 'd', refused: 'r', undecided: 'u' }; // prettier-ignore
const DECISION = Object.fromEntries(
  Object.entries(LETTER).map(([decision, letter]) => [letter, decision]),
) as Record<string, Decision>;

function defined<T extends object>(values: T): Partial<{ [Key in keyof T]: NonNullable<T[Key]> }> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}
