/**
 * The record on real Kafka and PostgreSQL, with its services as processes: projectors are killed while events keep coming, and
 * meanwhile another version is built beside the one that serves, joins in, is compared with it, takes over and hands back.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { defaultPolicy } from '@carelog/access';
import { ensureTopic } from '@carelog/distribution';
import { engineOrReason, startKafka, startPostgres } from '@carelog/engines';
import { newEventId, openPostgresEventStore, type PostgresEventStore } from '@carelog/event-store';
import { makeMasterKey, openPostgresKeyring, type PostgresKeyring } from '@carelog/keyring';
import { compareRecords, openVersions, recordProjection, schemaOf } from '@carelog/read-models';
import { makeServiceKey } from '@carelog/service-kit';
import { temporaryFolder } from '@carelog/testkit';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { migrateCluster } from '../../apps/carelog/src/cluster/migrate.ts';
import { buildReadModel, compareReadModels, switchBack, switchReadModel } from '../../apps/carelog/src/commands/read-models.ts'; // prettier-ignore

const CLI = fileURLToPath(new URL('../../apps/carelog/src/cli.ts', import.meta.url));
const rounds = Number(process.env['ROUNDS'] ?? 1);
const PEOPLE = 30;
const LANES = 4;
const PATIENCE = { timeout: 180_000, interval: 200 };

const folder = temporaryFolder();
const postgres = await engineOrReason(() => startPostgres({ folder: join(folder, 'postgres') }));
const kafka = await engineOrReason(() => startKafka({ folder: join(folder, 'kafka') }));
const reason = [postgres, kafka].find((it) => typeof it === 'string');

describe.skipIf(reason !== undefined)(
  `the record in a cluster${reason === undefined ? '' : `: ${reason}`}`,
  () => {
    if (typeof postgres === 'string' || typeof kafka === 'string') return;
    const url = postgres.url();
    const masterKeyFile = join(folder, 'master.key');
    const serviceKeyFile = join(folder, 'service.key');
    const [own, next, fresh] = [0, 1, 2].map((later) => recordProjection.version + later) as [
      number,
      number,
      number,
    ];
    const people = Array.from({ length: PEOPLE }, () => newEventId());
    const processes: ChildProcess[] = [];
    let store: PostgresEventStore;
    let keyring: PostgresKeyring;
    let recorded = 0;
    let isLoaded = false;
    let load = Promise.resolve();
    const followed = [own];

    beforeAll(async () => {
      makeMasterKey(masterKeyFile);
      makeServiceKey(serviceKeyFile);
      await migrateCluster({ ownerUrl: url, masterKeyFile, policy: defaultPolicy() });
      for (const [name, value] of Object.entries({
        CARELOG_DATA: folder,
        CARELOG_LOG_URL: url,
        CARELOG_READ_MODELS_URL: url,
        CARELOG_DISTRIBUTION_URL: url,
        CARELOG_KEYRING_URL: url,
        CARELOG_KEYRING_MASTER_KEY_FILE: masterKeyFile,
        CARELOG_SERVICE_KEY_FILE: serviceKeyFile,
        CARELOG_KAFKA_BROKERS: kafka.brokers.join(','),
        CARELOG_KAFKA_LANES: String(LANES),
        CARELOG_LOG: 'error',
        PORT: '0',
      }))
        vi.stubEnv(name, value);
      await ensureTopic({ brokers: kafka.brokers, topic: 'carelog.activities', lanes: LANES, replicas: 1 });
      store = await openPostgresEventStore({ url });
      keyring = await openPostgresKeyring({ url, masterKeyFile });
      await keyring.prepare(people);
    });
    afterAll(async () => {
      isLoaded = false;
      await load;
      for (const child of processes) child.kill('SIGKILL');
      await keyring.close();
      await store.close();
      await kafka.stop();
      await postgres.stop();
      vi.unstubAllEnvs();
    });

    /** Resolves when the service says that it serves. */
    async function start(
      service: 'relay' | 'projector',
      env: Record<string, string> = {},
    ): Promise<ChildProcess> {
      const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', CLI, service], {
        env: { ...process.env, ...env },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      processes.push(child);
      await new Promise((resolve, reject) => {
        child.stdout.once('data', resolve);
        child.once('exit', (code) => reject(new Error(`${service} ended with ${code}`)));
      });
      return child;
    }

    /** Patients and observations, new ones and new versions. */
    async function record(count: number): Promise<void> {
      const appends = Array.from({ length: count }, () => {
        const number = (recorded += 1);
        const person = number % PEOPLE;
        const partition = people[person]!;
        const isPatient = number <= PEOPLE || number % 7 === 0;
        const stream = isPatient ? `Patient/p${person}` : `Observation/o${number - (number % 5)}-${person}`;
        const [resourceType, id] = stream.split('/');
        const resource = isPatient
          ? { resourceType, id, name: [{ family: `Grey ${number}` }] }
          : {
              resourceType,
              id,
              status: 'final',
              code: { text: `Reading ${number}` },
              subject: { reference: `Patient/p${person}` },
              valueInteger: number,
            };
        return { partition, stream, content: new TextEncoder().encode(JSON.stringify(resource)) };
      });
      await Promise.all(
        appends.map(({ partition, stream, content }) => {
          const id = newEventId();
          return store.append([
            {
              stream,
              expectedRevision: 'any',
              events: [
                {
                  id,
                  type: 'record.made',
                  schemaVersion: 1,
                  partition,
                  occurredAt: '2026-01-01T00:00:00Z',
                  publisher: { organisation: 'A12345', system: 'test' },
                  careSetting: 'acute',
                  action: 'new',
                  labels: [],
                  correlationId: id,
                  ...keyring.seal(partition, { id, stream }, content),
                },
              ],
            },
          ]);
        }),
      );
    }

    async function keepRecording(): Promise<void> {
      while (isLoaded) {
        await record(40);
        // As gateways do, which slow down before views fall behind.
        for (const version of followed) await settled(version);
        await delay(300);
      }
    }

    /** Every lane of the version is where the log is, or has nothing more. */
    async function settled(version: number): Promise<void> {
      const client = new Client(url);
      await client.connect();
      try {
        const { position } = await store.freshHead();
        await vi.waitUntil(async () => {
          const { rows } = await client.query<{ settled: boolean | null }>(
            `SELECT min(position) >= $1 AND count(*) = $2 AS settled FROM ${schemaOf('record', version)}.checkpoint`,
            [position, LANES],
          );
          return rows[0]!.settled;
        }, PATIENCE);
      } finally {
        await client.end();
      }
    }

    it(
      'is kept while its projectors are killed, and turned to another version and back',
      { timeout: 600_000 },
      async () => {
        await record(200);
        await start('relay');
        let projectors = await Promise.all([start('projector'), start('projector')]);
        isLoaded = true;
        load = keepRecording();
        for (let round = 0; round < rounds; round += 1) {
          projectors[0].kill('SIGKILL');
          projectors = [projectors[1], await start('projector')];
        }
        await buildReadModel(next);
        await start('projector', { CARELOG_RECORD_VERSION: String(next) });
        followed.push(next);
        // Both go on; there are moments at which they are equally far.
        expect(await compareReadModels(next, { patience: 120 })).toBe(0);
        const versions = openVersions(url);
        await switchReadModel(next, { by: 'ann' });
        expect(await versions.live('record')).toMatchObject({ version: next, previous: own });
        await switchBack({ by: 'ann' });
        expect(await versions.live('record')).toMatchObject({ version: own });
        await versions.close();
        isLoaded = false;
        await load;
        await Promise.all([settled(own), settled(next)]);
        await buildReadModel(fresh);
        for (const version of [own, next]) {
          const schemas = [schemaOf('record', version), schemaOf('record', fresh)] as const;
          expect(await compareRecords({ url, schemas })).toMatchObject({ kind: 'compared', differing: [] });
        }
        const ended = projectors.map((child) => new Promise((resolve) => child.once('exit', resolve)));
        for (const child of projectors) child.kill('SIGTERM');
        expect(await Promise.all(ended)).toEqual([0, 0]);
      },
    );
  },
);
