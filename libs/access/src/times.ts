/** Moments of FHIR dates. https://hl7.org/fhir/R4/datatypes.html#dateTime */

/** The first millisecond (UTC) that a FHIR date, dateTime or instant may mean; undefined where it is none. */
export function firstMoment(value: unknown): number | undefined {
  if (typeof value !== 'string' || !DATE.test(value)) return undefined;
  const moment = Date.parse(value);
  return Number.isNaN(moment) ? undefined : moment;
}

/** The first millisecond after all that it may mean: a day ends with the day. */
export function momentAfter(value: unknown): number | undefined {
  const first = firstMoment(value);
  if (first === undefined) return undefined;
  const date = new Date(first);
  switch ((value as string).length) {
    case 4:
      return Date.UTC(date.getUTCFullYear() + 1, 0);
    case 7:
      return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1);
    case 10:
      return first + DAY;
    default:
      return first;
  }
}

export const DAY = 86_400_000;
const DATE = /^\d{4}(-\d\d(-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?)?)?$/;
