/**
 * What clients reach of the platform, whatever it runs on: the FHIR API, the identity provider where it is ours, status,
 * metrics and the start page on one port.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import {
  activityRoutes,
  Channels,
  eventRoutes,
  FHIR_BASE,
  fhirRoutes,
  type Gateway,
} from '@carelog/query-gateway';
import type { Keyring } from '@carelog/keyring';
import {
  metricsText,
  openIdentity,
  personas,
  smartConfigurationRoutes,
  startService,
  trustedIssuer,
  type Config,
  type Identity,
  type Log,
  type Service,
  type ServiceOptions,
} from '@carelog/service-kit';
import { openHookSender } from '@carelog/subscriptions';
import { firstPersonNhsNumber } from '@carelog/synthetic';
import { DEMO_SEED } from './demo-population.ts';
import { eraseRoutes } from './erase-accesses.ts';
import { platformSamples, subscriberSamples } from './metrics.ts';
import { startPageRoutes } from './start-page/routes.ts';
import { statusOf, statusRoutes, type Running } from './status.ts';
import { version } from './version.ts';

export interface Platform {
  readonly running: Running;
  readonly gateway: Gateway;
  readonly readiness?: NonNullable<ServiceOptions['readiness']>;
  readonly release: () => Promise<void>;
}

/** Eight years, as the NHS Records Management Code has it for records of adult care. */
const ACCESS_LOG_MONTHS = 96;

/** Nest tokens of what lives as long as the service. */
const RUNNING = Symbol('running');

/** Resolves when requests are accepted; releases the platform when it closes, or cannot start. */
export async function startFront(
  { running, gateway: platform, readiness, release }: Platform,
  config: Config,
  log: Log,
): Promise<Service> {
  let identity: Identity | undefined;
  let channels: Channels | undefined;
  let address = (): string => '';
  const releaseAll = async (): Promise<void> => {
    await channels?.stop();
    await release();
    identity?.close();
  };
  try {
    const embedded = (identity = config.embeddedIdentity ? await openPersonas(config, log) : undefined);
    const hooks = openHookSender({ origins: config.hooks });
    const gateway: Gateway = {
      ...platform,
      subscriptions: {
        ...platform.subscriptions,
        refusalOf: (endpoint) => hooks.refusalOf(endpoint),
        changed: () => channels?.changed(),
      },
      ...(embedded !== undefined && {
        tokensFrom: (base) => embedded.addresses(base.replace(FHIR_BASE, '')),
      }),
    };
    const base = () => address() + FHIR_BASE;
    const open = (channels = new Channels({ gateway, hooks, log, base }));
    const service = await startService({
      config,
      log,
      providers: [{ provide: RUNNING, useValue: running }],
      ...(readiness !== undefined && { readiness }),
      issuers: (url) => [
        ...(embedded === undefined ? [] : [embedded.issuer(url)]),
        ...config.issuers.map((settings) => trustedIssuer(settings, url + FHIR_BASE, log)),
      ],
      routes(server, { url, requestMetrics, recheck }) {
        address = url;
        embedded?.mount(server, url);
        smartConfigurationRoutes(
          server,
          {
            ...(embedded === undefined ? {} : { embedded: embedded.addresses }),
            issuers: config.issuers.map(({ issuer }) => issuer),
          },
          url,
        );
        fhirRoutes(server, gateway, url);
        activityRoutes(server, gateway, base);
        const streams = eventRoutes(server, gateway, { url, recheck }, log);
        open.mount(server);
        eraseRoutes(server, running, {
          accessLog: gateway.accessLog,
          months: config.accessLogMonths ?? ACCESS_LOG_MONTHS,
        });
        statusRoutes(server, running, async () =>
          metricsText([
            ...(await platformSamples(running, gateway)),
            ...subscriberSamples(gateway, streams(), open.load()),
            ...requestMetrics(),
          ]),
        );
        startPageRoutes(server, {
          facts: () => startPageFacts(running, config, url()),
          docsFolder: DOCS_FOLDER,
        });
      },
      release: releaseAll,
    });
    open.start();
    return service;
  } catch (fault) {
    await releaseAll();
    throw fault;
  }
}

function openPersonas({ dataFolder, apps = [] }: Config, log: Log): Promise<Identity> {
  const patientNhsNumber = firstPersonNhsNumber(DEMO_SEED);
  return openIdentity({ dataFolder, personas, patientNhsNumber, apps, log });
}

const DOCS_FOLDER = join(import.meta.dirname, '../../../docs');

const DIGEST_LENGTH = 16;

/** What a gateway has of the keyring's: the same at every gateway of an installation. */
export function keyedBy(keyring: Keyring): Pick<Gateway, 'digest' | 'cursorKey'> {
  return {
    digest: (value) => keyring.hmac('asked for', value).slice(0, DIGEST_LENGTH),
    cursorKey: createHash('sha256').update(keyring.hmac('cursor', 'key')).digest(),
  };
}

/** What secrets of subscriptions are sealed under and derived from. */
export function subscriptionKey(keyring: Keyring): Uint8Array {
  return createHash('sha256').update(keyring.hmac('subscriptions', 'key')).digest();
}

async function startPageFacts(running: Running, config: Config, url: string) {
  const { people, log, projections } = await statusOf(running);
  return {
    version,
    url,
    people,
    personas: config.embeddedIdentity ? personas : [],
    startedAt: new Date(running.startedAt),
    demo: config.demo,
    events: log.position,
    head: log.position,
    projections: projections.map(({ name, position, lag, parked }) => ({
      name,
      position,
      lag,
      parked: parked.length,
    })),
  };
}
