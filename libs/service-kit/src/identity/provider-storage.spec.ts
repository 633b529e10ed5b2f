import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openProviderStorage } from './provider-storage.ts';
import type { ProviderStorage } from './provider-storage.ts';

let folder: string;
let storage: ProviderStorage;
let now = 0;
const used = (): Error => new Error('used');

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'carelog-provider-'));
  now = 1_000_000;
  storage = openProviderStorage(folder, () => now);
});
afterEach(() => {
  storage.close();
  rmSync(folder, { recursive: true });
});

it('keeps a thing for its time, also over a restart, for its owner only', () => {
  storage.keep('Session', 'one', { uid: 'u', accountId: 'gp' }, 10);
  storage.close();
  storage = openProviderStorage(folder, () => now);
  expect(storage.find('Session', 'one')).toEqual({ uid: 'u', accountId: 'gp' });
  expect(storage.find('Grant', 'one')).toBeUndefined();
  now += 10_000;
  expect(storage.find('Session', 'one')).toBeUndefined();
  expect(statSync(join(folder, 'provider.sqlite')).mode & 0o777).toBe(0o600);
});

it('says what to do when its file is damaged', () => {
  const other = mkdtempSync(join(tmpdir(), 'carelog-provider-'));
  writeFileSync(join(other, 'provider.sqlite'), 'x'.repeat(5_000));
  expect(() => openProviderStorage(other)).toThrow(/provider\.sqlite is damaged.+Delete it/);
  rmSync(other, { recursive: true });
});

it('finds a session by its other name, and the newest content of it', async () => {
  const sessions = storage.adapter('Session', used);
  await sessions.upsert('one', { uid: 'u', accountId: 'gp' }, 10);
  await sessions.upsert('one', { uid: 'v', accountId: 'auditor' }, 10);
  expect(await sessions.findByUid('v')).toEqual({ uid: 'v', accountId: 'auditor' });
  expect(await sessions.findByUid('u')).toBeUndefined();
});

it('lets a code be used once, also by two that found it unused', async () => {
  const codes = storage.adapter('AuthorizationCode', used);
  await codes.upsert('code', { grantId: 'g' }, 60);
  await codes.consume('code');
  expect(await codes.find('code')).toMatchObject({ grantId: 'g', consumed: 1000 });
  await expect(codes.consume('code')).rejects.toThrow('used');
});

it('takes an assertion once, also from two that found it unused', async () => {
  const replays = storage.adapter('ReplayDetection', used);
  await replays.upsert('jti', { iss: 'demo-backend' }, 60);
  await expect(replays.upsert('jti', { iss: 'demo-backend' }, 60)).rejects.toThrow('used');
});

it('drops what belongs to a grant, of one kind, and says when tokens were among it', async () => {
  let told = 0;
  storage.onRevoked(() => told++);
  for (const kind of ['AccessToken', 'RefreshToken']) {
    storage.keep(kind, 'mine', { grantId: 'g' }, 60);
    storage.keep(kind, 'other', { grantId: 'h' }, 60);
  }
  await storage.adapter('RefreshToken', used).revokeByGrantId('g');
  expect([told, storage.find('AccessToken', 'mine')]).toEqual([0, { grantId: 'g' }]);
  await storage.adapter('AccessToken', used).revokeByGrantId('g');
  expect([told, storage.find('AccessToken', 'mine')]).toEqual([1, undefined]);
  expect(storage.find('RefreshToken', 'other')).toBeDefined();
  await storage.adapter('AccessToken', used).destroy('other');
  expect([told, storage.find('AccessToken', 'other')]).toEqual([2, undefined]);
});

it('hears what another process on the same folder took back, and nothing else of it', async () => {
  const other = openProviderStorage(folder, () => now);
  let told = 0;
  storage.onRevoked(() => told++);
  other.keep('AccessToken', 'one', {}, 60);
  storage.heed();
  expect(told).toBe(0);
  await other.adapter('AccessToken', used).destroy('one');
  storage.heed();
  storage.heed();
  expect([told, storage.find('AccessToken', 'one')]).toEqual([1, undefined]);
  other.close();
});

it('stays bounded when strangers begin to sign in again and again', () => {
  for (let i = 0; i < 1_500; i++) storage.keep('Interaction', `i${i}`, {}, 600 + i);
  storage.close();
  storage = openProviderStorage(folder, () => now, 1_000);
  storage.keep('Interaction', 'last', {}, 9_999);
  expect(storage.find('Interaction', 'i0')).toBeUndefined();
  expect(storage.find('Interaction', 'i499')).toBeUndefined();
  expect(storage.find('Interaction', 'i500')).toBeDefined();
  expect(storage.find('Interaction', 'last')).toBeDefined();
});
