// What all care settings must hold for a cluster to keep them together, where a list is given the facts of all of them.
import { describe, expect, it } from 'vitest';
import { careSettings } from './care-settings.ts';

describe('care settings that are kept together', () => {
  it.each(careSettings)('$name makes its lists of kinds that it keeps', ({ kinds, worklists }) => {
    for (const list of worklists) expect([...list.kinds].filter((it) => !kinds.has(it))).toEqual([]);
  });

  it.each(careSettings)('$name keeps persons, whose links the others follow', ({ kinds }) => {
    expect(kinds).toContain('person');
  });

  it('have no list of the same name', () => {
    const names = careSettings.flatMap(({ worklists }) => worklists.map(({ name }) => name));
    expect(new Set(names).size).toBe(names.length);
  });
});
