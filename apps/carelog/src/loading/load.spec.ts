import { describe, expect, it } from 'vitest';
import type { EntryResult, FrontDoor } from './front-door.ts';
import { FrontDoorClosed } from './front-door.ts';
import type { Submission } from './submission.ts';
import { load } from './load.ts';

const submission = (name: string): Submission => ({
  file: name,
  body: name,
  idempotencyKey: name,
  places: ['entry 0'],
});
const missing = {
  kind: 'refused',
  status: 422,
  problems: [{ expression: 'Bundle.entry[0].resource.subject', message: 'Not there yet.' }],
} as const;

describe('load', () => {
  it('keeps the order within a queue and sends no more at a time than it may', async () => {
    const order: string[] = [];
    let now = 0;
    let most = 0;
    const frontDoor: FrontDoor = {
      async send({ file }) {
        most = Math.max(most, ++now);
        await new Promise(setImmediate);
        order.push(file);
        now--;
        return answered('recorded');
      },
    };
    const queues = ['a', 'b', 'c', 'd'].map((queue) =>
      [1, 2, 3].map((number) => submission(`${queue}${number}`)),
    );
    const summary = await load(frontDoor, queues, { inFlight: 2 });
    expect(summary).toMatchObject({ recorded: 12, duplicate: 0, refused: 0 });
    expect(most).toBe(2);
    for (const queue of 'abcd')
      expect(order.filter((name) => name.startsWith(queue))).toEqual([`${queue}1`, `${queue}2`, `${queue}3`]);
  });

  it('tries what was refused once more, after everything else', async () => {
    const sent: string[] = [];
    const frontDoor: FrontDoor = {
      async send({ file }) {
        sent.push(file);
        return file === 'observation' && !sent.includes('patient') ? missing : answered('recorded');
      },
    };
    const summary = await load(frontDoor, [[submission('observation')], [submission('patient')]], {
      inFlight: 1,
    });
    expect(sent).toEqual(['observation', 'patient', 'observation']);
    expect(summary).toMatchObject({ recorded: 2, refused: 0 });
  });

  it('counts what a batch had recorded at the first try as recorded', async () => {
    const answers = [answered('recorded', missing), answered('duplicate', 'recorded')];
    const frontDoor: FrontDoor = { send: async () => answers.shift()! };
    expect(await load(frontDoor, [[submission('batch')]])).toMatchObject({
      recorded: 2,
      duplicate: 0,
      refused: 0,
    });
  });

  it('names the place in the file of what stays refused, not the place in the Bundle it was sent in', async () => {
    const frontDoor: FrontDoor = { send: async () => missing };
    const summary = await load(frontDoor, [[{ ...submission('lines'), places: ['line 17'] }]]);
    expect(summary.refused).toBe(1);
    expect(summary.refusals).toEqual([
      {
        file: 'lines',
        place: 'line 17',
        status: 422,
        problems: [{ expression: 'subject', message: 'Not there yet.' }],
      },
    ]);
  });

  it('stops when the door is closed, and says why', async () => {
    const frontDoor: FrontDoor = {
      async send({ file }) {
        if (file === 'b') throw new FrontDoorClosed('No room.');
        return answered('recorded');
      },
    };
    const summary = await load(frontDoor, [[submission('a'), submission('b'), submission('c')]]);
    expect(summary).toMatchObject({ recorded: 1, stopped: 'No room.' });
  });

  it('finishes what is in flight when it is told to stop', async () => {
    const controller = new AbortController();
    const frontDoor: FrontDoor = {
      async send() {
        controller.abort();
        return answered('recorded');
      },
    };
    const summary = await load(frontDoor, [[submission('a'), submission('b')]], {
      signal: controller.signal,
    });
    expect(summary.recorded).toBe(1);
    expect(summary.stopped).toContain('Import again');
  });
});

function answered(...entries: ('recorded' | 'duplicate' | EntryResult)[]) {
  return {
    kind: 'answered',
    entries: entries.map((entry): EntryResult => (typeof entry === 'string' ? { kind: entry } : entry)),
  } as const;
}
