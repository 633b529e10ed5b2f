/** What a gateway or a writer answers while an engine is away: that it may be tried again, not that something is broken. */
import { StoreFault } from '@carelog/event-store';
import type { Problem } from '@carelog/fhir';

/** Faults cross threads as text alone. */
const AWAY = /connect|terminat|canceling statement|ECONN|EPIPE|ETIMEDOUT|timeout|shutting down|starting up|recovery mode|not heard|too many clients|was closed/i; // prettier-ignore

/**
 * Each method of the one that `current` gives at that moment. Where the engine behind it is out of reach, the promise rejects
 * with an `unavailable` problem that names it.
 */
export function refusingWhileAway<Target extends object>(current: () => Target, engine: string): Target {
  const method =
    (name: keyof Target) =>
    (...given: unknown[]) => {
      const target = current();
      const answer: unknown = (target[name] as (...given: unknown[]) => unknown).apply(target, given);
      return answer instanceof Promise ? answer.catch((fault: unknown) => refuse(fault, engine)) : answer;
    };
  return new Proxy({} as Target, { get: (_, name) => method(name as keyof Target) });
}

function refuse(fault: unknown, engine: string): never {
  if (!isAway(fault)) throw fault;
  const problem: Problem = {
    category: 'unavailable',
    code: 'transient',
    message: `${engine} cannot be reached just now. Nothing was changed; try again in a moment.`,
  };
  throw Object.assign(new Error(problem.message, { cause: fault }), problem);
}

function isAway(fault: unknown): boolean {
  if (fault instanceof StoreFault) return fault.code === 'io' || fault.code === 'closed';
  return fault instanceof Error && AWAY.test(fault.message);
}
