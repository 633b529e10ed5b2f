/** For specs: what is counted after some activities, in the order told and in others, all at once and one by one. */
import { defaultPolicy } from '@carelog/access';
import type { AppliedChange } from '@carelog/projection';
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Activity, Resource } from '../care-settings/care-setting-scene.ts';
import type { Told } from '../care-settings/care-settings-projection.ts';
import { scrambled } from '../care-settings/scene-engines.ts';
import { logOf, RECORDED } from '../care-settings/scene-log.ts';
import { indicators } from './indicators.ts';
import { openPopulation, type CaseGroup } from './population-reader.ts';
import { openPopulationWriter } from './population-writer.ts';

export interface Tally {
  readonly met: number;
  readonly missed: number;
  readonly excluded: number;
  readonly open: number;
}

/** A resource about this person. */
export function of(patient: string, resourceType: string, id: string, more: object): Resource {
  const subject = { reference: `Patient/${patient}` };
  const whose = resourceType === 'Task' ? { for: subject } : resourceType === 'Consent' ? { patient: subject } : resourceType === 'Appointment' ? { participant: [{ actor: subject }] } : { subject }; // prettier-ignore
  return { resourceType, id, ...whose, ...more };
}

/** How many cases of the indicator there are, the same for every order of arrival. */
export async function tallied(
  indicator: string,
  activities: readonly Activity[],
  now = RECORDED + 400 * 86_400_000,
): Promise<Tally> {
  if (!indicators.some(({ name }) => name === indicator)) throw new Error(`There is no indicator ${indicator}.`); // prettier-ignore
  const ask = (path: string) => casesIn(path, indicator, now);
  const asTold = tallyOf(await afterwards(activities, ask));
  const orders: readonly (readonly [order: readonly Activity[], size?: number])[] = [
    [activities, 1],
    [[...activities].reverse(), 1],
    [scrambled(activities, 7)],
    [scrambled(activities, 23), 1],
    [[...activities, ...activities]],
  ];
  for (const [order, size] of orders) {
    const other = tallyOf(await afterwards(order, ask, size));
    if (!isDeepStrictEqual(other, asTold))
      throw new Error(`In another order it ends otherwise: ${JSON.stringify(other)} rather than ${JSON.stringify(asTold)}`); // prettier-ignore
  }
  return asTold;
}

/** Of all times. */
export async function casesIn(path: string, indicator: string, now: number): Promise<readonly CaseGroup[]> {
  const queries = openPopulation(path);
  try {
    return await queries.cases(indicator, { from: 0, until: Date.UTC(2100, 0, 1), now });
  } finally {
    queries.close();
  }
}

function tallyOf(groups: readonly CaseGroup[]): Tally {
  const count = (is: (group: CaseGroup) => boolean) => groups.filter(is).reduce((sum, it) => sum + it.count, 0); // prettier-ignore
  const isCounted = (state: string) => (it: CaseGroup) => it.state === state && !it.isOpen;
  return {
    met: count(isCounted('met')),
    missed: count(isCounted('missed')),
    excluded: count((it) => it.state === 'excluded'),
    open: count((it) => it.isOpen && it.state !== 'excluded'),
  };
}

/** Asks the read model's file after these activities, in batches of `size`. */
export async function afterwards<Answer>(
  activities: readonly Activity[],
  ask: (path: string) => Promise<Answer> | Answer,
  size = activities.length,
  groundOn = groundOf,
): Promise<Answer> {
  const folder = mkdtempSync(join(tmpdir(), 'carelog-population-'));
  const path = join(folder, 'population.sqlite');
  const log = historiesOf(activities);
  const writer = openPopulationWriter({ path, policy: defaultPolicy(), ...groundOn(log) });
  try {
    for (let at = 0; at < log.length; at += size) {
      const changes = log.slice(at, at + size);
      const checkpoint = { position: changes.at(-1)!.event.position, epoch: 'one' };
      await writer.apply({ changes, parked: [], setAside: [], checkpoint });
    }
    return await ask(path);
  } finally {
    writer.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The key, and the log to read again, as a writer wants them. */
export const groundOf = (log: readonly AppliedChange<Told>[]) => ({
  digest: (kind: string, value: string) => createHmac('sha256', 'a key of the spec').update(`${kind}|${value}`).digest('base64url'), // prettier-ignore
  history: {
    ofPartition: async (partition: string, until: number) => upTo(log, until).filter((it) => it.partition === partition), // prettier-ignore
    ofStream: async (stream: string, until: number) => upTo(log, until).filter(({ told }) => told.stream === stream), // prettier-ignore
  },
});

const upTo = (log: readonly AppliedChange<Told>[], until: number) =>
  log
    .filter(({ event }) => event.position <= until)
    .map(({ event, change }) => ({ told: change, partition: event.partition }));

export const historiesOf = (activities: readonly Activity[]): readonly AppliedChange<Told>[] =>
  logOf(activities, (resource) => `history of ${whoseIs(resource)}`);

function whoseIs(resource: Resource): string {
  if (resource.resourceType === 'Patient') return `Patient/${resource.id}`;
  return /Patient\/[\w-]+/.exec(JSON.stringify(resource))?.[0] ?? 'nobody';
}
