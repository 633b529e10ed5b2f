/** An activity writer of a cluster: gateways hand it what is to be recorded. Any number of them write one log. */
import { restrictionOf, noCallerFacts } from '@carelog/access';
import { createRecordActivity, startWriterService } from '@carelog/activity-writer';
import { accessFactsFrom, FHIR_BASE, matchFrom } from '@carelog/query-gateway';
import {
  metricsText,
  METRICS_TYPE,
  processSamples,
  readServiceKey,
  sendProblems,
  startService,
  trustedIssuer,
  type ClusterSettings,
  type Config,
  type Log,
  type Service,
} from '@carelog/service-kit';
import { ENGINE_SETTINGS, openEngines, type EngineSettings } from './engines.ts';
import { readinessOf } from './readiness.ts';

export const WRITER_SETTINGS = [...ENGINE_SETTINGS, 'writerPort'] as const;

/** What it asks of the record is asked by few, e.g. conditional creates. */
const THREADS = 1;

export interface Writer extends Service {
  /** Where gateways reach it. */
  readonly port: number;
}

/** Resolves when requests are taken; `PORT` serves its health and metrics. */
export async function startWriter(
  config: Config,
  settings: EngineSettings & Pick<ClusterSettings, 'writerPort'>,
  log: Log,
): Promise<Writer> {
  const { policy, host } = config;
  const serviceKey = readServiceKey(settings.serviceKeyFile);
  const engines = await openEngines(settings, { policy, threads: THREADS, log });
  const { store, keyring, reading } = engines;
  const releasing = [() => engines.close()];
  const release = async (): Promise<void> => {
    for (const end of releasing.splice(0).reverse()) await end();
  };
  try {
    const recordActivity = createRecordActivity({
      store,
      keyring,
      match: matchFrom(reading),
      accessFacts: accessFactsFrom(reading),
      policy,
      // Room is the database's to give; where it has none the log says so.
      hasRoom: () => true,
    });
    const writer = await startWriterService({
      recordActivity,
      host,
      port: settings.writerPort,
      serviceKey,
      log,
    });
    releasing.push(() => writer.close());
    const service = await startService({
      config,
      log,
      issuers: (url) => config.issuers.map((issuer) => trustedIssuer(issuer, url + FHIR_BASE)),
      readiness: () => readinessOf(engines),
      routes(server, { requestMetrics }) {
        server.get('/metrics', (request, reply) => {
          const decision = restrictionOf(request.caller, 'status', undefined, noCallerFacts, policy);
          if (!decision.permit) {
            const message = `${decision.reason} ${decision.remedy}`;
            return sendProblems(reply, [{ category: 'forbidden', code: 'forbidden', message }]);
          }
          const { position } = store.head();
          const samples = [{ name: 'carelog_log_position', value: position }, ...processSamples()] as const;
          return reply
            .header('content-type', METRICS_TYPE)
            .send(metricsText([...samples, ...requestMetrics()]));
        });
      },
      release,
    });
    return { ...service, port: writer.port };
  } catch (fault) {
    await release();
    throw fault;
  }
}
