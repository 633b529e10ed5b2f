/** Turns decided entries into events, sealed and ready to append. */
import { activityTypeOf, labelsOf, occurredAtOf, type RecordRequest } from '@carelog/activity';
import { newEventId, type NewEvent, type StreamAppend } from '@carelog/event-store';
import { nhsNumberSystem, nhsNumberVerificationStatusUrl, type IdentifiedResource } from '@carelog/fhir';
import type { Keyring } from '@carelog/keyring';
import type { AliasHead } from './known.ts';

export type PendingEvent =
  | {
      readonly kind: 'resource';
      readonly stream: string;
      readonly partition: string;
      readonly action: 'new' | 'amend' | 'retract';
      readonly expectedRevision: 'no-stream' | number;
      /** Activity type of the version before; what an end is called by. */
      readonly type: string;
      /** Absent for an end. */
      readonly content?: string;
      readonly resource?: Record<string, unknown>;
      /** Where the event id can come again: that id, and the content it came with. */
      readonly id?: string;
      readonly receivedContent?: string;
    }
  | {
      readonly kind: 'alias';
      readonly alias: AliasHead;
      readonly target: string;
      readonly partition: string;
    };

export const SCHEMA_VERSION = 1;

const encoder = new TextEncoder();

/** Data keys of all partitions exist durably before anything is sealed under them. */
export async function createEvents(
  keyring: Keyring,
  request: RecordRequest,
  pending: readonly PendingEvent[],
): Promise<readonly StreamAppend[]> {
  if (pending.length === 0) return [];
  await keyring.prepare(new Set(pending.map((event) => event.partition)));
  const now = new Date().toISOString();
  const correlationId = newEventId();
  const { caller } = request;
  const author = {
    id: caller.subject,
    ...(caller.roleProfile !== undefined && { roleProfile: caller.roleProfile }),
  };
  const publisher = { organisation: caller.organisation, system: caller.system };

  return pending.map((event): StreamAppend => {
    const { stream, expectedRevision, content, facts } =
      event.kind === 'alias' ? aliasFacts(event) : resourceFacts(event);
    const { partition } = event;
    const sealed = keyring.seal(partition, { id: facts.id, stream }, encoder.encode(content));
    const recorded: NewEvent = {
      ...facts,
      schemaVersion: SCHEMA_VERSION,
      partition,
      publisher,
      author,
      careSetting: caller.careSetting,
      correlationId,
      keyId: sealed.keyId,
      content: sealed.content,
      ...(request.trace !== undefined && { trace: request.trace }),
    };
    return { stream, expectedRevision, events: [recorded] };
  });

  function resourceFacts(event: PendingEvent & { kind: 'resource' }) {
    const { resource, content = '{}', receivedContent, action, stream, expectedRevision } = event;
    const facts = {
      id: event.id ?? newEventId(),
      action,
      type: resource === undefined ? event.type : activityTypeOf(resource),
      occurredAt: resource === undefined ? now : occurredAtOf(resource, now),
      labels: resource === undefined ? [] : labelsOf(resource),
      ...sourceVersionOf(resource),
      ...(receivedContent !== undefined && {
        fingerprint: keyring.fingerprint(event.partition, encoder.encode(receivedContent)),
      }),
    };
    return { stream, expectedRevision, content, facts };
  }

  function aliasFacts({ alias, target }: PendingEvent & { kind: 'alias' }) {
    const { stream, expectedRevision } = alias;
    const action: NewEvent['action'] = expectedRevision === 'no-stream' ? 'new' : 'amend';
    const content = JSON.stringify({ target });
    const facts = { id: newEventId(), action, type: 'alias.claimed', occurredAt: now, labels: [] };
    return { stream, expectedRevision, content, facts };
  }
}

/** What the source says of its own version: https://hl7.org/fhir/R4/resource.html#Meta */
function sourceVersionOf(resource: Record<string, unknown> | undefined): Pick<NewEvent, 'sourceVersion'> {
  const { versionId, lastUpdated } = (resource?.['meta'] ?? {}) as Record<string, unknown>;
  const version = typeof versionId === 'string' ? versionId : '';
  if (typeof lastUpdated === 'string') return { sourceVersion: { version, issuedAt: lastUpdated } };
  return version === '' ? {} : { sourceVersion: { version } };
}

// 02 of the NHS Data Dictionary: present but not traced.
const NOT_TRACED = {
  url: nhsNumberVerificationStatusUrl,
  valueCodeableConcept: {
    coding: [
      {
        system: 'https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatus',
        code: 'number-present-but-not-traced',
        display: 'Number present but not traced',
      },
    ],
  },
};

/** The person of whom nothing is known but the NHS number that somebody's activity named. */
export function registeredPerson(id: string, number: string): IdentifiedResource & Record<string, unknown> {
  return {
    resourceType: 'Patient',
    id,
    identifier: [{ extension: [NOT_TRACED], system: nhsNumberSystem, value: number }],
  };
}
