/** `POST /activities`: CloudEvents for providers who publish events rather than call FHIR. docs/reference/activities.md */
import { takeBodies } from '@carelog/service-kit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { refuse, type FhirRequest, type Gateway, type Refusal } from '../gateway.ts';
import { accountOf, leave, leaveAfter } from '../leave.ts';
import { publish } from './publish.ts';
import { BODY_TYPES, NOT_TAKEN } from './sent-events.ts';

const PATH = '/activities';

/** `base`: of FHIR, as clients reach it, where what was recorded is read. */
export function activityRoutes(server: FastifyInstance, gateway: Gateway, base: () => string): void {
  const asked = (request: FastifyRequest): FhirRequest => {
    const { method, caller, id: correlation, span } = request;
    const headers = request.headers as Record<string, string | undefined>;
    const trace = span?.trace;
    // What is asked in the address is nothing that we know, and may be anything.
    const query = new URLSearchParams();
    const known = { method, path: ['activities'], query, headers, body: '', caller, correlation };
    return { ...known, base: base(), ...(trace !== undefined && { trace }) };
  };
  const answer = (request: FastifyRequest, reply: FastifyReply): void | Promise<void> => {
    request.interaction = INTERACTION;
    const head = asked(request);
    if (request.method !== 'POST') return leave(gateway, head, reply, notAllowed());
    const bytes = (request.body as Buffer | undefined) ?? Buffer.alloc(0);
    return leaveAfter(gateway, head, reply, publish(gateway, head, bytes));
  };
  const config = { account: accountOf(gateway, asked, () => INTERACTION) };
  // A scope of its own, since it takes other bodies than FHIR does.
  void server.register((scope, _options, done) => {
    takeBodies(scope, BODY_TYPES, NOT_TAKEN);
    for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH'] as const) {
      scope.route({ method, url: PATH, config, handler: answer });
    }
    done();
  });
}

/** What it is counted as. */
const INTERACTION = 'activities';

function notAllowed(): Refusal {
  const message =
    'This address takes POST only: events that are published. What was recorded is read at /fhir/R4.';
  return refuse({ category: 'method', code: 'not-supported', message }, { allow: 'POST' });
}
