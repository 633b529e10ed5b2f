/**
 * `GET /events`: Server-Sent Events for dashboards and for programs. A browser's `EventSource` sends no headers, so a page that has
 * a token opens a session with it first. https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
import type { Caller, CallerFacts } from '@carelog/access';
import { authorizationOf, openStream, sendProblems, type Log, type RouteWiring } from '@carelog/service-kit';
import type { Filter, Listening } from '@carelog/subscriptions';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { allow, standingOf } from '../access.ts';
import { Refusal, refuse, type FhirRequest, type Gateway } from '../gateway.ts';
import { FHIR_BASE } from '../routes.ts';
import { eventFilterIn } from './event-filter.ts';
import { closedSession, openedSession, sessionCookie, SESSIONS } from './event-session.ts';
import { EventStream } from './event-stream.ts';
import { EventStreams } from './event-streams.ts';

export const EVENTS = '/events';

/** Streams at once: of all callers together, and of one. */
const STREAMS_MAX = 20_000;
const STREAMS_OF_CALLER: Readonly<Record<Caller['kind'], number>> = {
  system: 10_000,
  staff: 64,
  auditor: 64,
  operator: 0,
  patient: 16,
};

type Wiring = Pick<RouteWiring, 'url' | 'recheck'>;

/** Gives what says how many streams are open. */
export function eventRoutes(
  server: FastifyInstance,
  gateway: Gateway,
  wiring: Wiring,
  log: Log,
): () => number {
  const streams = new EventStreams(gateway.feed, log);
  // Before the server waits for those who are still being answered.
  server.addHook('preClose', (done) => {
    streams.close();
    done();
  });
  const authorization = (request: FastifyRequest) => openedSession(gateway.cursorKey, request.headers.cookie);
  server.get(EVENTS, { config: { authorization }, exposeHeadRoute: false }, async (request, reply) => {
    request.interaction = 'subscribe';
    const refusal = await begin(gateway, wiring, streams, request, reply, log);
    if (refusal !== undefined) return sendProblems(reply.headers(refusal.headers), refusal.problems);
    return reply;
  });
  server.post(SESSIONS, (request, reply) => {
    const cookie = sessionCookie(gateway.cursorKey, request.headers.authorization, wiring.url());
    if (cookie instanceof Refusal) return sendProblems(reply, cookie.problems);
    return reply.code(204).header('set-cookie', cookie).send();
  });
  server.delete(SESSIONS, { config: { authorization } }, (_request, reply) =>
    reply.code(204).header('set-cookie', closedSession(wiring.url())).send(),
  );
  return () => streams.count;
}

async function begin(
  gateway: Gateway,
  { url, recheck }: Wiring,
  streams: EventStreams,
  request: FastifyRequest,
  reply: FastifyReply,
  log: Log,
): Promise<Refusal | undefined> {
  const { caller } = request;
  const mark = request.url.indexOf('?');
  const query = new URLSearchParams(mark < 0 ? undefined : request.url.slice(mark + 1));
  const parsed = eventFilterIn(query);
  if (parsed instanceof Refusal) return parsed;
  const standing = await standingOf(gateway, caller);
  const allowed = allow(gateway, caller, 'read', undefined, standing);
  if (allowed instanceof Refusal) return allowed;
  const who = JSON.stringify([caller.kind, caller.subject, caller.system]);
  if (streams.count >= STREAMS_MAX || streams.countOf(who) >= STREAMS_OF_CALLER[caller.kind]) return TOO_MANY;
  // First, so that nothing is passed by between the two.
  streams.begin();
  const place = await placeOf(gateway, request.headers['last-event-id'] ?? parsed.since);
  if (place instanceof Refusal) return place;
  const filter = ownOnly(caller, standing, parsed.filter);
  const authorization = authorizationOf(request);
  const { headers, id: correlation } = request;
  const asked: FhirRequest = {
    method: 'GET',
    path: [EVENTS.slice(1)],
    query: withoutPlace(query),
    headers: headers as FhirRequest['headers'],
    body: '',
    caller,
    correlation,
    base: `${url()}${FHIR_BASE}`,
  };
  const raw = openStream(reply, [
    ...['content-type', 'text/event-stream; charset=utf-8'],
    // Whoever buffers on the way would keep what is told.
    ...['x-accel-buffering', 'no'],
  ]);
  // Whoever is cut off before the first event goes on from here, and not from when it comes back.
  raw.write(`retry: 1000\nid: ${place.epoch}-${place.position}\n\n`);
  const stream = new EventStream({
    gateway,
    feed: gateway.feed,
    asked,
    filter,
    lists: parsed.lists,
    raw,
    recheck: () => recheck(authorization),
    ...place,
    onTrouble: (fault) => log.debug({ fault: (fault as Error).name }, 'a stream of events waits'),
  });
  raw.once('close', () => streams.remove(stream));
  streams.add(stream, who);
  return undefined;
}

const ID = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-(\d{1,15})$/;

/** After which position of which epoch it begins. `since`: an event's id, or 0 for the first event of all; now, where it is absent. */
async function placeOf(
  { feed, head }: Pick<Gateway, 'feed' | 'head'>,
  since: string | string[] | undefined,
): Promise<Pick<Listening, 'epoch' | 'position'> | Refusal> {
  const { epoch } = feed;
  const now = await head();
  if (since === undefined) return { epoch, position: now };
  if (since === '0') return { epoch, position: 0 };
  const [, of = '', at = ''] = ID.exec(String(since)) ?? [];
  const position = await feed.resume(of, Number(at));
  return position === undefined || position > now ? FOREIGN_ID : { epoch, position };
}

/** Of what is nobody's, patients are told nothing: their apps would hear of all that the rest of the world does. */
function ownOnly({ kind }: Caller, { own, proxyFor }: CallerFacts, filter: Filter): Filter {
  if (kind !== 'patient') return filter;
  const theirs = [...own, ...proxyFor];
  return { ...filter, patients: filter.patients?.filter((id) => theirs.includes(id)) ?? theirs };
}

function withoutPlace(query: URLSearchParams): URLSearchParams {
  const kept = new URLSearchParams(query);
  kept.delete('since');
  return kept;
}

const TOO_MANY = refuse({
  category: 'busy',
  code: 'throttled',
  message:
    'There are as many streams of events as there may be, of this caller or in all. Close others first.',
});

const FOREIGN_ID = refuse({
  category: 'incorrect',
  code: 'value',
  message:
    'Last-Event-ID, or since, is not the id of an event of this log. Send the last id as it came, leave it out to begin now, or send since=0 to begin at the first event.',
  expression: 'since',
});
