/**
 * How the log lies in KurrentDB. All events are in one stream, in order: an event's position is its number there plus one,
 * so positions are dense as in the other engines. Three kinds of further streams say where events are: by stream, by
 * partition, by id. Their records hold a position, and are appended in one transaction with the events.
 */
import type { AppendStreamRequest, EventData, ResolvedEvent } from '@kurrent/kurrentdb-client';
import { crc32 } from 'node:zlib';
import { decodeEvent, encodeEnvelopeText } from '../envelope-bytes.ts';
import type { RecordedEvent } from '../envelope.ts';
import { newEventId } from '../event-id.ts';
import type { Epoch, Head, ReadOptions, ReadStreamOptions } from '../event-store.ts';
import { StoreFault } from '../store-fault.ts';
import type { KurrentClient } from './kurrent-client.ts';
import { isOvertaken, kindOf } from './kurrent-fault.ts';

type Direction = 'forwards' | 'backwards';
type Index = 'stream' | 'partition' | 'id';

/** Where an event is, and which record of its index says so (the first is 0). */
export interface Pointer {
  readonly number: number;
  readonly position: number;
}

/** So many reads are under way at once. */
const together = 64;

export class KurrentLog {
  readonly #client: KurrentClient;
  readonly #name: string;
  readonly #place: string;

  constructor(client: KurrentClient, name: string, place: string) {
    this.#client = client;
    this.#name = name;
    this.#place = place;
  }

  /** The stream of all events. */
  get events(): string {
    return `${this.#name}.events`;
  }

