/** `POST /access-log/erase/<month>`: ends the keeping of the access records of a month, for good, once they have been kept long enough. */
import type { AccessLog } from '@carelog/access-log';
import type { Problem } from '@carelog/fhir';
import { sendProblems } from '@carelog/service-kit';
import type { FastifyInstance } from 'fastify';
import { refused, type Running } from './status.ts';

export interface KeptAccesses {
  readonly accessLog: Pick<AccessLog, 'record' | 'erase'>;
  /** Whole months that records are kept after their own. */
  readonly months: number;
}

/** For operators. That it was done, and by whom, is an access record itself, on disk before anything is destroyed. */
export function eraseRoutes(
  server: FastifyInstance,
  running: Running,
  { accessLog, months }: KeptAccesses,
): void {
  server.post('/access-log/erase/:month', async (request, reply) => {
    const no = refused(running, request, reply, 'rebuild');
    if (no !== undefined) return no;
    const { month } = request.params as { month: string };
    const problem = problemOf(month, months, new Date());
    if (problem !== undefined) return sendProblems(reply, [problem]);
    const { caller, id: correlation } = request;
    const position = running.store.head().position;
    const answered = { interaction: 'erase', query: `access-log/erase/${month}`, status: 200, decision: 'permitted', basis: 'platform-operation', patients: [], shown: '', position, correlation } as const; // prettier-ignore
    if (!(await new Promise<boolean>((leave) => accessLog.record(caller, answered, true, leave))))
      return sendProblems(reply, [UNRECORDED]);
    await accessLog.erase(month);
    return reply.send({ erased: month });
  });
}

const UNRECORDED: Problem = {
  category: 'unavailable',
  code: 'transient',
  message: 'This cannot be put on record just now, so nothing was erased. Try again in a moment.',
};

function problemOf(month: string, kept: number, now: Date): Problem | undefined {
  if (!/^\d{4}-(0[1-9]|1[0-2])$/.test(month)) {
    const message = 'A month is written as in 2018-03.';
    return { category: 'incorrect', code: 'value', message };
  }
  const [year = 0, number = 0] = month.split('-').map(Number);
  const until = new Date(Date.UTC(year, number + kept, 1));
  if (until <= now) return undefined;
  const message = `Access records of this month are kept until ${until.toISOString().slice(0, 10)}: CARELOG_ACCESS_LOG_MONTHS says how long.`;
  return { category: 'rejected', code: 'business-rule', message };
}
