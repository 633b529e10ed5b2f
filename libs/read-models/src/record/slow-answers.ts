/** Answers searches that may walk much, over a connection of their own, each within the time that it may take. */
import { Audiences } from './audiences.ts';
import { OutOfTime } from './body-look.ts';
import type { Database } from './database.ts';
import { Numbers } from './numbers.ts';
import { prepareReading } from './reading.ts';
import { Searching, type Answered } from './searching.ts';
import type { SlowAnswer, SlowRequest } from './slow-lane.ts';
import { TooManyValues } from './statement.ts';

/** `timeLimit`: milliseconds. `loadUnits` must have resolved. */
export function slowAnswers(db: Database, timeLimit: number): (asked: SlowRequest) => SlowAnswer {
  const numbers = new Numbers(db);
  const audiences = new Audiences(db, numbers);
  const searching = new Searching(db, numbers);
  const { glance } = prepareReading(db);

  function answered({ query, request, viewer, now }: SlowRequest): Answered {
    numbers.ofGeneration(glance.get()?.id ?? '');
    if (request === undefined) return searching.count(query, audiences.of(viewer, now), timeLimit).page();
    return searching.search(query, request, audiences.ofSearch(viewer, request, now), timeLimit).page();
  }

  return (asked) => {
    try {
      return { kind: 'answered', answered: searching.reading(() => answered(asked)) };
    } catch (fault) {
      const isTooMuch = fault instanceof OutOfTime || fault instanceof TooManyValues;
      return isTooMuch ? { kind: 'too-much' } : { kind: 'fault', fault };
    }
  };
}