  /** Begins the log's first epoch where there is none. */
  async begin(): Promise<void> {
    if ((await this.#epoch()) !== undefined) return;
    try {
      await this.beginEpoch('no_stream');
    } catch (error) {
      if (!isOvertaken(error)) throw error;
    }
  }

  async beginEpoch(expectedState: 'no_stream' | 'stream_exists'): Promise<void> {
    const streamName = `${this.#name}.epoch`;
    const position = expectedState === 'no_stream' ? 0 : (await this.head()).position;
    const events = [jsonRecord({ epoch: newEventId(), position })];
    await this.#client.multiStreamAppend([{ streamName, expectedState, events }]);
  }

  async head(): Promise<Head & { readonly recordedAt: string }> {
    const [epoch, [last]] = await Promise.all([
      this.#epoch(),
      collect(
        this.#client.readStream(this.events, { direction: 'backwards', fromRevision: 'end', maxCount: 1 }),
      ),
    ]);
    if (epoch === undefined) {
      throw new StoreFault('io', `There is no log at ${this.#place}. Open it once as a writer.`);
    }
    const event = last && this.decode(last);
    return { epoch, position: event?.position ?? 0, recordedAt: event?.recordedAt ?? '' };
  }

  async epochs(): Promise<Epoch[]> {
    const records = await collect(this.#client.readStream(`${this.#name}.epoch`, { fromRevision: 'start' }));
    // Those that were begun before positions were noted had perhaps nothing of the one before.
    return records.map(({ event }) => {
      const { epoch: id, position = 0 } = event!.data as { epoch: string; position?: number };
      return { id, position };
    });
  }

  async all({ after = 0, limit = 1_000 }: ReadOptions = {}): Promise<RecordedEvent[]> {
    const records = await collect(
      this.#client.readStream(this.events, { fromRevision: BigInt(after), maxCount: limit }),
    );
    return records.map((record) => this.decode(record));
  }

  async event(id: string): Promise<RecordedEvent | undefined> {
    const [pointer] = await this.#pointers('id', id, 'forwards', 0, 1);
    return pointer && this.#at(pointer);
  }

  async stream(
    stream: string,
    { from, direction = 'forwards', limit = 1_000 }: ReadStreamOptions = {},
  ): Promise<RecordedEvent[]> {
    const first = from === undefined ? undefined : Math.max(from, 1) - 1;
    return this.#follow(await this.#pointers('stream', stream, direction, first, limit));
  }

  async partition(
    partition: string,
    { after = 0, limit = 1_000 }: ReadOptions = {},
  ): Promise<RecordedEvent[]> {
    const first = await this.#firstAfter(partition, after);
    return this.#follow(await this.#pointers('partition', partition, 'forwards', first, limit));
  }

  async last(index: Index, name: string): Promise<Pointer | undefined> {
    return (await this.#pointers(index, name, 'backwards', undefined, 1))[0];
  }

  /** The place in the server's log from which a subscription goes on: that of this position's event, or of the last one before it. */
  async serverPosition(position: number) {
    const known = Math.min(position, (await this.head()).position);
    if (known === 0) return 'start' as const;
    const records = this.#client.readStream(this.events, { fromRevision: BigInt(known - 1), maxCount: 1 });
    const [record] = await collect(records);
    return record!.event!.position!;
  }

  /** Throws the client's error of kind `wrong-expected-version` where the log has moved on from `after`. */
  async append(after: number, placed: readonly RecordedEvent[]): Promise<void> {
    const pointers = new Map<string, EventData[]>();
    for (const event of placed) {
      for (const index of ['stream', 'partition', 'id'] as const) {
        const stream = this.#index(index, event[index]);
        const records = pointers.get(stream) ?? [];
        records.push(jsonRecord({ position: event.position }));
        pointers.set(stream, records);
      }
    }
    const events: AppendStreamRequest = {
      streamName: this.events,
      expectedState: after === 0 ? 'no_stream' : BigInt(after - 1),
      events: placed.map(eventRecord),
    };
    const indexes = [...pointers].map(([streamName, records]): AppendStreamRequest => ({
      streamName,
      expectedState: 'any',
      events: records,
    }));
    await this.#client.multiStreamAppend([events, ...indexes]);
  }

  decode({ event: record }: ResolvedEvent): RecordedEvent {
    const position = Number(record!.revision) + 1;
    const { envelope, checksum } = record!.metadata as { envelope: string; checksum: string };
    const content = Buffer.from(record!.data as Uint8Array);
    const event = checksumOf(envelope, content) === checksum ? decodeEvent(envelope, content) : undefined;
    if (event?.position === position) return event;
    throw new StoreFault(
      'damaged',
      `Event ${position} of the log at ${this.#place} is not what was written. Restore the log from a backup.`,
    );
  }

  async #epoch(): Promise<string | undefined> {
    const records = this.#client.readStream(`${this.#name}.epoch`, {
      direction: 'backwards',
      fromRevision: 'end',
      maxCount: 1,
    });
    const [record] = await collect(records);
    return (record?.event?.data as { epoch: string } | undefined)?.epoch;
  }

  async #pointers(
    index: Index,
    name: string,
    direction: Direction,
    from: number | undefined,
    maxCount: number,
  ): Promise<Pointer[]> {
    const whole = direction === 'forwards' ? 'start' : 'end';
    const fromRevision = from === undefined ? whole : BigInt(from);
    const stream = this.#index(index, name);
    const records = await collect(this.#client.readStream(stream, { direction, fromRevision, maxCount }));
    return records.map(({ event }) => ({
      number: Number(event!.revision),
      position: (event!.data as { position: number }).position,
    }));
  }

  /** The first record of the partition's index that points behind this position: positions rise, so halving finds it. */
  async #firstAfter(partition: string, after: number): Promise<number> {
    if (after === 0) return 0;
    let low = 0;
    let high = ((await this.last('partition', partition))?.number ?? -1) + 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const [pointer] = await this.#pointers('partition', partition, 'forwards', middle, 1);
      if (pointer!.position > after) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  async #follow(pointers: readonly Pointer[]): Promise<RecordedEvent[]> {
    return inTurn(pointers, (pointer) => this.#at(pointer));
  }

  async #at({ position }: Pointer): Promise<RecordedEvent> {
    const [event] = await this.all({ after: position - 1, limit: 1 });
    if (event) return event;
    throw new StoreFault('damaged', `Event ${position} of the log at ${this.#place} is missing.`);
  }

  #index(index: Index, name: string): string {
    return `${this.#name}.${index}.${name}`;
  }
}

/** The results in the order of the items, with a limit on how much is under way. */
export async function inTurn<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let from = 0; from < items.length; from += together) {
    results.push(...(await Promise.all(items.slice(from, from + together).map(work))));
  }
  return results;
}

/** A stream that does not exist is an empty one. */
async function collect(records: AsyncIterable<ResolvedEvent>): Promise<ResolvedEvent[]> {
  try {
    return await Array.fromAsync(records);
  } catch (error) {
    if (kindOf(error) === 'stream-not-found') return [];
    throw error;
  }
}

function eventRecord(event: RecordedEvent): EventData {
  const { id, type, content } = event;
  const envelope = encodeEnvelopeText(event);
  const metadata = { envelope, checksum: checksumOf(envelope, content) };
  return { id, type, contentType: 'application/octet-stream', data: content, metadata };
}

function jsonRecord(data: Record<string, unknown>): EventData {
  return { id: newEventId(), type: 'carelog', contentType: 'application/json', data, metadata: undefined };
}

/** As text, since metadata of an append to several streams is. */
function checksumOf(envelope: string, content: Uint8Array): string {
  return crc32(content, crc32(envelope)).toString(16);
}
