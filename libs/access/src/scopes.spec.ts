import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Scope } from './caller.ts';
import { parseScopes } from './scopes.ts';

const scope = (level: Scope['level'], type: string, actions: string, where: Scope['where'] = []): Scope => ({
  level,
  type,
  actions,
  where,
});

describe('scopes', () => {
  it.each<[string, Scope]>([
    ['patient/Observation.rs', scope('patient', 'Observation', 'rs')],
    ['user/*.cruds', scope('user', '*', 'cruds')],
    ['system/Patient.c', scope('system', 'Patient', 'c')],
    [
      'user/Observation.rs?category=laboratory',
      scope('user', 'Observation', 'rs', [['category', 'laboratory']]),
    ],
    [
      'patient/Observation.s?category=http%3A%2F%2Fx%7Clab&status=final',
      scope('patient', 'Observation', 's', [
        ['category', 'http://x|lab'],
        ['status', 'final'],
      ]),
    ],
    ['patient/Observation.read', scope('patient', 'Observation', 'rs')],
    ['user/*.write', scope('user', '*', 'cud')],
    ['system/*.*', scope('system', '*', 'cruds')],
  ])('%s', (text, expected) => {
    expect(parseScopes(`openid ${text} launch`)).toEqual([expected]);
  });

  it.each([
    'patient/Observation.sr',
    'patient/Observation.',
    'patient/Observation',
    'patient/observation.r',
    'patient/Obs ervation.r',
    'user/Observation.rr',
    'user/Observation.x',
    'user/Observation.read?category=laboratory',
    'user/Observation.rs?',
    'user/Observation.rs?=laboratory',
    'user/Observation.rs?category=',
    'user/Observation.rs?_id=1',
    'user/**.r',
    'user/.r',
    `user/Observation.rs?${'a=b&'.repeat(21)}`,
  ])('%s is no scope, and permits nothing', (text) => {
    expect(parseScopes(text)).toEqual([]);
  });

  it('limits nothing where the token has scopes of other kinds only', () => {
    expect(parseScopes('openid profile launch/patient offline_access')).toBeUndefined();
    expect(parseScopes('')).toBeUndefined();
  });

  it('gives back what was written, whatever was', () => {
    const letters = fc.subarray([...'cruds'], { minLength: 1 }).map((some) => some.join(''));
    const word = fc.stringMatching(/^[a-z][a-z-]{0,8}$/);
    const where = fc.array(
      fc.tuple(word, fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme-ascii' })),
      { maxLength: 3 },
    );
    const any = fc.record({
      level: fc.constantFrom('patient' as const, 'user' as const, 'system' as const),
      type: fc.constantFrom('*', 'Observation', 'Patient'),
      actions: letters,
      where,
    });
    fc.assert(
      fc.property(fc.array(any, { minLength: 1, maxLength: 4 }), (scopes) => {
        const written = scopes.map(({ level, type, actions, where: conditions }) => {
          const query = new URLSearchParams(conditions.map(([name, value]) => [name, value])).toString();
          return `${level}/${type}.${actions}${query === '' ? '' : `?${query}`}`;
        });
        expect(parseScopes(written.join(' '))).toEqual(scopes);
      }),
    );
  });

  it('never throws', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseScopes(`user/${text}`)));
  });
});
