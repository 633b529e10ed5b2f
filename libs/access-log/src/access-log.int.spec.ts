import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import type { Caller } from '@carelog/access';
import fc from 'fast-check';
import { openKeyring, type Keyring } from '@carelog/keyring';
import { openAccessLog, type AccessLog } from './access-log.ts';
import type { Answered } from './access-record.ts';
import { openBrokenGlass } from './broken-glass.ts';
import type { AccessCursor, AccessQuery, FoundAccess } from './find-accesses.ts';
import { partitionAt } from './journal.ts';

const ground = { policy: '1', view: 'record 2', epoch: 'e' };
const caller = (subject: string, more: Partial<Caller> = {}): Caller => ({ subject, kind: 'staff', organisation: 'Y1', system: 'app', careSetting: 'any', ...more }); // prettier-ignore
const answer = (n: number, more: Partial<Answered> = {}): Answered => ({
  interaction: 'read',
  query: `Patient/p${n}`,
  status: 200,
  decision: 'permitted',
  basis: 'direct-care',
  patients: [`p${n}`],
  shown: String(n),
  position: 100,
  correlation: `c${n}`,
  ...more,
});

interface Opened {
  readonly folder: string;
  readonly keyring: Keyring;
  readonly log: AccessLog;
  readonly said: string[];
}
const opened: Opened[] = [];

async function open(
  folder = mkdtempSync(join(tmpdir(), 'carelog-access-')),
  mode: 'written' | 'flushed' = 'written',
): Promise<Opened> {
  const keyring = openKeyring(join(folder, 'keyring'));
  const said: string[] = [];
  const say = (text: string) => void said.push(text);
  const log = await openAccessLog({ folder: join(folder, 'access'), places: { kind: 'own', keyringFolder: join(folder, 'keyring') }, keyring, mode, ground: () => ground, log: { warn: say, error: say } }); // prettier-ignore
  const it = { folder, keyring, log, said };
  opened.push(it);
  return it;
}

async function end({ log, keyring }: Opened): Promise<void> {
  await log.close();
  keyring.close();
}

afterEach(async () => {
  for (const it of opened.splice(0)) {
    await end(it);
    rmSync(it.folder, { recursive: true, force: true });
  }
});

const kept = (log: AccessLog, who: Caller, answered: Answered, flush = false) =>
  new Promise<boolean>((leave) => log.record(who, answered, flush, leave));

it('finds what was recorded, newest first, whole', async () => {
  const { log, said } = await open();
  const gp = caller('gp', { roleProfile: 'r1', purpose: 'direct-care' });
  await Promise.all([1, 2, 3].map((n) => kept(log, gp, answer(n))));
  await kept(
    log,
    caller('nurse'),
    answer(2, { interaction: 'search', patients: ['p2', 'p3'], shown: '5,6' }),
  );
  const all = await log.find({ hiddenToo: true, count: 50 });
  expect(said).toEqual([]);
  expect(all?.found.map(({ record, index }) => [record.who.subject, record.patients[index]])).toEqual([
    ['nurse', 'p3'],
    ['nurse', 'p2'],
    ['gp', 'p3'],
    ['gp', 'p2'],
    ['gp', 'p1'],
  ]);
  const { at, event, ordinal, ...last } = all!.found.at(-1)!.record;
  expect({ event, ordinal }).toEqual({ event: 1, ordinal: 0 });
  expect(Math.abs(Date.now() - at)).toBeLessThan(60_000);
  const { activityCodes: _, ...who } = { ...gp, activityCodes: undefined };
  expect(last).toEqual({ ...answer(1), who, ground });
});

/** Every page after the first is asked for from where the one before ended. */
async function allOf(log: AccessLog, query: Partial<AccessQuery>, count = 50): Promise<FoundAccess[]> {
  const found: FoundAccess[] = [];
  for (let after: AccessCursor | undefined; ;) {
    const page = await log.find({ hiddenToo: true, count, ...query, ...(after !== undefined && { after }) });
    expect(page!.found.length).toBeLessThanOrEqual(count);
    found.push(...page!.found);
    after = page!.next;
    if (after === undefined) return found;
  }
}
const names = (found: readonly FoundAccess[]) => found.map(({ record, index }) => `${record.correlation} ${record.patients[index] ?? ''}`); // prettier-ignore

