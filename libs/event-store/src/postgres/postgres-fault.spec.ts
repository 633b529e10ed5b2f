import { describe, expect, it } from 'vitest';
import { StoreFault } from '../store-fault.ts';
import { faultOf, isPassing } from './postgres-fault.ts';

const place = 'db.example/carelog (schema log)';

/** As the driver gives what the server says. */
function said(code: string): Error {
  return Object.assign(new Error('the words of the server'), { severity: 'ERROR', code });
}

describe('what PostgreSQL says', () => {
  it.each<[what: string, state: string, code: StoreFault['code'], passing: boolean]>([
    ['the disk is full', '53100', 'full', false],
    ['it shuts down', '57P01', 'io', true],
    ['it crashed', '57P02', 'io', true],
    ['it starts up', '57P03', 'io', true],
    ['a connection failed', '08006', 'io', true],
    ['there are too many connections', '53300', 'io', true],
    ['a lock was not to be had in time', '55P03', 'io', true],
    ['a statement took too long', '57014', 'io', true],
    ['a transaction was silent for too long', '25P03', 'io', true],
    ['there was a deadlock', '40P01', 'io', true],
    ['it is a standby', '25006', 'io', true],
    ['a row is not unique', '23505', 'io', false],
    ['the password is wrong', '28P01', 'io', false],
    ['the role may not', '42501', 'io', false],
    ['there is no such table', '42P01', 'io', false],
    ['a page is corrupt', 'XX001', 'damaged', false],
  ])('%s (%s) is `%s`', (_, state, code, passing) => {
    expect(faultOf(said(state), place)).toMatchObject({
      name: 'StoreFault',
      code,
      message: expect.stringContaining(place),
    });
    expect(isPassing(said(state))).toBe(passing);
  });

  it.each([
    Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:5432'), {
      code: 'ECONNREFUSED',
      syscall: 'connect',
    }),
    Object.assign(
      new AggregateError([Object.assign(new Error(), { code: 'ECONNREFUSED', syscall: 'connect' })]),
      {
        code: 'ECONNREFUSED',
      },
    ),
    new Error('Connection terminated unexpectedly'),
    new Error('timeout exceeded when trying to connect'),
    new Error('Client has encountered a connection error and is not queryable'),
  ])('and what goes wrong on the way is `io`, and worth another attempt: %s', (error) => {
    expect(faultOf(error, place)).toMatchObject({
      code: 'io',
      message: expect.stringMatching(/cannot be reached/),
    });
    expect(isPassing(error)).toBe(true);
  });

  it('leaves a fault as it is, and a bug of ours too', () => {
    for (const error of [
      new StoreFault('closed', 'closed'),
      new TypeError('x is undefined'),
      'thrown text',
    ]) {
      expect(faultOf(error, place)).toBe(error);
      expect(isPassing(error)).toBe(false);
    }
  });
});
