/**
 * A log as one file, to move it from one engine to another: `carelog events 1` and a line feed, then for each event the
 * lengths of envelope and content (four bytes each, big-endian), the canonical envelope, and the sealed content.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { decodeEnvelope, encodeEnvelope } from './envelope-bytes.ts';
import type { RecordedEvent } from './envelope.ts';
import type { EventStore } from './event-store.ts';
import { StoreFault } from './store-fault.ts';

const HEADING = Buffer.from('carelog events 1\n');
const LENGTHS = 8;
const EVENTS_AT_ONCE = 500;

/** What a file of events holds, and by which it is known to be whole. */
export interface EventFile {
  readonly events: number;
  /** Of the whole file, hex. */
  readonly sha256: string;
}

/**
 * Writes every event up to the head that the log has now, in order, to a new file of mode 0600; on disk when it resolves.
 * Throws where the file exists.
 */
export async function writeEventFile(
  path: string,
  log: Pick<EventStore, 'readAll' | 'head'>,
): Promise<EventFile> {
  const { position: head } = log.head();
  const file = await open(path, 'wx', 0o600);
  const digest = createHash('sha256');
  const write = async (bytes: Buffer): Promise<void> => {
    digest.update(bytes);
    await file.writeFile(bytes);
  };
  try {
    await write(HEADING);
    for (let after = 0; after < head;) {
      const events = await log.readAll({ after, limit: Math.min(EVENTS_AT_ONCE, head - after) });
      await write(Buffer.concat(events.flatMap(bytesOf)));
      after = events.at(-1)!.position;
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return { events: head, sha256: digest.digest('hex') };
}

/**
 * The events of the file in order, some at a time; positions dense from 1. Throws a `damaged` `StoreFault` where the file is
 * not what was written: at the latest at its end, so nothing of it may be relied on before.
 */
export async function* readEventFile(
  path: string,
  expected: EventFile,
): AsyncGenerator<readonly RecordedEvent[]> {
  const digest = createHash('sha256');
  let read = 0;
  for await (const events of eventsIn(path, digest)) {
    for (const { position } of events)
      if (position !== ++read) throw damaged(path, `event ${read} is missing`);
    yield events;
  }
  if (read !== expected.events) throw damaged(path, `it ends after event ${read} of ${expected.events}`);
  if (digest.digest('hex') !== expected.sha256)
    throw damaged(path, 'its bytes are not those that were written');
}

/** Throws as `readEventFile` does, before anybody relied on anything. */
export async function verifyEventFile(path: string, expected: EventFile): Promise<void> {
  for await (const events of readEventFile(path, expected)) void events;
}

async function* eventsIn(path: string, digest: Hash): AsyncGenerator<RecordedEvent[]> {
  let rest: Buffer = Buffer.alloc(0);
  let isBegun = false;
  for await (const part of createReadStream(path, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer>) {
    digest.update(part);
    rest = rest.byteLength === 0 ? part : Buffer.concat([rest, part]);
    if (!isBegun) {
      if (!rest.subarray(0, HEADING.byteLength).equals(HEADING))
        throw damaged(path, 'it is no file of events');
      rest = rest.subarray(HEADING.byteLength);
      isBegun = true;
    }
    const events: RecordedEvent[] = [];
    for (let length = lengthOfFirst(rest); length <= rest.byteLength; length = lengthOfFirst(rest)) {
      events.push(eventIn(path, rest.subarray(0, length)));
      rest = rest.subarray(length);
    }
    if (events.length > 0) yield events;
  }
  if (!isBegun || rest.byteLength > 0) throw damaged(path, 'it ends within an event');
}

function bytesOf(event: RecordedEvent): Buffer[] {
  const envelope = encodeEnvelope(event);
  const lengths = Buffer.alloc(LENGTHS);
  lengths.writeUInt32BE(envelope.byteLength, 0);
  lengths.writeUInt32BE(event.content.byteLength, 4);
  return [lengths, Buffer.from(envelope), Buffer.from(event.content)];
}

function lengthOfFirst(bytes: Buffer): number {
  return bytes.byteLength < LENGTHS ? Infinity : LENGTHS + bytes.readUInt32BE(0) + bytes.readUInt32BE(4);
}

function eventIn(path: string, bytes: Buffer): RecordedEvent {
  const split = LENGTHS + bytes.readUInt32BE(0);
  const written = bytes.subarray(LENGTHS, split);
  const envelope = decodeEnvelope(written);
  // A log keeps canonical bytes: another spelling of the same would be another leaf of its tree.
  if (!written.equals(encodeEnvelope(envelope))) throw damaged(path, `the envelope of event ${envelope.position} is not canonical`); // prettier-ignore
  return { ...envelope, content: bytes.subarray(split) };
}

function damaged(path: string, what: string): StoreFault {
  return new StoreFault('damaged', `${path} cannot be used: ${what}. Export the log again.`);
}
