/** A whole cluster on this machine whose processes, engines and connections a test may break, and what must hold of it then. */
import { join } from 'node:path';
import { freePort, startKafka, startPostgres, type Kafka, type Postgres } from '@carelog/engines';
import { openPostgresEventStore, type RecordedEvent } from '@carelog/event-store';
import { compareRecords, openVersions, recordProjection, schemaOf } from '@carelog/read-models';
import { createLog, issueToken, personas } from '@carelog/service-kit';
import { startTcpProxy, temporaryFolder, type TcpProxy } from '@carelog/testkit';
import { expect, vi } from 'vitest';
import type { ChildService } from '../../apps/carelog/src/cluster/child-services.ts';
import { LANES, startLocalCluster, type LocalCluster } from '../../apps/carelog/src/cluster/local-cluster.ts';
import { buildReadModel } from '../../apps/carelog/src/commands/read-models.ts';
import { expectBesideAsFresh } from './fresh-views.ts';
import { stackConfig } from './stack-config.ts';

/** Who talks to whom: everything that a network can come between. */
export const links = [
  'gateway–writer',
  'gateway–PostgreSQL',
  'writer–PostgreSQL',
  'relay–PostgreSQL',
  'projector–PostgreSQL',
  'relay–Kafka',
  'projector–Kafka',
] as const;
export type LinkName = (typeof links)[number];

export interface Link {
  /** Resets every connection, and refuses new ones. */
  cut(): void;
  /** Takes everything, and passes nothing on. */
  stall(): void;
  mend(): void;
}

export interface ClusterScene {
  readonly cluster: LocalCluster;
  readonly postgres: Postgres;
  readonly kafka: Kafka;
  link(name: LinkName): Link;
  /** Breaks the connection of that service where it comes to this step of an append; resolves then. */
  breakAt(service: string, step: keyof typeof STEPS, when: 'unheard' | 'unanswered'): Promise<void>;
  token(persona: string): Promise<string>;
  /** The whole log. */
  events(): Promise<RecordedEvent[]>;
  /** Fails unless every view that is served is as one that is built from the log now. Nobody may write meanwhile. */
  expectViewsAsFresh(): Promise<void>;
  close(): Promise<void>;
}

const LIMITS = { CARELOG_LOG: 'error', CARELOG_LIMIT_SYSTEMS: '10000/10000/512' };
const VIEW = recordProjection.name;
/** By what PostgreSQL is sent then. */
const STEPS = { turn: 'turn\0', commit: 'COMMIT\0' } as const;

/** `env` is for all services. */
export async function startClusterScene(env: Readonly<Record<string, string>> = {}): Promise<ClusterScene> {
  const folder = temporaryFolder();
  const closing: (() => Promise<unknown>)[] = [];
  const { postgres, kafka, toKafka } = await startBreakableEngines(folder, closing);
  const proxyTo = async <Name>(target: number, name: Name, proxies: Map<Name, TcpProxy>): Promise<number> => {
    const proxy = proxies.get(name) ?? (await startTcpProxy(target));
    if (!proxies.has(name)) closing.push(() => proxy.close());
    proxies.set(name, proxy);
    return proxy.port;
  };
  const toPostgres = new Map<string, TcpProxy>();
  const toWriters = new Map<number, TcpProxy>();

  const cluster = await startLocalCluster(stackConfig(folder), createLog('silent'), {
    env: () => ({ ...LIMITS, ...env }),
    engines: { postgresUrl: postgres.url(), brokers: kafka.brokers },
    settingsOf: throughProxies,
  });

  async function throughProxies({ name, env: own }: ChildService): Promise<ChildService['env']> {
    const port = await proxyTo(postgres.port, name, toPostgres);
    const broken = Object.entries(own).map(([name, value]) => {
      if (!value.startsWith('postgres://')) return [name, value];
      return [name, Object.assign(new URL(value), { port: String(port) }).href];
    });
    const { CARELOG_WRITERS: writers } = own;
    if (writers === undefined) return Object.fromEntries(broken);
    const targets = [...writers.matchAll(/:(\d+)/g)].map(([, target]) => Number(target));
    for (const target of targets) await proxyTo(target, target, toWriters);
    const through = writers.replaceAll(/:(\d+)/g, (_, target) => `:${toWriters.get(Number(target))!.port}`);
    return { ...Object.fromEntries(broken), CARELOG_WRITERS: through };
  }

  function link(name: LinkName): Link {
    const [from, to] = name.split('–') as [string, string];
    // Kafka tells its clients one address; what they call themselves is in the head of each request.
    if (to === 'Kafka') {
      const isFrom = (first: Buffer): boolean => first.includes(`carelog-${from}`);
      return {
        cut: () => toKafka.cut(isFrom),
        stall: () => toKafka.stall(isFrom),
        mend: () => toKafka.mend(),
      };
    }
    const proxies =
      to === 'writer'
        ? [...toWriters.values()]
        : [...toPostgres].flatMap(([name, it]) => (name.startsWith(from) ? [it] : []));
    const each = (work: (proxy: TcpProxy) => void) => () => proxies.forEach(work);
    return { cut: each((it) => it.cut()), stall: each((it) => it.stall()), mend: each((it) => it.mend()) };
  }

  async function events(): Promise<RecordedEvent[]> {
    const store = await openPostgresEventStore({ url: cluster.settings['CARELOG_LOG_URL']! });
    const all: RecordedEvent[] = [];
    for (let page; (page = await store.readAll({ after: all.at(-1)?.position ?? 0 })).length > 0;) {
      all.push(...page);
    }
    await store.close();
    return all;
  }

  let fresh = recordProjection.version + 1_000;
  return {
    cluster,
    postgres,
    kafka,
    link,
    breakAt: (service, step, when) =>
      toPostgres.get(service)!.breakAt((sent) => sent.includes(STEPS[step]), when),
    async token(persona) {
      const outcome = await issueToken({ dataFolder: folder, personas, persona, url: cluster.gateways[0]! });
      if (outcome.kind === 'refused') throw new Error(outcome.message);
      return outcome.token;
    },
    events,
    async expectViewsAsFresh() {
      for (const [name, value] of Object.entries(cluster.settings)) vi.stubEnv(name, value);
      const url = cluster.settings['CARELOG_READ_MODELS_URL']!;
      const versions = openVersions(url);
      try {
        await buildReadModel((fresh += 1));
        const live = (await versions.live(VIEW))!.version;
        const schemas = [schemaOf(VIEW, live), schemaOf(VIEW, fresh)] as const;
        const outcome = await compareRecords({ url, schemas, patienceMs: 90_000 });
        expect(outcome).toMatchObject({ kind: 'compared', differing: [] });
        await expectBesideAsFresh(cluster.ownerUrl, await events(), LANES);
      } finally {
        await versions.close();
        vi.unstubAllEnvs();
      }
    },
    async close() {
      await cluster.close();
      for (const end of closing.splice(0).reverse()) await end();
    },
  };
}

async function startBreakableEngines(folder: string, closing: (() => Promise<unknown>)[]) {
  const port = await freePort();
  const toKafka = await startTcpProxy(port);
  closing.push(() => toKafka.close());
  const advertised = [toKafka.port];
  const [postgres, kafka] = await Promise.all([
    startPostgres({ folder: join(folder, 'postgres') }),
    startKafka({ folder: join(folder, 'kafka'), port, advertised }),
  ]);
  closing.push(
    () => postgres.stop(),
    () => kafka.stop(),
  );
  return { postgres, kafka, toKafka };
}
