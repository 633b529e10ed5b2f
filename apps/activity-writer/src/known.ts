/** What the log holds now about a stream, an alias or a person: the facts that decisions rest on, never a view that may lag. */
import { canonicalContent } from '@carelog/activity';
import type { EventStore, RecordedEvent } from '@carelog/event-store';
import { parseJson } from '@carelog/fhir';
import type { Keyring } from '@carelog/keyring';

/** The last version of a resource, or its end. */
export interface StreamHead {
  readonly revision: number;
  readonly ended: boolean;
  readonly partition: string;
  readonly recordedAt: string;
  readonly position: number;
  readonly type: string;
  /** JSON text as accepted; absent where the resource has ended or its content cannot be opened. */
  readonly content?: string;
}

export interface AliasHead {
  readonly stream: string;
  /** Expected revision of the next claim. */
  readonly expectedRevision: 'no-stream' | number;
  /** `<Type>/<id>` that holds the alias; absent where it is free (never claimed, or its holder was erased). */
  readonly target?: string;
}

export interface Known {
  head(stream: string): Promise<StreamHead | undefined>;
  alias(kind: string, value: string): Promise<AliasHead>;
  /** The event with this id, with its head-like facts and its stream. */
  event(id: string): Promise<RecordedEvent | undefined>;
  describe(event: RecordedEvent): StreamHead;
  /** Partition of a registered person; `undefined` where nobody was registered under this id. */
  partitionOf(patientStream: string): Promise<string | undefined>;
}

const PARTITIONS_MAX = 100_000;

export function createKnown(store: EventStore, keyring: Keyring): Known {
  const partitions = new Map<string, string>();
  const decoder = new TextDecoder();

  function describe(event: RecordedEvent): StreamHead {
    const { revision, partition, recordedAt, position, type } = event;
    const facts = { revision, partition, recordedAt, position, type, ended: event.action === 'retract' };
    const opened = facts.ended ? undefined : keyring.open(event);
    return opened?.kind === 'opened' ? { ...facts, content: decoder.decode(opened.bytes) } : facts;
  }

  async function last(stream: string): Promise<RecordedEvent | undefined> {
    const [event] = await store.readStream(stream, { direction: 'backwards', limit: 1 });
    return readable(event);
  }

  /** So that it can be opened at once. */
  async function readable(event: RecordedEvent | undefined): Promise<RecordedEvent | undefined> {
    if (event !== undefined) await keyring.know([event.partition]);
    return event;
  }

  return {
    describe,
    event: async (id) => readable(await store.readEvent(id)),
    async head(stream) {
      const event = await last(stream);
      return event === undefined ? undefined : describe(event);
    },
    async alias(kind, value) {
      const stream = `alias/${keyring.hmac(kind, value)}`;
      const event = await last(stream);
      if (event === undefined) return { stream, expectedRevision: 'no-stream' };
      const opened = keyring.open(event);
      if (opened.kind !== 'opened') return { stream, expectedRevision: event.revision };
      const { target } = JSON.parse(decoder.decode(opened.bytes)) as { target: string };
      return { stream, expectedRevision: event.revision, target };
    },
    async partitionOf(patientStream) {
      const cached = partitions.get(patientStream);
      if (cached !== undefined) return cached;
      const event = await last(patientStream);
      if (event === undefined) return undefined;
      if (partitions.size >= PARTITIONS_MAX) partitions.clear();
      partitions.set(patientStream, event.partition);
      return event.partition;
    },
  };
}

/** Whether JSON text as accepted says the same as a canonical content. */
export function saysTheSame(content: string, canonical: string): boolean {
  const outcome = parseJson(content);
  if (outcome.kind === 'malformed') return false;
  return canonicalContent(outcome.value as Record<string, unknown>, outcome.exact) === canonical;
}
