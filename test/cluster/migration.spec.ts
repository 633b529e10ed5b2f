// From one machine to a cluster: what `carelog export` and `carelog import-log` carry over, and that every view comes out the same.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { defaultPolicy } from '@carelog/access';
import { engineOrReason, startPostgres } from '@carelog/engines';
import {
  encodeEnvelope,
  openPostgresEventStore,
  openSqliteLogReader,
  type EventStore,
} from '@carelog/event-store';
import { openKeyring, openPostgresKeyring } from '@carelog/keyring';
import { catchUpLanes } from '@carelog/projection';
import { migrateRecord, recordProjection, schemaOf } from '@carelog/read-models';
import { createLog } from '@carelog/service-kit';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { loadPopulation } from '../../apps/carelog/src/commands/demo.ts';
import { exportLogs } from '../../apps/carelog/src/commands/export.ts';
import { compareViews, importLog } from '../../apps/carelog/src/commands/import-log.ts';
import { dataPaths } from '../../apps/carelog/src/paths.ts';
import { openViewGround } from '../../apps/projector/src/service.ts';
import { startEmptyStack } from '../support/start-stack.ts';

const root = mkdtempSync(path.join(tmpdir(), 'carelog-migration-'));
const started = await engineOrReason(() =>
  startPostgres({ folder: path.join(root, 'postgres'), sync: false }),
);
const postgres = typeof started === 'string' ? undefined : started;
const LANES = 4;

const data = path.join(root, 'data');
const [exported, keys] = [path.join(root, 'export'), path.join(root, 'keys')];
const masterKeyFile = path.join(keys, 'master.key');

/** A database of its own for each test, so that none finds what another left. */
async function emptyDatabase(name: string): Promise<string> {
  const owner = new Client({ connectionString: postgres!.url() });
  await owner.connect();
  await owner.query(`CREATE DATABASE ${name}`);
  await owner.end();
  const url = postgres!.url(name);
  vi.stubEnv('CARELOG_LOG_URL', url);
  vi.stubEnv('CARELOG_ACCESS_LOG_URL', url);
  vi.stubEnv('CARELOG_KEYRING_URL', url);
  vi.stubEnv('CARELOG_READ_MODELS_URL', url);
  return url;
}

beforeAll(async () => {
  if (postgres === undefined) return;
  vi.stubEnv('CARELOG_DATA', data);
  vi.stubEnv('CARELOG_KEYRING_MASTER_KEY_FILE', masterKeyFile);
  const stack = await startEmptyStack(data);
  await loadPopulation({ url: stack.url, token: () => stack.token('publisher'), people: 12, seed: 7 });
  // Read, so that there are accesses too; and one person is erased.
  for (let index = 0; index < 20; index++) await stack.fhir('GET', '/Patient?_count=5', { as: 'gp' });
  await vi.waitUntil(async () => (await stack.fhir('GET', `${stack.url}/status`, { as: 'operator' })).json.projections[0].lag === 0, 30_000); // prettier-ignore
  await stack.stop();
  await erase('Patient');
  // What was erased is gone from a view once it is built again.
  const again = await startEmptyStack(data);
  expect((await again.fhir('POST', `${again.url}/rebuild/record`, { as: 'operator' })).status).toBe(200);
  await again.stop();
  await exportLogs(exported, keys);
}, 180_000);
afterAll(async () => {
  vi.unstubAllEnvs();
  await postgres?.stop();
  rmSync(root, { recursive: true });
});

