/** Two gateways with one access log in PostgreSQL: each finds what both recorded, and knows at once whose glass either broke. */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { Caller } from '@carelog/access';
import { engineOrReason, startPostgres } from '@carelog/engines';
import { migrateEventStore, openPostgresEventStore, type PostgresEventStore } from '@carelog/event-store';
import { makeMasterKey, migrateKeyring, openPostgresKeyring, type PostgresKeyring } from '@carelog/keyring';
import { temporaryFolder } from '@carelog/testkit';
import { Client } from 'pg';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openAccessLog, type AccessLog } from './access-log.ts';
import type { Answered } from './access-record.ts';
import type { BrokenGlass } from './broken-glass.ts';
import { openSharedBrokenGlass } from './cluster-broken-glass.ts';
import type { AccessCursor } from './find-accesses.ts';

const folder = temporaryFolder();
const engine = await engineOrReason(() => startPostgres({ folder: join(folder, 'postgres'), sync: false }));
const postgres = typeof engine === 'string' ? undefined : engine;
const why = typeof engine === 'string' ? `: ${engine}` : '';
afterAll(() => postgres?.stop());

const ground = { policy: '1', view: 'record 4', epoch: 'e' };
const doctor: Caller = { subject: 'doctor', kind: 'staff', organisation: 'Y1', system: 'app', careSetting: 'acute', roleProfile: 'r1' }; // prettier-ignore
const answered = (n: number): Answered => ({
  interaction: 'read',
  query: `Patient/p${n}`,
  status: 200,
  decision: 'permitted',
  basis: 'direct-care',
  patients: [`p${n}`],
  shown: `${n}`,
  position: 100,
  correlation: `c${n}`,
});
const broken = (patient: string, until = Date.now() + 3_600_000) => ({ patient, reason: 'emergency', text: 'unconscious', until }); // prettier-ignore
const HOW = { position: 100, correlation: 'c' };

let count = 0;
const gateways: Gateway[] = [];

interface Gateway {
  readonly folder: string;
  readonly store: PostgresEventStore;
  readonly keyring: PostgresKeyring;
  readonly log: AccessLog;
  readonly glass: BrokenGlass;
}

let place: { readonly schema: string; readonly keys: { url: string; masterKeyFile: string } };

beforeEach(async () => {
  if (postgres === undefined) return;
  count += 1;
  mkdirSync(join(folder, `${count}`));
  const database = `access_${count}`;
  const keys = { url: postgres.url(database), masterKeyFile: join(folder, `${count}`, 'master.key') };
  place = { schema: 'access_log', keys };
  makeMasterKey(keys.masterKeyFile);
  const server = new Client(postgres.url());
  await server.connect();
  await server.query(`CREATE DATABASE ${database}`);
  await server.end();
  const owner = new Client(keys.url);
  await owner.connect();
  await migrateEventStore(owner, { schema: place.schema });
  await migrateKeyring(owner, keys);
  await owner.end();
});
afterEach(async () => {
  await Promise.all(gateways.splice(0).map(end));
});

async function open(name: string): Promise<Gateway> {
  const { schema, keys } = place;
  const own = join(folder, `${count}`, name);
  const store = await openPostgresEventStore({ url: keys.url, schema });
  const keyring = await openPostgresKeyring(keys);
  const quiet = { warn() {}, error() {} };
  const places = { kind: 'shared', log: { url: keys.url, schema }, keyring: keys } as const;
  const log = await openAccessLog({ folder: own, places, keyring, mode: 'written', ground: () => ground, log: quiet }); // prettier-ignore
  const glass = await openSharedBrokenGlass({ store, keyring, ground: () => ground, log: quiet });
  const gateway = { folder: own, store, keyring, log, glass };
  gateways.push(gateway);
  return gateway;
}

async function end({ log, store, keyring }: Gateway): Promise<void> {
  await log.close();
  await store.close();
  await keyring.close();
}

const kept = ({ log }: Gateway, n: number) =>
  new Promise<boolean>((leave) => log.record(doctor, answered(n), false, leave));

async function foundBy({ log }: Gateway): Promise<readonly string[]> {
  const page = await log.find({ hiddenToo: true, count: 100 });
  return page!.found.map(({ record }) => record.query).sort();
}

