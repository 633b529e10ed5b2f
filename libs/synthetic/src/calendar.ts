/** Moments as milliseconds since 1970 (UTC), written the way English systems write them: local time with its offset. */

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
export const YEAR = 365.25 * DAY;

/** FHIR dateTime and instant, e.g. `2021-05-03T10:15:00+01:00` while summer time holds. */
export function stamp(moment: number): string {
  const summer = isSummerTime(moment);
  return (
    new Date(summer ? moment + HOUR : moment).toISOString().slice(0, 19) + (summer ? '+01:00' : '+00:00')
  );
}

/** FHIR date. */
export function date(moment: number): string {
  return new Date(moment).toISOString().slice(0, 10);
}

/** Midnight UTC of the day a moment falls on. */
export function dayOf(moment: number): number {
  return Math.floor(moment / DAY) * DAY;
}

const summers = new Map<number, { begin: number; end: number }>();

/** From 01:00 UTC on the last Sunday of March to 01:00 UTC on the last Sunday of October. */
function isSummerTime(moment: number): boolean {
  const year = new Date(moment).getUTCFullYear();
  let summer = summers.get(year);
  if (!summer) {
    summer = { begin: lastSunday(year, 2) + HOUR, end: lastSunday(year, 9) + HOUR };
    summers.set(year, summer);
  }
  return moment >= summer.begin && moment < summer.end;
}

function lastSunday(year: number, month: number): number {
  const last = Date.UTC(year, month, 31);
  return last - new Date(last).getUTCDay() * DAY;
}
