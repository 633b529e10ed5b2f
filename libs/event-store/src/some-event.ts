/** Events and appends for specs, here and of other packages: what a test does not name has nothing special about it. */
import type { NewEvent } from './envelope.ts';
import type { ExpectedRevision, StreamAppend } from './event-store.ts';
import { newEventId } from './event-id.ts';

/** An event with nothing special about it, but for what the test says. */
export function someEvent(special: Partial<NewEvent> = {}): NewEvent {
  return {
    id: newEventId(),
    type: 'observation.recorded',
    schemaVersion: 1,
    partition: 'partition-a',
    occurredAt: '2026-01-01T03:12:00+01:00',
    publisher: { organisation: 'RX1', system: 'urn:system' },
    careSetting: 'acute',
    action: 'new',
    labels: [],
    correlationId: '01a1fdf0-ab8c-7000-807f-5abe7a93ef82',
    keyId: 'key-1',
    content: Buffer.from('sealed'),
    ...special,
  };
}

/** One append to one stream. */
export function to(stream: string, expectedRevision: ExpectedRevision, ...events: NewEvent[]): StreamAppend {
  return { stream, expectedRevision, events };
}
