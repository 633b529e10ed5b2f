/**
 * What operators do with the views of a cluster, through the command line: versions of the record are built beside each other,
 * compared, switched and switched back; what a view could not take is retried or stepped over.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defaultPolicy } from '@carelog/access';
import { engineOrReason, startPostgres } from '@carelog/engines';
import {
  migrateEventStore,
  newEventId,
  openPostgresEventStore,
  type PostgresEventStore,
} from '@carelog/event-store';
import { makeMasterKey, migrateKeyring, openPostgresKeyring, type PostgresKeyring } from '@carelog/keyring';
import {
  careSettings,
  careSettingsSchema,
  migrateCareSettings,
  migratePopulation,
  openPostgresRecordHere,
  populationSchema,
} from '@carelog/read-models';
import { temporaryFolder } from '@carelog/testkit';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { CommandFailure } from '../../apps/carelog/src/command-failure.ts';
import {
  listDeadLetters,
  retryDeadLetters,
  skipDeadLetter,
} from '../../apps/carelog/src/commands/dead-letters.ts';
import {
  buildReadModel,
  compareReadModels,
  listReadModels,
  switchBack,
  switchReadModel,
} from '../../apps/carelog/src/commands/read-models.ts';
import { rebuildView } from '../../apps/carelog/src/commands/rebuild-view.ts';

const CLI = fileURLToPath(new URL('../../apps/carelog/src/cli.ts', import.meta.url));
const folder = temporaryFolder();
const postgres = await engineOrReason(() => startPostgres({ folder: join(folder, 'postgres'), sync: false }));
const [ANN, BOB] = [newEventId(), newEventId()];

describe.skipIf(typeof postgres === 'string')(
  `views of a cluster${typeof postgres === 'string' ? `: ${postgres}` : ''}`,
  () => {
    if (typeof postgres === 'string') return;
    const url = postgres.url();
    const masterKeyFile = join(folder, 'master.key');
    let owner: Client;
    let store: PostgresEventStore;
    let keyring: PostgresKeyring;

    beforeAll(async () => {
      for (const [name, value] of Object.entries({
        CARELOG_DATA: folder,
        CARELOG_LOG_URL: url,
        CARELOG_READ_MODELS_URL: url,
        CARELOG_KEYRING_URL: url,
        CARELOG_KEYRING_MASTER_KEY_FILE: masterKeyFile,
        CARELOG_KAFKA_LANES: '4',
      }))
        vi.stubEnv(name, value);
      owner = new Client(url);
      await owner.connect();
      await migrateEventStore(owner);
      makeMasterKey(masterKeyFile);
      await migrateKeyring(owner, { masterKeyFile });
      await owner.query(`CREATE ROLE gateway; CREATE ROLE projector`);
      await migrateCareSettings(owner, careSettings, { reader: 'gateway', writer: 'projector' });
      await migratePopulation(owner, { reader: 'gateway', writer: 'projector', policy: defaultPolicy() });
      store = await openPostgresEventStore({ url });
      keyring = await openPostgresKeyring({ url, masterKeyFile });
      await record(ANN, 'Patient/ann', { name: [{ family: 'Grey' }] });
      await record(BOB, 'Patient/bob', { name: [{ family: 'Brown' }] });
      await record(ANN, 'Observation/1', { status: 'final', subject: { reference: 'Patient/ann' } });
    });
    afterAll(async () => {
      vi.unstubAllEnvs();
      await keyring.close();
      await store.close();
      await owner.end();
      await postgres.stop();
    });

    async function record(partition: string, stream: string, content: object | string): Promise<void> {
      const [resourceType, id] = stream.split('/');
      const text = typeof content === 'string' ? content : JSON.stringify({ resourceType, id, ...content });
      const event = newEventId();
      await keyring.prepare([partition]);
      const sealed = keyring.seal(partition, { id: event, stream }, new TextEncoder().encode(text));
      await store.append([
        {
          stream,
          expectedRevision: 'any',
          events: [
            {
              id: event,
              type: 'record.made',
              schemaVersion: 1,
              partition,
              occurredAt: '2026-01-01T00:00:00Z',
              publisher: { organisation: 'A12345', system: 'test' },
              careSetting: 'acute',
              action: 'new',
              labels: [],
              correlationId: event,
              ...sealed,
            },
          ],
        },
      ]);
    }

    /** What a command prints, and how it ends. */
    async function carelog(
      command: () => Promise<unknown>,
    ): Promise<{ code: number; out: string; err: string }> {
      let out = '';
      const printing = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
        out += String(text);
        return true;
      });
      try {
        const code = Number((await command()) ?? 0);
        return { code, out, err: '' };
      } catch (fault) {
        if (!(fault instanceof CommandFailure)) throw fault;
        return { code: fault.exitCode, out, err: fault.message };
      } finally {
        printing.mockRestore();
      }
    }

    it('are built from the log and switched to, with the rights that the one before gave', async () => {
      expect(await carelog(() => buildReadModel(4))).toMatchObject({ code: 0 });
      expect((await carelog(() => listReadModels({}))).out).toMatch(
        /^record_v4 {2}stands by, at event 3, up to date, 0 parked\n$/,
      );
      expect(await carelog(() => switchReadModel(4, { by: 'ann' }))).toMatchObject({
        code: 0,
        out: 'Version 4 serves.\n',
      });
      await owner.query(`GRANT USAGE ON SCHEMA record_v4 TO gateway, projector;
        GRANT SELECT ON ALL TABLES IN SCHEMA record_v4 TO gateway;
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA record_v4 TO projector`);
      await carelog(() => buildReadModel(5));
      const { rows } =
        await owner.query(`SELECT has_table_privilege('gateway', 'record_v5.resource', 'SELECT') AS reads,
        has_table_privilege('gateway', 'record_v5.resource', 'INSERT') AS forges,
        has_table_privilege('projector', 'record_v5.checkpoint', 'UPDATE') AS moves`);
      expect(rows).toEqual([{ reads: true, forges: false, moves: true }]);
    });

    it('are compared with the one that serves, to the last row', async () => {
      expect(await carelog(() => compareReadModels(5, {}))).toMatchObject({
        code: 0,
        out: expect.stringContaining('They are equal.') as string,
      });
      await owner.query(`UPDATE record_v5.resource SET body = body || ' ' WHERE stream = 'Patient/bob'`);
      const differing = await carelog(() => compareReadModels(5, {}));
      expect(differing).toMatchObject({
        code: 1,
        out: expect.stringContaining('They differ in: ') as string,
      });
      expect(differing.out).toContain('3 resource');
      await owner.query(`UPDATE record_v5.resource SET body = rtrim(body) WHERE stream = 'Patient/bob'`);
    });

    it('are not compared when they are not equally far', async () => {
      await record(BOB, 'Observation/2', { status: 'final', subject: { reference: 'Patient/bob' } });
      await carelog(() => buildReadModel(5));
      const outcome = await carelog(() => compareReadModels(5, { patience: 1 }));
      expect(outcome).toMatchObject({ code: 1, err: expect.stringContaining('never equally far') as string });
    });

    it('are switched, and back', async () => {
      expect((await carelog(() => switchReadModel(5, {}))).out).toBe(
        'Version 5 serves. Back to version 4: carelog read-models back\n',
      );
      expect((await carelog(() => switchBack({}))).out).toContain('Version 4 serves.');
      expect(await carelog(() => switchReadModel(9, {}))).toMatchObject({
        code: 1,
        err: expect.stringContaining('There are: 4, 5.') as string,
      });
      expect(await carelog(() => switchReadModel(4, {}))).toMatchObject({
        code: 1,
        err: 'Version 4 serves already.',
      });
    });

    it('stop at what they cannot take, there only, until it is stepped over', async () => {
      await record(ANN, 'Observation/3', 'this is no JSON');
      await record(BOB, 'Observation/4', { status: 'final', subject: { reference: 'Patient/bob' } });
      await record(ANN, 'Observation/5', { status: 'final', subject: { reference: 'Patient/ann' } });
      await carelog(() => buildReadModel(4));
      const view = openPostgresRecordHere({ url, schema: 'record_v4' });
      try {
        expect(await view.read('Observation', '4')).toMatchObject({ kind: 'found' });
        expect(await view.read('Observation', '5')).toMatchObject({ kind: 'unknown' });
        expect(await view.parkedPartitionOf('Observation', '5')).toMatchObject({ partition: ANN });
        expect((await carelog(() => listDeadLetters({}))).out).toBe(
          `record_v4:\npartition ${ANN} stopped at event 5 (SyntaxError); 2 wait: 5, 7\n`,
        );
        expect(await carelog(() => retryDeadLetters(ANN, {}))).toMatchObject({
          code: 1,
          out: `Partition ${ANN}: 0 events applied, stopped again at event 5 (SyntaxError).\n`,
        });
        const skipped = await carelog(() => skipDeadLetter(5, { why: 'a test message', by: 'eve' }));
        expect(skipped).toMatchObject({ code: 0, out: expect.stringContaining('is whole again') as string });
        expect(await view.read('Observation', '5')).toMatchObject({ kind: 'found' });
        expect(await view.parked()).toEqual([]);
        expect((await carelog(() => listDeadLetters({}))).out).toMatch(
          /nothing waits\.\nevent 5 of partition .* is stepped over: a test message \(eve, 20/,
        );
      } finally {
        view.close();
      }
    });

    it('step over it again when they are built anew', async () => {
      await carelog(() => buildReadModel(6));
      expect(await carelog(() => listDeadLetters({ of: 6 }))).toMatchObject({
        out: expect.stringContaining('record_v6: nothing waits.') as string,
      });
      expect(await carelog(() => compareReadModels(6, {}))).toMatchObject({ code: 0 });
    });

    it('of care settings are rebuilt, and take the place of what serves, with its rights', async () => {
      const schema = careSettingsSchema(careSettings);
      const streams = async () => (await owner.query(`SELECT stream FROM ${schema}.fact WHERE told IS NOT NULL ORDER BY 1`)).rows.map((row: { stream: string }) => row.stream); // prettier-ignore
      expect(await carelog(() => rebuildView('care-settings'))).toMatchObject({
        code: 0,
        out: expect.stringMatching(/^The care settings are rebuilt up to event \d+/) as string,
      });
      const built = await streams();
      expect(built).toContain('Patient/bob');
      // Stepped over in the record, it is stepped over here.
      expect((await owner.query(`SELECT FROM ${schema}.parked`)).rowCount).toBe(0);
      expect(built).toContain('Observation/5');
      await owner.query(`DELETE FROM ${schema}.fact WHERE stream = 'Patient/bob'`);
      await carelog(() => rebuildView('care-settings'));
      expect(await streams()).toEqual(built);
      const { rows } =
        await owner.query(`SELECT has_table_privilege('gateway', '${schema}.fact', 'SELECT') AS reads,
        has_table_privilege('gateway', '${schema}.fact', 'INSERT') AS forges,
        has_table_privilege('projector', '${schema}.work', 'DELETE') AS writes`);
      expect(rows).toEqual([{ reads: true, forges: false, writes: true }]);
      const { rows: left } = await owner.query(`SELECT nspname FROM pg_namespace WHERE nspname LIKE '${schema}\\_%'`); // prettier-ignore
      expect(left).toEqual([]);
      await owner.query(`DELETE FROM ${populationSchema(defaultPolicy())}.fact`);
      expect(await carelog(() => rebuildView('population'))).toMatchObject({ code: 0 });
      expect(
        (await owner.query(`SELECT FROM ${populationSchema(defaultPolicy())}.fact`)).rowCount,
      ).toBeGreaterThan(0);
      expect(await carelog(() => rebuildView('acute'))).toMatchObject({ code: 2 });
    });

    it('are refused without settings, naming each', async () => {
      const child = spawn(
        process.execPath,
        ['--disable-warning=ExperimentalWarning', CLI, 'read-models', 'list'],
        {
          env: { PATH: process.env['PATH'], CARELOG_DATA: folder },
        },
      );
      let said = '';
      child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
      expect(await new Promise((resolve) => child.on('close', resolve))).toBe(2);
      expect(said).toContain('CARELOG_READ_MODELS_URL must');
      expect(said).toContain('CARELOG_KEYRING_MASTER_KEY_FILE must');
    });
  },
);
