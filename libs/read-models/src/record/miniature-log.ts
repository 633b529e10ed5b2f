/** For specs: a log in miniature, and what is written from it. */
import { encodeContent } from '@carelog/fhir';
import type { AppliedChange, OpenedContent, Touched } from '@carelog/projection';
import { recordProjection, type RecordChange, type RecordWriter, type Viewer } from '../index.ts';

export type Resource = { resourceType: string; id: string } & Record<string, unknown>;
export type Applied = AppliedChange<RecordChange>;
type RecordedEvent = Applied['event'];

/** A log in miniature: gives each event its revision and position, and the change it makes. */
export class Log {
  readonly changes: Applied[] = [];
  readonly #revisions = new Map<string, number>();
  #position = 0;

  record(partition: string, resource: Resource | string, content?: OpenedContent): Applied {
    const isEnd = typeof resource === 'string';
    const stream = isEnd ? resource : `${resource.resourceType}/${resource.id}`;
    const revision = (this.#revisions.get(stream) ?? 0) + 1;
    this.#revisions.set(stream, revision);
    const position = (this.#position += 1);
    const bytes = new TextEncoder().encode(isEnd ? '{}' : encodeContent(resource));
    const action = isEnd ? 'retract' : revision === 1 ? 'new' : 'amend';
    const recordedAt = new Date(Date.UTC(2026, 0, 1) + position * 1000).toISOString();
    const event = { stream, partition, revision, position, action, recordedAt, content: bytes };
    const change = recordProjection.evolve(event as RecordedEvent, content ?? { kind: 'opened', bytes });
    if (change === undefined) throw new Error(`${stream} is no resource`);
    const applied = { event: event as RecordedEvent, change };
    this.changes.push(applied);
    return applied;
  }
}

export async function apply(
  writer: Pick<RecordWriter, 'apply'>,
  changes: readonly Applied[],
): Promise<Touched> {
  const position = Math.max(...changes.map((it) => it.event.position));
  return writer.apply({ changes, parked: [], setAside: [], checkpoint: { position, epoch: 'one' } });
}

export const patient = (id: string, more = {}): Resource => ({ resourceType: 'Patient', id, ...more });
export const observation = (id: string, subject: string, code: string, more = {}): Resource => ({
  resourceType: 'Observation',
  id,
  status: 'final',
  code: { coding: [{ system: 'http://loinc.org', code }] },
  subject: { reference: `Patient/${subject}` },
  ...more,
});

/** Somebody who sees this patient's record and no other. */
export const ownRecordOf = (id: string): Viewer => ({
  organisation: 'none',
  careSetting: 'any',
  restriction: {
    views: [
      {
        basis: 'own-record',
        patients: { kind: 'these', ids: [id] },
        denied: 0,
        heedsWithheld: false,
        heedsOptOut: false,
        heedsReview: false,
        conceals: false,
      },
    ],
  },
});
