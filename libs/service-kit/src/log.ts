/**
 * The log of the platform (not of the record): JSON lines on stderr, one readable line each on a terminal. Callers pass
 * route patterns, statuses, durations and ids; never a URL with its query, a body, a token or anything of a patient.
 */
import { pino } from 'pino';
import type { Logger } from 'pino';

export type Log = Logger;

/** A log at `level`; writes are synchronous, so the line before a crash is not lost. */
export function createLog(
  level: string,
  stream: NodeJS.WritableStream & { isTTY?: boolean } = process.stderr,
): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream.isTTY ? { write: (line: string) => stream.write(readable(line)) } : stream,
  );
}

function readable(line: string): string {
  const { time, level, msg, frames, ...rest } = JSON.parse(line) as Record<string, unknown>;
  const facts = Object.entries(rest).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  const stack = Array.isArray(frames) ? frames.map((frame) => `\n${frame}`).join('') : '';
  return `${String(time).slice(11, 19)} ${String(level).padEnd(5)} ${[msg, ...facts].join(' ')}${stack}\n`;
}
