import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import type { Caller } from '@carelog/access';
import { openKeyring, type Keyring } from '@carelog/keyring';
import { openAccessLog, type AccessLog } from './access-log.ts';
import type { Answered } from './access-record.ts';

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
  const log = await openAccessLog({ folder: join(folder, 'access'), keyringFolder: join(folder, 'keyring'), keyring, mode, ground: () => ground, log: { warn: say, error: say } }); // prettier-ignore
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