it('finds by patient, agent and time what a walk over all of it finds, whatever the pages', async () => {
  const { log } = await open();
  const agents = ['a', 'b'].map((it) => caller(it, { organisation: `ORG-${it}` }));
  const hidden = caller('s', { purpose: 'safeguarding' });
  const made: { who: Caller; answered: Answered }[] = [];
  for (let n = 0; n < 120; n += 1) {
    const who = n % 7 === 0 ? hidden : agents[n % 2]!;
    const patients = [...new Set([`p${n % 5}`, `p${(n * n) % 5}`])].slice(0, n % 3);
    made.push({ who, answered: answer(n, { patients }) });
  }
  for (const [n, { who, answered }] of made.entries()) {
    await kept(log, who, answered);
    // Several events: what lies in one of them is found by its place in there.
    if (n % 40 === 39) await log.find({ hiddenToo: true, count: 0 });
  }
  const everything = (await allOf(log, {}, 1_000)).map(({ record }) => record);
  const times = everything.map(({ at }) => at);
  await fc.assert(
    fc.asyncProperty(
      fc.record(
        { patients: fc.constantFrom(['p0'], ['p3'], ['p9'], ['p0', 'p3']), agent: fc.constantFrom('A', 'org-b', 's'), since: fc.constantFrom(...times), until: fc.constantFrom(...times), hiddenToo: fc.boolean() }, // prettier-ignore
        { requiredKeys: [] },
      ),
      fc.integer({ min: 1, max: 60 }),
      async (query, count) => {
        const { patients: of, agent, since = 0, until = Infinity, hiddenToo = true } = query;
        const expected = (await allOf(log, {}, 1_000)).filter(({ record: { at, who, patients }, index }) => {
          const isAgent = agent === undefined || [who.subject, who.organisation].some((it) => it.toLowerCase() === agent.toLowerCase()); // prettier-ignore
          const isPatient = of === undefined || (of as readonly string[]).includes(patients[index] ?? '');
          return isAgent && isPatient && at >= since && at <= until && (hiddenToo || who.purpose !== 'safeguarding'); // prettier-ignore
        });
        expect(names(await allOf(log, query, count))).toEqual(names(expected));
        expect((await log.find({ hiddenToo: true, ...query, count: 0, counted: true }))?.total).toBe(
          expected.length,
        );
        if (of !== undefined && Object.keys(query).length === 1) {
          expect((await log.find({ ...query, hiddenToo: true, count: 1 }))?.total).toBe(expected.length);
        }
      },
    ),
    { numRuns: 60 },
  );
});

it('takes over what a crash left, once, however often it is left', async () => {
  const first = await open();
  await Promise.all([1, 2, 3].map((n) => kept(first.log, caller('gp'), answer(n), true)));
  const journal = join(first.folder, 'access', 'journal');
  const copy = join(first.folder, 'left');
  cpSync(journal, copy, { recursive: true });
  expect(readdirSync(copy)).toHaveLength(1);
  await end(first);
  expect(readdirSync(journal)).toEqual([]);
  for (let time = 0; time < 2; time += 1) {
    cpSync(copy, journal, { recursive: true });
    const again = await open(first.folder);
    await kept(again.log, caller('gp'), answer(4 + time));
    expect(names(await allOf(again.log, {})).toSorted()).toEqual([1, 2, 3, 4, 5].slice(0, 4 + time).map((n) => `c${n} p${n}`)); // prettier-ignore
    await end(again);
  }
});

it.each([
  ['cut short', (path: string) => truncateSync(path, statSync(path).size - 3)],
  ['followed by what was never written whole', (path: string) => appendFileSync(path, 'x'.repeat(50))],
])('reads a segment up to a frame that is %s', async (_, damage) => {
  const first = await open();
  for (const n of [1, 2, 3]) await kept(first.log, caller('gp'), answer(n));
  const journal = join(first.folder, 'access', 'journal');
  const copy = join(first.folder, 'left');
  cpSync(journal, copy, { recursive: true });
  await end(first);
  const fresh = mkdtempSync(join(tmpdir(), 'carelog-access-'));
  cpSync(join(first.folder, 'keyring'), join(fresh, 'keyring'), { recursive: true });
  cpSync(copy, join(fresh, 'access', 'journal'), { recursive: true });
  damage(join(fresh, 'access', 'journal', readdirSync(copy)[0]!));
  const { log } = await open(fresh);
  const found = names(await allOf(log, {}));
  expect(found.slice(-2)).toEqual(['c2 p2', 'c1 p1']);
  expect(found.length).toBe(_ === 'cut short' ? 2 : 3);
});

