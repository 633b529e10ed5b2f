/** When a notification that failed is tried again. */
const FIRST_MS = 1_000;
/** With a fifth more this is an hour. */
const LONGEST_MS = 50 * 60_000;
const JITTER = 0.2;
export const GIVE_UP_AFTER_MS = 7 * 24 * 60 * 60_000;

/**
 * After so many failures in a row (at least 1), the first of them at `failingSince`: milliseconds UTC, one second later and twice
 * as long each time, to an hour at most, a fifth more or less so that not everybody comes at once. Undefined after seven days.
 */
export function nextTry(
  failures: number,
  failingSince: number,
  now: number,
  random: () => number = Math.random,
): number | undefined {
  if (now - failingSince >= GIVE_UP_AFTER_MS) return undefined;
  const wait = Math.min(FIRST_MS * 2 ** (failures - 1), LONGEST_MS);
  return now + Math.round(wait * (1 - JITTER + 2 * JITTER * random()));
}
