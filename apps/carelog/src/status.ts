/** How the platform is, for operators: no clinical content. And the rebuild of a view while everything runs. */
import { noCallerFacts, restrictionOf, type AccessAction, type Policy } from '@carelog/access';
import type { EventStore } from '@carelog/event-store';
import type { Problem } from '@carelog/fhir';
import type { CareSettingViews, Projector } from '@carelog/projector';
import { careSettings, population, type RecordQueries } from '@carelog/read-models';
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
  readonly careSettings: Pick<CareSettingViews, 'of' | 'position'> &
    Partial<Pick<CareSettingViews, 'rebuild' | 'population'>>;
}

export interface Status {
  readonly version: string;
  readonly startedAt: string;
  readonly log: { readonly position: number; readonly epoch: string };
  readonly people: number;
  readonly resources: number;
  readonly projections: readonly (Omit<View, 'parked'> & {
    readonly lag: number;
    /** Partitions that stopped at an event which could not be projected. */
    readonly parked: Awaited<ReturnType<View['parked']>>;
  })[];
}

interface View {
  readonly name: string;
  readonly version: number;
  readonly position: number;
  readonly parked: RecordQueries['parked'];
}

export async function statusOf(running: Running): Promise<Status> {
  const { version, startedAt, store, record } = running;
  const { people, resources } = await record.stats();
  const log = store.head();
  const projections = await Promise.all(
    viewsOf(running).map(async ({ name, version, position, parked }) => {
      const lag = Math.max(0, log.position - position);
      return { name, version, position, lag, parked: await parked() };
    }),
  );
  return { version, startedAt, log, people, resources, projections };
}

/** The record, then the view of each care setting, then the population where it can be asked. `parked` is a short question to it. */
export function viewsOf({ record, recordVersion, projector, careSettings: kept }: Running): readonly View[] {
  const { population: counted } = kept;
  return [
    { name: 'record', version: recordVersion(), position: projector.position(), parked: () => record.parked() }, // prettier-ignore
    ...careSettings.flatMap(({ name, version }) => {
      const queries = kept.of.get(name);
      if (queries === undefined) return [];
      return [{ name, version, position: kept.position(name), parked: () => queries.parked() }];
    }),
    ...(counted === undefined ? [] : [{ name: population.name, version: population.version, position: kept.position(population.name), parked: () => counted.parked() }]), // prettier-ignore
  ];
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
    const { projector, careSettings: kept } = running;
    const rebuilds = new Map([
      ['record', () => projector.rebuild?.()],
      ['care-settings', () => kept.rebuild?.('care-settings')],
      ['population', () => kept.rebuild?.('population')],
    ]);
    const rebuild = rebuilds.get(projection);
    if (rebuild === undefined) {
      const message = `${kept.of.has(projection) ? 'All care settings are built together: rebuild care-settings.' : 'There is no projection of this name.'} There are: ${[...rebuilds.keys()].join(', ')}.`;
      return sendProblems(reply, [{ category: 'not-found', code: 'not-found', message }]);
    }
    const rebuilding = rebuild();
    if (rebuilding === undefined) {
      const message =
        'In a cluster a view is built beside the one that serves, and takes its place when it is equal. Use "carelog read-models".';
      return sendProblems(reply, [{ category: 'method', code: 'not-supported', message }]);
    }
    return reply.send(await rebuilding);
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
