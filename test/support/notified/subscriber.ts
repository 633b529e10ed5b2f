/** Who is told of what is recorded, by whichever channel; and what each of them must have been told in the end. */
import { setTimeout as delay } from 'node:timers/promises';
import { CATALOGUE } from '@carelog/activity';
import type { RecordedEvent } from '@carelog/event-store';

/** Where servers are asked. Any of them may be gone just now. */
export interface Site {
  readonly urls: readonly string[];
  /** Of a system that may record and see everything. */
  readonly token: string;
}

export interface Subscriber {
  readonly name: string;
  readonly wanted: Wanted;
  /** How much of what it is to be told it has, without a gap where it knows of gaps. */
  has(): number;
  /** Kills, pauses or breaks it. Gives what ends that, where it does not go on by itself. */
  disturb(): Disturbed | Promise<Disturbed>;
  /** Nothing that it does by chance disturbs it any more. */
  calm?(): void;
  /** What is not as it should be, once all of this was recorded. */
  faults(expected: readonly RecordedEvent[]): readonly string[];
  stop(): void | Promise<void>;
}

export type Disturbed = (() => unknown) | undefined;

/** What somebody asks for, and which events of the log those are. */
export interface Wanted {
  readonly name: string;
  /** Of a FHIR Subscription. */
  readonly topic: string;
  readonly filters: readonly string[];
  /** Of `GET /events`. */
  readonly query: Readonly<Record<string, string>>;
  matches(event: RecordedEvent): boolean;
}

export const everything: Wanted = {
  name: 'everything',
  topic: 'everything',
  filters: [],
  query: {},
  matches: isOfResource,
};

export const family: Wanted = {
  name: 'a family',
  topic: 'encounter',
  filters: [],
  query: { topic: 'encounter' },
  matches: ({ type }) => type.startsWith('encounter.'),
};

const PHARMACY: ReadonlySet<string> = new Set(
  CATALOGUE.filter(({ careSettings }) => careSettings.includes('pharmacy')).map(({ type }) => type),
);
export const setting: Wanted = {
  name: 'a care setting',
  topic: 'setting-pharmacy',
  filters: [],
  query: { setting: 'pharmacy' },
  matches: ({ type }) => PHARMACY.has(type),
};

export const recordOf = (patient: string): Wanted => ({
  name: `the record of ${patient}`,
  topic: 'patient-record',
  filters: [`?patient=Patient/${patient}`],
  query: { patient },
  matches: (event) => isOfResource(event) && patientOf(event.stream) === patient,
});

/** Everything here is called after whose it is: of a stream, or of a version of it. */
export const patientOf = (stream: string): string => stream.slice(stream.indexOf('/') + 1).split(/[-|]/)[0]!;

function isOfResource({ stream }: RecordedEvent): boolean {
  return /^[A-Z][A-Za-z]+\//.test(stream);
}

/** A version, as `GET /events` names it. */
export interface Told {
  readonly resource: string;
  readonly version: number;
}

export const versionsOf = (events: readonly RecordedEvent[]): readonly Told[] =>
  events.map(({ stream, revision }) => ({ resource: stream, version: revision }));

/** Everything that was to come, nothing else, and where it came first in the order of each patient. */
export function toldFaults(told: readonly Told[], expected: readonly Told[]): readonly string[] {
  const first = [...new Set(told.map(keyOf))];
  const due = expected.map(keyOf);
  const [came, awaited] = [new Set(first), new Set(due)];
  const missing = due.filter((key) => !came.has(key));
  const strange = first.filter((key) => !awaited.has(key));
  const of = (keys: readonly string[]): ReadonlyMap<string, readonly string[]> =>
    Map.groupBy(keys, patientOf);
  const theirs = of(due);
  const disordered = [...of(first)].filter(([patient, keys]) => keys.join() !== theirs.get(patient)?.join());
  return [
    ...missing.map((key) => `${key} is missing`),
    ...strange.map((key) => `${key} was not asked for`),
    ...(missing.length + strange.length > 0
      ? []
      : disordered.map(([patient]) => `${patient} is not in order`)),
  ];
}

export const keyOf = ({ resource, version }: Told): string => `${resource}|${version}`;

const LOOK_EVERY_MS = 25;

/** False where it does not hold within the time; without one, that is the test's. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  patienceMs = Infinity,
): Promise<boolean> {
  const end = performance.now() + patienceMs;
  while (!(await condition())) {
    if (performance.now() > end) return false;
    await delay(LOOK_EVERY_MS);
  }
  return true;
}