it('refuses while the journal cannot be written, and goes on when it can', async () => {
  const { log, folder, said } = await open();
  const journal = join(folder, 'access', 'journal');
  renameSync(journal, `${journal}-away`);
  expect(await kept(log, caller('gp'), answer(1))).toBe(false);
  expect(said).toContainEqual(expect.stringContaining('ENOENT'));
  mkdirSync(journal);
  expect(await kept(log, caller('gp'), answer(2))).toBe(true);
  expect(names(await allOf(log, {}))).toEqual(['c2 p2']);
});

it('refuses an answer that shows more than a record can say, and no other', async () => {
  const { log } = await open();
  const much = kept(log, caller('gp'), answer(1, { shown: '1,'.repeat(3 * 1024 * 1024) }));
  expect(await Promise.all([much, kept(log, caller('gp'), answer(2))])).toEqual([false, true]);
  expect(names(await allOf(log, {}))).toEqual(['c2 p2']);
});

it('takes nothing once it is closed', async () => {
  const it = await open();
  await it.log.close();
  expect(await kept(it.log, caller('gp'), answer(1))).toBe(false);
});

it.each(['written', 'flushed'] as const)('answers in the order in which it was asked, %s', async (mode) => {
  const { log } = await open(undefined, mode);
  const order: number[] = [];
  await Promise.all(
    [0, 1, 2, 3, 4].map(async (n) => {
      expect(await kept(log, caller('gp'), answer(n))).toBe(true);
      order.push(n);
    }),
  );
  expect(order).toEqual([0, 1, 2, 3, 4]);
});

it('shows nothing of a month whose key was destroyed', async () => {
  const { log, keyring } = await open();
  await kept(log, caller('gp'), answer(1));
  expect(await allOf(log, {})).toHaveLength(1);
  await keyring.erase(partitionAt(Date.now()));
  // Other threads notice it a little later.
  await vi.waitFor(async () => expect(await allOf(log, { patients: ['p1'] })).toEqual([]));
});

it('forgets a month when it is told to, and who was named in it', async () => {
  const { log, folder } = await open();
  await kept(log, caller('somebody-unmistakable'), answer(7, { patients: ['patient-unmistakable'] }));
  const files = () => readdirSync(join(folder, 'access')).map((name) => join(folder, 'access', name)).filter((path) => statSync(path).isFile()); // prettier-ignore
  const isNamed = () => files().some((path) => readFileSync(path).includes('unmistakable'));
  expect([(await allOf(log, { agent: 'somebody-unmistakable' })).length, isNamed()]).toEqual([1, true]);
  await log.erase(new Date().toISOString().slice(0, 7));
  expect(await allOf(log, {})).toEqual([]);
  const { total } = (await log.find({ patients: ['patient-unmistakable'], hiddenToo: true, count: 1 }))!;
  expect([total, isNamed()]).toEqual([0, false]);
});

it('knows whose glass is broken, for whom and until when, also after a restart', async () => {
  const it = await open();
  const doctor = caller('doctor', { roleProfile: 'r1' });
  const from = { position: 1, correlation: 'c' };
  const glass = await openBrokenGlass(it.log);
  const broken = { patient: 'p1', reason: 'emergency', text: 'tab\t & line\n', until: Date.now() + 60_000 };
  expect(await glass.break(doctor, broken, from)).toBe(true);
  await glass.break(doctor, { ...broken, patient: 'p2', until: Date.now() - 1 }, from);
  await end(it);
  const again = await open(it.folder);
  for (const known of [glass, await openBrokenGlass(again.log)]) {
    expect(known.patientsOf({ ...doctor })).toEqual(['p1']);
    expect(known.patientsOf({ ...doctor, roleProfile: 'r2' })).toEqual([]);
    expect(known.standing()).toMatchObject([{ ...broken, correlation: 'c' }]);
  }
  await again.log.close();
  expect(await glass.break(doctor, { ...broken, patient: 'p3' }, from)).toBe(false);
  expect(glass.patientsOf(doctor)).toEqual(['p1']);
});
