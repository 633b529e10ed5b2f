/** A read right after a write sees the write; and writers do not run away from the views. */
import type { Problem } from '@carelog/fhir';
import { refuse, type Gateway, type Refusal } from './gateway.ts';

/** A read waits at most this long for the view, then says 503 rather than something false. */
const READ_WAIT_MS = 5_000;
/** Writers wait for room at most this long, then are turned away. */
const WRITE_WAIT_MS = 10_000;

/** Nothing once the record view reflects the head that the log had when this was called: at once where it does already. */
export function caughtUp(
  gateway: Pick<Gateway, 'head' | 'projected'>,
): undefined | Promise<Refusal | undefined> {
  const head = gateway.head();
  return typeof head === 'number'
    ? reflected(gateway, head)
    : head.then((fresh) => reflected(gateway, fresh));
}

function reflected(
  { projected }: Pick<Gateway, 'projected'>,
  head: number,
): undefined | Promise<Refusal | undefined> {
  if (projected.position() >= head) return undefined;
  return projected.waitFor(head, READ_WAIT_MS).then((reached) => (reached ? undefined : SHORT));
}

/** The same of the record view and of this care setting's. */
export function settingCaughtUp(
  gateway: Pick<Gateway, 'head' | 'projected' | 'careSettings'>,
  setting: string,
): Promise<Refusal | undefined> {
  const { careSettings } = gateway;
  return bothCaughtUp(gateway, (head) => careSettings?.waitFor(head, READ_WAIT_MS, setting), SHORT_SETTING);
}

/** The same of the record view, which knows what organisations are called, and of the population. */
export function populationCaughtUp(
  gateway: Pick<Gateway, 'head' | 'projected' | 'population'>,
): Promise<Refusal | undefined> {
  const { population } = gateway;
  return bothCaughtUp(gateway, (head) => population?.waitFor(head, READ_WAIT_MS), SHORT);
}

async function bothCaughtUp(
  gateway: Pick<Gateway, 'head' | 'projected'>,
  other: (head: number) => Promise<boolean> | undefined,
  short: Refusal,
): Promise<Refusal | undefined> {
  const head = await gateway.head();
  const [record, reached] = await Promise.all([reflected(gateway, head), other(head)]);
  return reached === false ? short : record;
}

/**
 * Resolves when the record view has everything up to this position, which another view, each being as fast as it is, may have
 * shown before it. Rejects as unavailable where that takes too long.
 */
export async function recordReached(
  { projected }: Pick<Gateway, 'projected'>,
  position: number,
): Promise<void> {
  if (projected.position() >= position || (await projected.waitFor(position, READ_WAIT_MS))) return;
  throw Object.assign(new Error(LATE.message), LATE);
}

/** Resolves when the record view reflects all that the log has now. Rejects as unavailable where that takes too long. */
export async function recordCaughtUp(gateway: Pick<Gateway, 'head' | 'projected'>): Promise<void> {
  if ((await caughtUp(gateway)) !== undefined) throw Object.assign(new Error(LATE.message), LATE);
}

/** What was answered a moment ago may be given again: nothing was recorded that the record view does not reflect. */
export function isCaughtUp({ projected, head }: Pick<Gateway, 'head' | 'projected'>): boolean {
  // In this order: moves are counted before the position is published.
  const position = projected.position();
  const known = head();
  return typeof known === 'number' && position >= known;
}

type Pressed = Pick<Gateway, 'head' | 'projected' | 'pressure'>;

/** Slows a writer down while the record view is far behind. */
export function room(gateway: Pressed): undefined | Promise<Refusal | undefined> {
  const head = gateway.head();
  return typeof head === 'number'
    ? roomBelow(gateway, head)
    : head.then((fresh) => roomBelow(gateway, fresh));
}

function roomBelow(gateway: Pressed, head: number): undefined | Promise<Refusal | undefined> {
  const needed = head - gateway.pressure.lagMax;
  if (gateway.projected.position() >= needed) return undefined;
  return waitForRoom(gateway, needed);
}

async function waitForRoom({ projected, pressure }: Pressed, needed: number): Promise<Refusal | undefined> {
  pressure.waiting += 1;
  try {
    if (await projected.waitFor(needed, WRITE_WAIT_MS)) return undefined;
  } finally {
    pressure.waiting -= 1;
  }
  pressure.turnedAway += 1;
  return FULL;
}

const LATE: Problem = {
  category: 'unavailable',
  code: 'transient',
  message:
    'The record view has not caught up with the log, so an answer now could be short. Try again in a moment.',
};
const SHORT = behind(LATE.message);
const SHORT_SETTING = behind(
  'The view of this care setting has not caught up with the log, so an answer now could be short. Try again in a moment.',
);
const FULL = behind(
  'The views are too far behind the log to take more. Nothing was recorded; send it again in a moment.',
);

function behind(message: string): Refusal {
  return refuse({ category: 'unavailable', code: 'transient', message }, { 'retry-after': '1' });
}
