import { describe, expect, it } from 'vitest';
import { decide, type Asked, type Decision, type StreamState } from './decide.ts';

const absent = undefined;
const current: StreamState = { revision: 3, ended: false };
const ended: StreamState = { revision: 4, ended: true };

const put = (more: Partial<Asked> = {}): Asked => ({
  method: 'PUT',
  type: 'Observation',
  unchanged: false,
  ...more,
});
const remove = (more: Partial<Asked> = {}): Asked => ({
  method: 'DELETE',
  type: 'Observation',
  unchanged: false,
  ...more,
});

const record = (action: string, expectedRevision: 'no-stream' | number, answer: string) =>
  ({ kind: 'record', action, expectedRevision, answer }) as Decision;
const mismatch = expect.objectContaining({
  kind: 'refuse',
  problem: expect.objectContaining({ category: 'mismatch' }),
}) as Decision;

describe('decide', () => {
  it.each<[string, Asked, StreamState | undefined, Decision]>([
    [
      'a new resource begins its stream',
      { ...put(), method: 'POST' },
      absent,
      record('new', 'no-stream', 'created'),
    ],
    [
      'an update of nothing creates under the id of the client',
      put(),
      absent,
      record('new', 'no-stream', 'created'),
    ],
    ['other content is an amendment of what was seen', put(), current, record('amend', 3, 'updated')],
    [
      'equal content records nothing',
      put({ unchanged: true }),
      current,
      { kind: 'stands', answer: 'existing' },
    ],
    ['an update after the end begins again in the same stream', put(), ended, record('new', 4, 'created')],
    ['an end follows the version that was seen', remove(), current, record('retract', 3, 'deleted')],
    ['what has ended cannot end again', remove(), ended, { kind: 'stands', answer: 'deleted' }],
    ['what never was is already gone', remove(), absent, { kind: 'stands', answer: 'deleted' }],
    [
      'If-Match of the current version lets an update pass',
      put({ ifMatch: 3 }),
      current,
      record('amend', 3, 'updated'),
    ],
    ['If-Match of an old version stops it', put({ ifMatch: 2 }), current, mismatch],
    ['If-Match stops an update of nothing', put({ ifMatch: 1 }), absent, mismatch],
    ['If-Match stops an update after the end', put({ ifMatch: 4 }), ended, mismatch],
    [
      'If-Match of the current version lets an end pass',
      remove({ ifMatch: 3 }),
      current,
      record('retract', 3, 'deleted'),
    ],
    ['If-Match of an old version stops an end', remove({ ifMatch: 1 }), current, mismatch],
    ['If-None-Match: * creates', put({ ifNoneMatch: true }), absent, record('new', 'no-stream', 'created')],
    ['If-None-Match: * never changes what is there', put({ ifNoneMatch: true }), current, mismatch],
    ['… not even to the same', put({ ifNoneMatch: true, unchanged: true }), current, mismatch],
  ])('%s', (_, asked, state, decision) => {
    expect(decide(asked, state)).toEqual(decision);
  });

  it('names the version that is there and says what to do', () => {
    const refused = decide(put({ ifMatch: 2 }), current);
    expect(refused).toMatchObject({
      problem: { message: expect.stringMatching(/version 3.*Read it again/) },
    });
  });
});