describe.skipIf(postgres === undefined)(
  `an access log of several gateways${why}`,
  { timeout: 90_000 },
  () => {
    it('is found whole at each of them, by places that mean the same at both', async () => {
      const [one, other] = [await open('one'), await open('other')];
      await Promise.all([kept(one, 1), kept(one, 2), kept(other, 3), kept(other, 4)]);
      const all = ['Patient/p1', 'Patient/p2', 'Patient/p3', 'Patient/p4'];
      // Also when both are asked at once: each waits for the other.
      expect(await Promise.all([foundBy(one), foundBy(other)])).toEqual([all, all]);
      await kept(other, 5);
      expect(await foundBy(one)).toEqual([...all, 'Patient/p5']);
      const page = await one.log.find({ patients: ['p3'], hiddenToo: true, count: 1 });
      const { record, index } = page!.found[0]!;
      expect(await other.log.read([record.event, record.ordinal, index])).toEqual(page!.found[0]);
      expect(readdirSync(join(one.folder, 'journal'))).toEqual([]);
    });

    it('is found newest first, whichever gateway answered, on one page or on many', async () => {
      const gateways = [await open('one'), await open('other')];
      const recorded: string[] = [];
      for (let n = 0; n < 30; n += 1) {
        // No two in one millisecond, so that there is one order only.
        for (const at = Date.now(); Date.now() === at;) await setImmediate();
        await kept(gateways[((n * n) % 3) % 2]!, n);
        recorded.unshift(`Patient/p${n}`);
        if (n % 11 === 10) await gateways[0]!.log.find({ hiddenToo: true, count: 0 });
      }
      for (const [index, { log }] of gateways.entries()) {
        for (const count of [1, 7, 100]) {
          const found: string[] = [];
          for (let after: AccessCursor | undefined; ;) {
            const page = await log.find({ hiddenToo: true, count, after });
            found.push(...page!.found.map(({ record }) => record.query));
            after = page!.next;
            if (after === undefined) break;
          }
          expect([index, count, found]).toEqual([index, count, recorded]);
        }
      }
    });

    it('takes over what a gateway left in its journal when it starts again', async () => {
      const before = await open('one');
      await kept(before, 1);
      gateways.pop();
      await end(before);
      const other = await open('other');
      expect(await foundBy(other)).toEqual(['Patient/p1']);
      await kept(await open('one'), 2);
      expect(await foundBy(gateways.at(-1)!)).toEqual(['Patient/p1', 'Patient/p2']);
    });

    it('tells every gateway of a broken glass before it decides next, for this caller in this role and for its time', async () => {
      const [one, other] = [await open('one'), await open('other')];
      for (const patient of ['p1', 'p2'])
        expect(await one.glass.break(doctor, broken(patient), HOW)).toBe(true);
      expect(await one.glass.break(doctor, broken('over', Date.now() - 1), HOW)).toBe(true);
      await other.glass.noticed();
      for (const { glass } of [one, other]) {
        expect([...glass.patientsOf(doctor)].sort()).toEqual(['p1', 'p2']);
        expect(glass.patientsOf({ ...doctor, roleProfile: 'r2' })).toEqual([]);
        expect(glass.standing().map(({ patient, reason, text }) => ({ patient, reason, text }))).toEqual(
          ['p1', 'p2'].map((patient) => ({ patient, reason: 'emergency', text: 'unconscious' })),
        );
      }
      const found = await other.log.find({
        interaction: 'break-glass',
        patients: ['p1'],
        hiddenToo: true,
        count: 10,
      });
      expect(found!.found.map(({ record }) => record.decision)).toEqual(['permitted']);
    });

    it('is looked through for broken glass by whoever starts later, page by page', async () => {
      const one = await open('one');
      const patients = Array.from({ length: 230 }, (_, index) => `p${index}`);
      await Promise.all(patients.map((patient) => one.glass.break(doctor, broken(patient), HOW)));
      const later = await open('later');
      expect(new Set(later.glass.patientsOf(doctor))).toEqual(new Set(patients));
    });

    it('breaks nothing where that cannot be put on record', async () => {
      const one = await open('one');
      await one.store.close();
      expect(await one.glass.break(doctor, broken('p1'), HOW)).toBe(false);
      expect(one.glass.patientsOf(doctor)).toEqual([]);
      // And who cannot ask goes on with what is known.
      await one.glass.noticed();
    });
  },
);
