/** `carelog gateway|writer|projector|relay`: one service of a cluster, until it is told to end. */
import { readKafkaSettings, type KafkaSettings } from '@carelog/distribution';
import { closeOnSignal, createLog, describeFault, readClusterConfigOrExit, startTracing, type Service } from '@carelog/service-kit'; // prettier-ignore
import { CommandFailure } from '../command-failure.ts';

export const services = ['gateway', 'writer', 'projector', 'relay'] as const;

/** Resolves when it serves; from then on a signal ends it. Throws `CommandFailure` where it cannot start. */
export async function serve(name: (typeof services)[number]): Promise<void> {
  if (process.channel) {
    // Started by a cluster on this machine, it ends with it, also while it is starting.
    process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
    // Where it cannot start it ends by itself, though somebody still listens to it: then it is started again.
    process.channel.unref();
  }
  const tracing = await startTracing(name, createLog('warn'));
  const { service, log } = await starting[name]().catch((fault: unknown) => {
    if (fault instanceof CommandFailure) throw fault;
    if (isPortTaken(fault)) {
      process.send?.({ portTaken: fault.port } satisfies PortTaken);
      throw new CommandFailure(`The ${name} could not start: something else listens on port ${fault.port}. End that, or set another port (PORT; of a writer for gateways, CARELOG_WRITER_PORT).`); // prettier-ignore
    }
    const said = fault instanceof Error ? fault.message : String(fault);
    throw new CommandFailure(`The ${name} could not start. ${said}\n${JSON.stringify(describeFault(fault))}`);
  });
  closeOnSignal({ close: () => service.close().then(() => tracing.close()) }, log);
  process.stdout.write(`${name} ${service.url()}\n`);
}

/** What a service tells whoever started it as a child, where it could not start for that. */
export interface PortTaken {
  readonly portTaken: number;
}

const isPortTaken = (fault: unknown): fault is { readonly port: number } =>
  fault instanceof Error && 'code' in fault && fault.code === 'EADDRINUSE';

interface Started {
  readonly service: Service;
  readonly log: ReturnType<typeof createLog>;
}

const starting: Record<(typeof services)[number], () => Promise<Started>> = {
  async gateway() {
    const { GATEWAY_SETTINGS, startGatewayService } = await import('../cluster/gateway.ts');
    const { config, cluster } = readClusterConfigOrExit(GATEWAY_SETTINGS);
    const log = createLog(config.logLevel);
    return { log, service: await startGatewayService(config, cluster, log) };
  },
  async writer() {
    const { startWriter, WRITER_SETTINGS } = await import('../cluster/writer.ts');
    const { config, cluster } = readClusterConfigOrExit(WRITER_SETTINGS);
    const log = createLog(config.logLevel);
    return { log, service: await startWriter(config, cluster, log) };
  },
  async projector() {
    const { PROJECTOR_SETTINGS, startProjectorOf } = await import('../cluster/projector.ts');
    const { config, cluster } = readClusterConfigOrExit(PROJECTOR_SETTINGS);
    const log = createLog(config.logLevel);
    return { log, service: await startProjectorOf(config, cluster, kafkaSettings(), log) };
  },
  async relay() {
    const { RELAY_SETTINGS, startRelayOf } = await import('../cluster/relay.ts');
    const { config, cluster } = readClusterConfigOrExit(RELAY_SETTINGS);
    const log = createLog(config.logLevel);
    return { log, service: await startRelayOf(config, cluster, kafkaSettings(), log) };
  },
};

function kafkaSettings(): KafkaSettings {
  const outcome = readKafkaSettings();
  if (outcome.kind === 'valid') return outcome.settings;
  throw new CommandFailure(
    `This service cannot start with these settings:\n  ${outcome.problems.join('\n  ')}`,
  );
}
