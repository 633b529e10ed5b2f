/**
 * Dates as FHIR search sees them: a range of milliseconds UTC, as wide as the precision that was written.
 * A time without a zone is taken as UTC. https://hl7.org/fhir/R4/search.html#date
 */
import type { DateComparison, Prefix } from './query.ts';

/** Milliseconds UTC, both ends inside the range. */
export interface DateRange {
  readonly low: number;
  readonly high: number;
}

/** Stands for an open end of a Period; the edge of what a JavaScript Date can be. */
export const BEGINNING_OF_TIME = -8.64e15;
export const END_OF_TIME = 8.64e15;

/** The range of a `date`, `dateTime` or `instant`; undefined when the text is none. */
export function dateRange(text: string): DateRange | undefined {
  const match = DATE.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction, zone] = match;
  const y = Number(year);
  if (month === undefined) return { low: utc(y, 0, 1), high: utc(y + 1, 0, 1) - 1 };
  const m = Number(month) - 1;
  if (m < 0 || m > 11) return undefined;
  if (day === undefined) return { low: utc(y, m, 1), high: utc(y, m + 1, 1) - 1 };
  const midnight = utc(y, m, Number(day));
  if (Number(day) < 1 || midnight >= utc(y, m + 1, 1)) return undefined;
  if (hour === undefined) return { low: midnight, high: midnight + DAY - 1 };
  const seconds = Number(hour) * 3600 + Number(minute) * 60 + Number(second ?? 0);
  if (Number(hour) > 24 || Number(minute) > 59 || Number(second ?? 0) > 60 || seconds > 86_400)
    return undefined;
  const low = midnight + seconds * 1000 + milliseconds(fraction) - offset(zone);
  return { low, high: low + precision(second, fraction) - 1 };
}

/** A date parameter's value: a prefix (`eq` unless written) and a date; undefined when it is none. `now` is for `ap`. */
export function dateComparison(text: string, now: number): DateComparison | undefined {
  const written = PREFIX.exec(text)?.[0];
  const range = dateRange(written === undefined ? text : text.slice(2));
  if (range === undefined) return undefined;
  const prefix = (written ?? 'eq') as Prefix;
  if (prefix !== 'ap') return { prefix, ...range };
  const slack = Math.round(Math.abs(now - range.low) / 10);
  return { prefix, low: range.low - slack, high: range.high + slack };
}

const DATE =
  /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d)?)?)?)?$/;
const PREFIX = /^(?:eq|ne|gt|lt|ge|le|sa|eb|ap)/;
const DAY = 86_400_000;
const FOUR_CENTURIES = 146_097 * DAY;

// Date.UTC takes the years 0 to 99 for 1900 to 1999; four centuries later it does not.
const utc = (year: number, month: number, day: number) => Date.UTC(year + 400, month, day) - FOUR_CENTURIES;

const milliseconds = (fraction = '') => Number(fraction.slice(0, 3).padEnd(3, '0'));

function precision(second: string | undefined, fraction: string | undefined): number {
  if (second === undefined) return 60_000;
  return fraction === undefined ? 1000 : Math.max(1, 1000 / 10 ** fraction.length);
}

function offset(zone: string | undefined): number {
  if (zone === undefined || zone === 'Z') return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4));
  return (zone.startsWith('-') ? -minutes : minutes) * 60_000;
}
