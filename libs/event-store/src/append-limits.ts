/** What one append may hold. Whoever asks for more has a bug or a flood to deal with, so it is a fault, not an outcome. */
import type { StreamAppend } from './event-store.ts';
import { StoreFault } from './store-fault.ts';

const maxEventsPerAppend = 5_000;
const maxContentBytes = 16 * 1024 * 1024;
const maxAppendBytes = 128 * 1024 * 1024;
const maxNameLength = 200;
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** How much is asked for. Throws an `invalid` `StoreFault` that names everything about these appends that breaks a limit of the port. */
export function checkAppend(appends: readonly StreamAppend[]): {
  readonly events: number;
  readonly bytes: number;
} {
  const problems: string[] = [];
  const streams = new Set<string>();
  const ids = new Set<string>();
  let count = 0;
  let bytes = 0;
  for (const { stream, expectedRevision, events } of appends) {
    if (stream.length === 0 || stream.length > maxNameLength) {
      problems.push(`a stream name has ${stream.length} characters; use 1 to ${maxNameLength}`);
    }
    if (!isText(stream))
      problems.push('a stream name holds what is not text: U+0000, or half a surrogate pair');
    if (streams.has(stream)) problems.push(`stream ${stream} is named twice; put its events into one entry`);
    streams.add(stream);
    if (
      typeof expectedRevision === 'number' &&
      !(Number.isSafeInteger(expectedRevision) && expectedRevision > 0)
    ) {
      problems.push(
        `the expected revision of ${stream} is ${expectedRevision}; revisions are whole and count from 1`,
      );
    }
    count += events.length;
    for (const { id, partition, content } of events) {
      if (!uuid.test(id))
        problems.push(`event id ${JSON.stringify(id.slice(0, 50))} is not a UUID in lower case`);
      if (ids.has(id)) problems.push(`event id ${id} is used twice; each event needs its own`);
      ids.add(id);
      if (partition.length === 0 || partition.length > maxNameLength) {
        problems.push(
          `the partition of event ${id} has ${partition.length} characters; use 1 to ${maxNameLength}`,
        );
      }
      if (!isText(partition)) {
        problems.push(
          `the partition of event ${id} holds what is not text: U+0000, or half a surrogate pair`,
        );
      }
      if (content.byteLength > maxContentBytes) {
        problems.push(
          `event ${id} has ${content.byteLength} bytes of content; the limit is ${maxContentBytes}`,
        );
      }
      bytes += content.byteLength;
    }
  }
  if (count === 0) problems.push('it holds no event; append at least one');
  if (count > maxEventsPerAppend)
    problems.push(`it holds ${count} events; the limit is ${maxEventsPerAppend}, so send fewer at a time`);
  if (bytes > maxAppendBytes)
    problems.push(
      `it holds ${bytes} bytes of content; the limit is ${maxAppendBytes}, so send fewer at a time`,
    );
  if (problems.length > 0) {
    throw new StoreFault(
      'invalid',
      `This append was refused and nothing was written: ${problems.slice(0, 20).join('; ')}.`,
    );
  }
  return { events: count, bytes };
}

/** What every engine keeps as it is: one of them would fail the whole batch, or take two names for one. */
function isText(name: string): boolean {
  return !name.includes('\u0000') && name.isWellFormed();
}
