/** Scenes run on PostgreSQL too, or say why not; where nothing may be left out, they fail. */
import { describe, expect, it } from 'vitest';
import { NO_POSTGRES, POSTGRES_OF_RUN, withoutPostgres } from './scene-engines.ts';

describe('a run without PostgreSQL', () => {
  it('says why', () => {
    expect(withoutPostgres({ [NO_POSTGRES]: 'no binaries for this machine' })).toBe('no binaries for this machine'); // prettier-ignore
    expect(withoutPostgres({})).toContain(POSTGRES_OF_RUN);
  });

  it('fails where nothing may be left out', () => {
    expect(() => withoutPostgres({ CI: 'true' })).toThrow(POSTGRES_OF_RUN);
    expect(() => withoutPostgres({ CI: 'true', [NO_POSTGRES]: 'no binaries' })).toThrow('no binaries');
  });

  it('is none where there is one', () => {
    expect(withoutPostgres({ CI: 'true', [POSTGRES_OF_RUN]: 'postgres://somewhere' })).toBeUndefined();
  });
});
