/**
 * What a subscriber is told of: one event of the log, by names only. It holds no content, so that what may be shown of it is
 * decided when it is delivered.
 */
export interface Notice {
  /** Of its event in the log: a subscription is a cursor among these. */
  readonly position: number;
  readonly eventId: string;
  /** From the activity catalogue, e.g. `encounter.started`. */
  readonly activity: string;
  /** What MNS or NEMS calls it, where a national name exists. */
  readonly nationalEvent?: string;
  /** `Encounter/1`, with the version that the event made. */
  readonly stream: string;
  readonly version: number;
  /** `retract`: the resource ended. */
  readonly action: 'new' | 'amend' | 'retract';
  /** Clinical time and log time, ISO 8601. */
  readonly occurredAt: string;
  readonly recordedAt: string;
  /** ODS code of the publisher. */
  readonly organisation: string;
  /** Care settings that it concerns: those that the catalogue names, and the publisher's own. */
  readonly careSettings: readonly string[];
  /** Ids of the Patients whose record it is of; none for what belongs to nobody. */
  readonly patients: readonly string[];
  /** Worklists on which it put or changed an item. */
  readonly worklists?: readonly string[];
}

export const resourceTypeOf = ({ stream }: Pick<Notice, 'stream'>): string =>
  stream.slice(0, stream.indexOf('/'));
