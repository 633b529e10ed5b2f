/** What operators see of a service that clients do not reach: health and metrics over HTTP, and nothing else. */
import { noCallerFacts, restrictionOf } from '@carelog/access';
import type { Problem } from '@carelog/fhir';
import { FHIR_BASE } from '@carelog/query-gateway';
import {
  METRICS_TYPE,
  metricsText,
  processSamples,
  sendProblems,
  startService,
  trustedIssuer,
  type Config,
  type Log,
  type Sample,
  type Service,
} from '@carelog/service-kit';

export interface OperationsOptions {
  readonly config: Config;
  readonly log: Log;
  readonly samples: () => readonly Sample[];
  readonly readiness: () => readonly Problem[] | Promise<readonly Problem[]>;
  /** Ends the service itself. */
  readonly release: () => Promise<void>;
}

/** Resolves when `PORT` is served; closing it ends the service. What cannot be started is released. */
export async function startOperations(options: OperationsOptions): Promise<Service> {
  const { config, log, samples, readiness, release } = options;
  try {
    return await startService({
      config,
      log,
      issuers: (url) => config.issuers.map((issuer) => trustedIssuer(issuer, url + FHIR_BASE, log)),
      readiness,
      routes(server, { requestMetrics }) {
        server.get('/metrics', (request, reply) => {
          const decision = restrictionOf(request.caller, 'status', undefined, noCallerFacts, config.policy);
          if (decision.permit) {
            const text = metricsText([...samples(), ...processSamples(), ...requestMetrics()]);
            return reply.header('content-type', METRICS_TYPE).send(text);
          }
          const message = `${decision.reason} ${decision.remedy}`;
          return sendProblems(reply, [{ category: 'forbidden', code: 'forbidden', message }]);
        });
      },
      release,
    });
  } catch (fault) {
    await release();
    throw fault;
  }
}

export function notReady(message: string): Problem {
  return { category: 'unavailable', code: 'transient', message };
}
