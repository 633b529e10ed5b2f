/** What is known of an event without opening its content. Holds nothing that identifies a person. */

export interface NewEvent {
  /** A UUID: time-ordered (v7), or derived from what the source calls this message, scoped by publisher. */
  readonly id: string;
  /** From the activity catalogue, e.g. `observation.recorded`. */
  readonly type: string;
  readonly schemaVersion: number;
  /** A patient's partition (a UUID), or `shared`. */
  readonly partition: string;
  /** Clinical time, ISO 8601 with offset. */
  readonly occurredAt: string;
  readonly publisher: { readonly organisation: string; readonly system: string };
  readonly author?: { readonly id: string; readonly roleProfile?: string };
  readonly careSetting: string;
  readonly action: 'new' | 'amend' | 'retract';
  /** What the source calls this version of the resource, and when it issued it. */
  readonly sourceVersion?: { readonly version: string; readonly issuedAt?: string };
  readonly labels: readonly string[];
  /** Events of one transaction, message or document share it. */
  readonly correlationId: string;
  readonly causationId?: string;
  /** Names the data key that opens the content, within the partition. */
  readonly keyId: string;
  /** A keyed digest of the content before sealing: equal fingerprints mean equal content. Absent where the id cannot repeat. */
  readonly fingerprint?: string;
  /** W3C `traceparent` of the request that it came with; its ids are made here. Absent where nobody traces. https://www.w3.org/TR/trace-context/ */
  readonly trace?: string;
  /** Sealed; opaque to the store. */
  readonly content: Uint8Array;
}

export interface Envelope extends Omit<NewEvent, 'content'> {
  readonly stream: string;
  /** 1 for the first event of its stream. */
  readonly revision: number;
  /** 1 for the first event of the log; dense. */
  readonly position: number;
  /** Log time, UTC, milliseconds, ISO 8601; never earlier than that of the event before it. */
  readonly recordedAt: string;
  /** Position of the event before this one in the same partition; 0 for the first. */
  readonly previousInPartition: number;
}

export interface RecordedEvent extends Envelope {
  readonly content: Uint8Array;
}