describe.skipIf(postgres === undefined)(
  `a move into a cluster${postgres ? '' : `: ${String(started)}`}`,
  () => {
    it('keeps ids, bytes and order of both logs, and opens what could be opened, and nothing else', async () => {
      const url = await emptyDatabase('moved');
      await importLog(exported, keys);
      const paths = dataPaths(data);
      const logs = [
        ['log', paths.log],
        ['access_log', path.join(paths.accessLog, 'log.sqlite')],
      ] as const;
      const [before, after] = [openKeyring(paths.keyring, { readOnly: true }), await openPostgresKeyring({ url, masterKeyFile })]; // prettier-ignore
      for (const [schema, file] of logs) {
        const [from, to] = [
          openSqliteLogReader({ path: file }),
          await openPostgresEventStore({ url, schema }),
        ];
        expect(from.head().position).toBeGreaterThan(schema === 'log' ? 100 : 0);
        expect(to.head().position).toBe(from.head().position);
        expect(to.head().epoch).not.toBe(from.head().epoch);
        let opened = 0;
        for await (const [one, other] of pairs(from, to)) {
          expect(Buffer.compare(encodeEnvelope(one), encodeEnvelope(other))).toBe(0);
          expect(Buffer.compare(one.content, other.content)).toBe(0);
          await after.know([one.partition]);
          const [was, is] = [before.open(one), after.open(other)];
          expect(is).toEqual(was);
          if (was.kind === 'opened') opened += 1;
        }
        expect(opened).toBeGreaterThan(0);
        await Promise.all([from.close(), to.close()]);
      }
      before.close();
      await after.close();
    });

    it('goes on where it was interrupted, and repeated changes nothing', async () => {
      await emptyDatabase('repeated');
      const cut = path.join(root, 'cut');
      cpSync(exported, cut, { recursive: true });
      const bytes = readFileSync(path.join(cut, 'log.events'));
      bytes[bytes.length - 1]! ^= 1;
      writeFileSync(path.join(cut, 'log.events'), bytes);
      await expect(importLog(cut, keys)).rejects.toThrow(/bytes are not those that were written/);
      await importLog(exported, keys);
      await importLog(exported, keys);
    });

    it('is refused where something was recorded already', async () => {
      const url = await emptyDatabase('taken');
      await importLog(exported, keys);
      const { someEvent, to } = await import('../../libs/event-store/src/some-event.ts');
      const store = await openPostgresEventStore({ url });
      await store.append([to('Patient/other', 'no-stream', someEvent())]);
      await store.close();
      await expect(importLog(exported, keys)).rejects.toThrow(/something was recorded there already/);
    });

    it('shows in each view what the one machine showed, to the last digest', async () => {
      const url = await emptyDatabase('viewed');
      await importLog(exported, keys);
      const owner = new Client({ connectionString: url });
      await owner.connect();
      await migrateRecord(owner, { schema: schemaOf('record', recordProjection.version) });
      await owner.end();
      expect(await compareViews(exported)).toBe(1);
      await build(url);
      expect(await compareViews(exported)).toBe(0);
    });
  },
);

async function build(url: string): Promise<void> {
  const { view, ground, close } = await openViewGround({
    logUrl: url,
    readModelsUrl: url,
    keyringUrl: url,
    masterKeyFile,
    lanes: LANES,
    policy: defaultPolicy(),
    log: createLog('silent'),
  });
  const { projection, readModel } = view;
  const lanes = Array.from({ length: LANES }, (_, lane) => lane);
  await catchUpLanes(lanes, { ...ground, skipped: async () => new Set(), projection, readModel });
  await close();
}

/** Destroys the key of the first person, as an erasure does. */
async function erase(type: string): Promise<void> {
  const paths = dataPaths(data);
  const log = openSqliteLogReader({ path: paths.log });
  const events = await log.readAll({ limit: 1_000 });
  const keyring = openKeyring(paths.keyring);
  await keyring.erase(events.find(({ stream }) => stream.startsWith(`${type}/`))!.partition);
  keyring.close();
  await log.close();
}

async function* pairs(from: Pick<EventStore, 'readAll'>, to: Pick<EventStore, 'readAll'>) {
  for (let after = 0; ;) {
    const [some, others] = await Promise.all([from.readAll({ after }), to.readAll({ after })]);
    expect(others.length).toBe(some.length);
    if (some.length === 0) return;
    for (const [index, event] of some.entries()) yield [event, others[index]!] as const;
    after = some.at(-1)!.position;
  }
}
