/** The contract on SQLite, and what is of this engine only: a file that survives a kill, and copies of it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, it } from 'vitest';
import { describeSubscriptionStore } from '../contract.ts';
import { checkAgainstModel } from '../store-model.ts';
import { aNotice, keepOne, MINUTE, NOW, numbersOf } from '../some-subscription.ts';
import { backupSubscriptions } from './open-database.ts';
import { openSqliteSubscriptionStore } from './sqlite-subscription-store.ts';

const root = mkdtempSync(join(tmpdir(), 'carelog-subscriptions-'));
afterAll(() => rmSync(root, { recursive: true }));
let count = 0;
const newPath = () => join(root, `${++count}`, 'subscriptions.sqlite');

function newPlace() {
  const path = newPath();
  return Promise.resolve(() => openSqliteSubscriptionStore({ path }));
}

describeSubscriptionStore('SQLite', newPlace);

it('SQLite does what a model in memory does, whatever is asked in whatever order', async () => {
  await checkAgainstModel(newPlace);
});

describe('the file of subscriptions', () => {
  it('loses nothing of what was answered when its process is killed, and gives no number twice', async () => {
    const path = newPath();
    for (let round = 0; round < 3; round += 1) {
      const child = spawn(process.execPath, [join(import.meta.dirname, 'crash-child.ts'), path]);
      let said = '';
      child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
      let errors = '';
      child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
      await expect.poll(() => [errors, said.split('\n').length > 50], { timeout: 20_000 }).toEqual(['', true]); // prettier-ignore
      child.kill('SIGKILL');
      await once(child, 'close');
      const [id, numbered, delivered] = said.split('\n').at(-2)!.split(' ');
      const store = openSqliteSubscriptionStore({ path });
      const stored = (await store.read(id!))!;
      expect(stored.events).toBeGreaterThanOrEqual(Number(numbered));
      expect(stored.delivered).toBeGreaterThanOrEqual(Number(delivered));
      const kept = await store.numbered(id!, 0, 100_000);
      expect(kept.map(({ number }) => number)).toEqual(Array.from({ length: stored.events }, (_, at) => at + 1)); // prettier-ignore
      expect(kept.map(({ notice }) => notice.position)).toEqual(kept.map(({ number }) => number));
      await store.close();
    }
  });

  it('is for its owner only, and refuses to be something else', async () => {
    const path = newPath();
    const store = openSqliteSubscriptionStore({ path });
    await keepOne(store);
    expect([path, `${path}-wal`].map((file) => statSync(file).mode & 0o077)).toEqual([0, 0]);
    await store.close();
    await expect(keepOne(store)).rejects.toMatchObject({ code: 'closed' });
    const other = join(root, 'other.sqlite');
    const db = new DatabaseSync(other);
    db.exec('CREATE TABLE event (a)');
    db.close();
    expect(() => openSqliteSubscriptionStore({ path: other })).toThrow(/something else/);
    writeFileSync(other, 'x'.repeat(5_000));
    expect(() => openSqliteSubscriptionStore({ path: other })).toThrow(
      expect.objectContaining({ code: 'damaged' }),
    );
  });

  it('is copied as it was at one moment while it is written, never over another, and nobody holds a lease in the copy', async () => {
    const path = newPath();
    const store = openSqliteSubscriptionStore({ path });
    const { id } = await keepOne(store);
    await store.lease('me', NOW, NOW + MINUTE, 10);
    let position = 0;
    let isCopied = false;
    const writing = (async () => {
      while (!isCopied) {
        const notices = [aNotice(++position), aNotice(++position)];
        await store.number('me', [{ id, position, notices }]);
      }
    })();
    await expect.poll(() => position).toBeGreaterThan(100);
    const target = newPath();
    await backupSubscriptions(path, target);
    isCopied = true;
    await writing;
    await store.close();
    await expect(backupSubscriptions(path, target)).rejects.toMatchObject({ code: 'io' });
    expect([statSync(target).mode & 0o077, existsSync(`${target}-wal`)]).toEqual([0, false]);
    const copy = openSqliteSubscriptionStore({ path: target });
    const { events, position: reached } = (await copy.read(id))!;
    expect([events > 90, events % 2, reached]).toEqual([true, 0, events]);
    expect(await numbersOf(copy, id)).toHaveLength(events);
    expect(await copy.lease('another', NOW, NOW + MINUTE, 10)).toHaveLength(1);
    await copy.close();
  });
});
