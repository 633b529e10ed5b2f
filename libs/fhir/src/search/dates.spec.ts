import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dateComparison, dateRange } from './dates.ts';

const utc = (text: string) => Date.parse(text);

describe('dateRange', () => {
  it.each([
    ['2024', '2024-01-01T00:00:00.000Z', '2024-12-31T23:59:59.999Z'],
    ['2024-02', '2024-02-01T00:00:00.000Z', '2024-02-29T23:59:59.999Z'],
    ['2024-02-29', '2024-02-29T00:00:00.000Z', '2024-02-29T23:59:59.999Z'],
    ['2024-01-05T10:30', '2024-01-05T10:30:00.000Z', '2024-01-05T10:30:59.999Z'],
    ['2024-01-05T10:30:15Z', '2024-01-05T10:30:15.000Z', '2024-01-05T10:30:15.999Z'],
    ['2024-01-05T10:30:15.5Z', '2024-01-05T10:30:15.500Z', '2024-01-05T10:30:15.599Z'],
    ['2024-01-05T10:30:15.123Z', '2024-01-05T10:30:15.123Z', '2024-01-05T10:30:15.123Z'],
    ['2024-01-05T10:30:15.123456Z', '2024-01-05T10:30:15.123Z', '2024-01-05T10:30:15.123Z'],
    ['2024-06-01T00:30:00+01:00', '2024-05-31T23:30:00.000Z', '2024-05-31T23:30:00.999Z'],
    ['2024-01-01T23:30:00-05:30', '2024-01-02T05:00:00.000Z', '2024-01-02T05:00:00.999Z'],
    ['0050', '0050-01-01T00:00:00.000Z', '0050-12-31T23:59:59.999Z'],
  ])('%s runs from %s to %s', (text, low, high) => {
    expect(dateRange(text)).toEqual({ low: utc(low), high: utc(high) });
  });

  it.each([
    '',
    '24',
    '2024-13',
    '2024-00',
    '2023-02-29',
    '2024-04-31',
    '2024-1-1',
    '2024-01-01T25:00',
    '2024-01-01T10:61',
    'x2024',
    '2024Z',
  ])('%j is no date', (text) => expect(dateRange(text)).toBeUndefined());

  it('holds every instant that begins with the text', () => {
    const instants = fc.date({
      min: new Date('0001-01-01'),
      max: new Date('9998-12-31'),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(instants, fc.constantFrom(4, 7, 10, 16, 19, 23), (instant, length) => {
        const iso = instant.toISOString();
        const range = dateRange(length > 10 ? `${iso.slice(0, length)}Z` : iso.slice(0, length));
        expect(range?.low).toBeLessThanOrEqual(instant.getTime());
        expect(range?.high).toBeGreaterThanOrEqual(instant.getTime());
      }),
    );
  });
});

describe('dateComparison', () => {
  it('means eq where no prefix is written', () => {
    expect(dateComparison('2024', 0)?.prefix).toBe('eq');
    expect(dateComparison('sa2024', 0)).toEqual({ prefix: 'sa', ...dateRange('2024') });
  });

  it('widens ap by a tenth of the distance from now', () => {
    const now = utc('2024-01-11T00:00:00Z');
    expect(dateComparison('ap2024-01-01', now)).toEqual({
      prefix: 'ap',
      low: utc('2023-12-31T00:00:00Z'),
      high: utc('2024-01-02T23:59:59.999Z'),
    });
  });

  it('refuses an unknown prefix', () => expect(dateComparison('xx2024', 0)).toBeUndefined());
});
