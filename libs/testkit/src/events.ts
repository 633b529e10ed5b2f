import { newEventId } from '@carelog/event-store';
import type { NewEvent } from '@carelog/event-store';

/** An event with nothing special about it, but for what the test says. Its content is opaque to everything but a keyring. */
export function anEvent(special: Partial<NewEvent> = {}): NewEvent {
  return {
    id: newEventId(),
    type: 'observation.recorded',
    schemaVersion: 1,
    partition: 'shared',
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
