/** What a keyring in PostgreSQL promises beyond the port: rights, staleness, and what happens when the database goes away. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { engineOrReason, startPostgres } from '@carelog/engines';
import { Client } from 'pg';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { describeKeyring, event, plaintext, sealed } from '../contract.ts';
import { makeMasterKey } from '../master-key.ts';
import { migrateKeyring } from './migrate-keyring.ts';
import { openPostgresKeyring, type PostgresKeyring } from './postgres-keyring.ts';

const root = mkdtempSync(join(tmpdir(), 'carelog-keyring-'));
const postgres = await engineOrReason(() => startPostgres({ folder: join(root, 'postgres'), sync: false }));
const server = typeof postgres === 'string' ? undefined : postgres;
const why = typeof postgres === 'string' ? `: ${postgres}` : '';
afterAll(async () => {
  await server?.stop();
  rmSync(root, { recursive: true });
});

interface Place {
  readonly url: string;
  readonly schema: string;
  readonly masterKeyFile: string;
}

let count = 0;
async function newPlace(): Promise<Place> {
  count += 1;
  const folder = join(root, `${count}`);
  mkdirSync(folder);
  const place = { url: server!.url(), schema: `keyring ${count}`, masterKeyFile: join(folder, 'master.key') };
  makeMasterKey(place.masterKeyFile);
  await asOwner((owner) => migrateKeyring(owner, place));
  return place;
}

async function asOwner<T>(work: (owner: Client) => Promise<T>): Promise<T> {
  const owner = new Client({ connectionString: server!.url() });
  await owner.connect();
  try {
    return await work(owner);
  } finally {
    await owner.end();
  }
}

const opened: PostgresKeyring[] = [];
async function open(place: Place, options?: { readonly readOnly?: boolean }): Promise<PostgresKeyring> {
  const keyring = await openPostgresKeyring({ ...place, ...options });
  opened.push(keyring);
  return keyring;
}
afterEach(async () => {
  await Promise.all(opened.splice(0).map((keyring) => keyring.close()));
});

describe.skipIf(server === undefined)(`a keyring in PostgreSQL${why}`, () => {
  describeKeyring('in PostgreSQL', { newPlace, open });

  it('says that it has to be asked before what it never heard of is opened', async () => {
    const place = await newPlace();
    const maker = await open(place);
    await maker.prepare(['p']);
    const reader = await open(place);
    expect(() => reader.open(sealed(maker, 'p'))).toThrow(expect.objectContaining({ code: 'unprepared' }));
  });

  it('is refused where it was not migrated, and with the master key of another', async () => {
    const place = await newPlace();
    await expect(open({ ...place, schema: 'nowhere' })).rejects.toMatchObject({ code: 'missing' });
    const { masterKeyFile } = await newPlace();
    await expect(open({ ...place, masterKeyFile })).rejects.toMatchObject({ code: 'damaged' });
    const migrating = asOwner((owner) => migrateKeyring(owner, { ...place, masterKeyFile }));
    await expect(migrating).rejects.toMatchObject({ code: 'damaged' });
    // What was migrated before stays as it is.
    await asOwner((owner) => migrateKeyring(owner, place));
  });

  it('lets a service make keys, lets a reader use them, and lets neither destroy one', async () => {
    const place = await newPlace();
    const roles = { makers: ['keyring_maker'], readers: ['keyring_reader'] };
    await asOwner(async (owner) => {
      for (const role of ['keyring_maker', 'keyring_reader']) {
        await owner.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'`);
      }
      await migrateKeyring(owner, { ...place, roles });
    });
    const as = (role: string) => ({ ...place, url: withRole(place.url, role) });
    const maker = await open(as('keyring_maker'));
    await maker.prepare(['p']);
    const reader = await open(as('keyring_reader'));
    await reader.know(['p']);
    expect(reader.open(sealed(maker, 'p')).kind).toBe('opened');
    await expect(reader.prepare(['q'])).rejects.toMatchObject({ code: 'permissions' });
    for (const keyring of [maker, reader]) {
      await expect(keyring.erase('p')).rejects.toMatchObject({ code: 'permissions' });
    }
    await reader.know(['p']);
    expect(reader.open(sealed(maker, 'p')).kind).toBe('opened');
  });

  it('lets a service destroy keys of the partitions that it is let, and no others', async () => {
    const place = await newPlace();
    const eraser = { role: 'keyring_eraser', prefix: 'access/' };
    await asOwner(async (owner) => {
      await owner.query("CREATE ROLE keyring_eraser LOGIN PASSWORD 'secret'");
      const roles = { makers: [eraser.role], erasers: [eraser] };
      await migrateKeyring(owner, { ...place, roles });
      // As every upgrade does again.
      await migrateKeyring(owner, { ...place, roles });
    });
    const keyring = await open({ ...place, url: withRole(place.url, eraser.role) });
    await keyring.prepare(['access/2018-03', 'p']);
    const [gone, kept] = [sealed(keyring, 'access/2018-03'), sealed(keyring, 'p')];
    await keyring.erase('access/2018-03');
    await expect(keyring.erase('p')).rejects.toMatchObject({ code: 'permissions' });
    const other = await open(place);
    await other.know(['access/2018-03', 'p']);
    expect(other.open(gone)).toEqual({ kind: 'unreadable', reason: 'erased' });
    expect(other.open(kept).kind).toBe('opened');
  });

  it('outlives a database that is gone for a moment, and hears of erasures again', async () => {
    const place = await newPlace();
    const keyring = await open(place);
    await keyring.prepare(['p', 'q']);
    const [gone, kept] = [sealed(keyring, 'p'), sealed(keyring, 'q')];
    await asOwner((owner) =>
      owner.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = ANY($1)', [
        ['carelog keyring', 'carelog listener'],
      ]),
    );
    const other = await open(place);
    await other.erase('p');
    await vi.waitFor(
      () => expect(keyring.open(gone)).toEqual({ kind: 'unreadable', reason: 'erased' }),
      5_000,
    );
    expect(keyring.open(kept).kind).toBe('opened');
    expect(['p', 'q'].map((it) => keyring.isErased(it))).toEqual([true, false]);
    await keyring.prepare(['new']);
    expect(keyring.seal('new', event, plaintext).content.byteLength).toBeGreaterThan(0);
  });
});

function withRole(url: string, role: string): string {
  const changed = new URL(url);
  changed.username = role;
  changed.password = 'secret';
  return changed.href;
}
