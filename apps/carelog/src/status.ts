/** How the platform is, for operators: no clinical content. And the rebuild of a view while everything runs. */
import { noCallerFacts, restrictionOf, type AccessAction, type Policy } from '@carelog/access';
import type { EventStore } from '@carelog/event-store';
import type { Problem } from '@carelog/fhir';
import type { Projector } from '@carelog/projector';
import type { RecordQueries } from '@carelog/read-models';
import { METRICS_TYPE, sendProblems } from '@carelog/service-kit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

export interface Running {
  readonly version: string;
  readonly startedAt: string;
  readonly policy: Policy;
  readonly store: EventStore;
  readonly record: RecordQueries;
  /** Of the record that answers now. */
  readonly recordVersion: () => number;
  /** `rebuild` where a view is built anew in its own place. */
  readonly projector: Pick<Projector, 'position'> & Partial<Pick<Projector, 'rebuild'>>;
}

export interface Status {
  readonly version: string;
  readonly startedAt: string;
  readonly log: { readonly position: number; readonly epoch: string };
  readonly people: number;
  readonly resources: number;
  readonly projections: readonly {
    readonly name: string;
    readonly version: number;
    readonly position: number;
    readonly lag: number;
    /** Partitions that stopped at an event which could not be projected. */
    readonly parked: readonly {
      readonly partition: string;
      readonly position: number;
      readonly reason: string;
    }[];
  }[];
}

export async function statusOf(running: Running): Promise<Status> {
  const { version, startedAt, store, record, recordVersion, projector } = running;
  const { people, resources } = await record.stats();
  const log = store.head();
  const position = projector.position();
  const lag = Math.max(0, log.position - position);
  const projections = [
    { name: 'record', version: recordVersion(), position, lag, parked: await record.parked() },
  ];
  return { version, startedAt, log, people, resources, projections };
}

/** `metrics`: in the Prometheus text format. */
export function statusRoutes(
  server: FastifyInstance,
  running: Running,
  metrics: () => Promise<string>,
): void {
  server.get('/status', async (request, reply) => {
    return refused(running, request, reply, 'status') ?? reply.send(await statusOf(running));
  });
  server.get('/metrics', async (request, reply) => {
    const no = refused(running, request, reply, 'status');
    return no ?? reply.header('content-type', METRICS_TYPE).send(await metrics());
  });
  server.post('/rebuild/:projection', async (request, reply) => {
    const no = refused(running, request, reply, 'rebuild');
    if (no !== undefined) return no;
    const { projection } = request.params as { projection: string };
    if (projection !== 'record') {
      const message = 'There is no projection of this name. There is: record.';
      return sendProblems(reply, [{ category: 'not-found', code: 'not-found', message }]);
    }
    if (running.projector.rebuild === undefined) {
      const message =
        'In a cluster a view is built beside the one that serves, and takes its place when it is equal. Use "carelog read-models".';
      return sendProblems(reply, [{ category: 'method', code: 'not-supported', message }]);
    }
    return reply.send(await running.projector.rebuild());
  });
}

/** The refusal that was sent, where this action is not for the caller. */
export function refused(
  { policy }: Running,
  request: FastifyRequest,
  reply: FastifyReply,
  action: AccessAction,
): FastifyReply | undefined {
  const decision = restrictionOf(request.caller, action, undefined, noCallerFacts, policy);
  if (decision.permit) return undefined;
  const problem: Problem = {
    category: 'forbidden',
    code: 'forbidden',
    message: `${decision.reason} ${decision.remedy}`,
  };
  return sendProblems(reply, [problem]);
}
