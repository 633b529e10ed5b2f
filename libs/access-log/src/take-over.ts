/**
 * Takes complete segments of the journal over into the access log. What an event holds and what it is called follow from the
 * segment alone, so that taking a segment over again, after a crash in between, appends nothing.
 */
import { existsSync, rmSync } from 'node:fs';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { derivedEventId, type EventStore, type NewEvent, type RecordedEvent } from '@carelog/event-store';
import type { Keyring } from '@carelog/keyring';
import type { RecordedAccess } from './access-record.ts';
import { createLineReader } from './record-text.ts';
import { readSegment, segmentPath, segmentsIn } from './segment.ts';

export interface TakeOverOptions {
  /** Of the journal. */
  readonly folder: string;
  readonly store: EventStore;
  readonly keyring: Keyring;
}

export const ACCESS_EVENT = 'access.recorded';
const SCHEMA_VERSION = 1;
/** UTF-8 bytes of records in one event, before they are packed. */
const EVENT_LENGTH = 64 * 1024;

/** Every segment up to this number, in order; each is removed once its events are on disk. Throws a `StoreFault` where they cannot be. */
export async function takeOver(options: TakeOverOptions, upTo: number): Promise<void> {
  for (const number of segmentsIn(options.folder)) {
    if (number > upTo) return;
    await takeOverSegment(options, segmentPath(options.folder, number));
  }
}

async function takeOverSegment({ store, keyring }: TakeOverOptions, path: string): Promise<void> {
  if (!existsSync(path)) return;
  const segment = await readSegment(path, keyring);
  if (segment !== undefined && segment.text !== '') {
    await keyring.prepare([segment.partition]);
    const { id: of, partition } = segment;
    const events = partsOf(segment.text).map((part, index) =>
      accessEvent(
        keyring,
        { id: derivedEventId('access journal', `${of}|${index}`), stream: STREAM, partition },
        part,
      ),
    );
    const outcome = await store.append([{ stream: STREAM, expectedRevision: 'any', events }]);
    if (outcome.kind !== 'appended' && outcome.kind !== 'duplicate') {
      throw new Error(
        `The access log has other records under the names of those in ${path} (${outcome.kind}).`,
      );
    }
  }
  rmSync(path);
}

const STREAM = 'access';

/** Lines of each event; the callers that it names are named in it. */
function partsOf(text: string): string[] {
  const lines = createLineReader();
  const parts: string[] = [];
  let part: string[] = [];
  let length = 0;
  const named = new Set<string>();
  const close = (): void => {
    if (part.length > 0) parts.push(`${part.join('\n')}\n`);
    part = [];
    length = 0;
    named.clear();
  };
  for (const line of text.split('\n')) {
    if (line === '' || lines.read(line) === undefined) continue;
    const context = lines.contextOf(line);
    const added = named.has(context) ? [line] : [context, line];
    const more = added.reduce((sum, it) => sum + it.length + 1, 0);
    if (length + more > EVENT_LENGTH) close();
    if (!named.has(context)) part.push(context);
    named.add(context);
    part.push(line);
    length += more;
  }
  close();
  return parts;
}

/** The event that holds the records of `part`, lines as they stand in a journal; its partition has a key. */
export function accessEvent(
  keyring: Keyring,
  { id, stream, partition }: { readonly id: string; readonly stream: string; readonly partition: string },
  part: string,
): NewEvent {
  const packed = zstdCompressSync(Buffer.from(part));
  const { keyId, content } = keyring.seal(partition, { id, stream }, packed);
  const first = createLineReader();
  const [record] = part.split('\n').flatMap((line) => (line === '' ? [] : (first.read(line) ?? [])));
  return {
    id,
    type: ACCESS_EVENT,
    schemaVersion: SCHEMA_VERSION,
    partition,
    occurredAt: new Date(record!.at).toISOString(),
    publisher: { organisation: 'carelog', system: 'access-log' },
    careSetting: 'any',
    action: 'new',
    labels: [],
    correlationId: id,
    keyId,
    // Of the lines, not of what they were packed to: another zstd may pack them otherwise.
    fingerprint: keyring.fingerprint(partition, Buffer.from(part)),
    content,
  };
}

/** The records of an event; undefined where its key was destroyed. Throws where it is damaged. */
export function recordsOf(
  event: RecordedEvent,
  keyring: Pick<Keyring, 'open'>,
): readonly RecordedAccess[] | undefined {
  const opened = keyring.open(event);
  if (opened.kind === 'unreadable') {
    if (opened.reason === 'erased') return undefined;
    throw new Error(`Event ${event.position} of the access log cannot be opened (${opened.reason}).`);
  }
  const lines = createLineReader();
  const records: RecordedAccess[] = [];
  for (const line of zstdDecompressSync(opened.bytes).toString().split('\n')) {
    const record = line === '' ? undefined : lines.read(line);
    if (record !== undefined) records.push({ ...record, event: event.position, ordinal: records.length });
  }
  return records;
}
