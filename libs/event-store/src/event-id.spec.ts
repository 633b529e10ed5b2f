import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { derivedEventId, newEventId } from './event-id.ts';

describe('a new event id', () => {
  afterEach(() => void vi.useRealTimers());

  it('is a UUIDv7, greater than every one before, also when the clock stands still or steps back', () => {
    vi.useFakeTimers({ now: Date.parse('2030-01-01T00:00:00Z') });
    const ids: string[] = [];
    for (let count = 0; count < 300_000; count++) ids.push(newEventId());
    vi.setSystemTime(Date.parse('2029-01-01T00:00:00Z'));
    for (let count = 0; count < 1_000; count++) ids.push(newEventId());
    for (const id of ids)
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(ids.every((id, index) => index === 0 || id > ids[index - 1]!)).toBe(true);
  });

  it('begins with the time', () => {
    vi.useFakeTimers({ now: Date.parse('2040-01-01T00:00:00Z') });
    expect(Number.parseInt(newEventId().replaceAll('-', '').slice(0, 12), 16)).toBe(
      Date.parse('2040-01-01T00:00:00Z'),
    );
  });
});

describe('a derived event id', () => {
  it('is this one, for ever: sources send again what they sent years ago', () => {
    expect(derivedEventId('urn:publisher:RX1', 'message-1')).toBe('c5a6fe71-7548-890b-9b21-4b5e927cc9b7');
  });

  it('is a UUIDv8, the same for the same pair and another for another', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.string(),
        fc.string(),
        fc.string(),
        (namespace, name, otherNamespace, otherName) => {
          const id = derivedEventId(namespace, name);
          expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
          const same = namespace === otherNamespace && name === otherName;
          expect(derivedEventId(otherNamespace, otherName) === id).toBe(same);
        },
      ),
    );
  });

  it('keeps pairs apart that read the same in a row', () => {
    expect(derivedEventId('a', 'bc')).not.toBe(derivedEventId('ab', 'c'));
    expect(derivedEventId('1:a', '')).not.toBe(derivedEventId('', '1:a'));
  });
});
