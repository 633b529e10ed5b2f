/**
 * Subscriptions in one SQLite file: WAL, synchronous=FULL. What is written in one turn of the event loop is one transaction and
 * shares its fsync; nothing is answered before COMMIT has returned.
 */
import type { DatabaseSync } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import { StoreFault } from '@carelog/event-store';
import type { Notice } from '../notice.ts';
import {
  allStored,
  isDelivered,
  progressById,
  storedOf,
  type ProgressRow,
  type StoredRow,
} from '../stored-row.ts';
import type {
  NewSubscription,
  NumberedNotice,
  Owner,
  StoredSubscription,
  SubscriptionPage,
  SubscriptionProgress,
  SubscriptionStatus,
  SubscriptionStore,
} from '../subscription-store.ts';
import { faultOf, openDatabase } from './open-database.ts';
import { prepare } from './statements.ts';

/** Opens the file, or begins it. Throws a `StoreFault` where it cannot be used. */
export function openSqliteSubscriptionStore({ path }: { readonly path: string }): SubscriptionStore {
  return new SqliteSubscriptionStore(openDatabase(path), path);
}

interface PendingWrite {
  readonly work: () => unknown;
  readonly resolve: (result: never) => void;
  readonly reject: (fault: unknown) => void;
}

/** Rows that are forgotten in one turn, and subscriptions that are looked through for some, so that others come between. */
const FORGOTTEN_AT_ONCE = 1_000;
const LOOKED_THROUGH_AT_ONCE = 100;

class SqliteSubscriptionStore implements SubscriptionStore {
  readonly #db: DatabaseSync;
  readonly #path: string;
  readonly #statements: ReturnType<typeof prepare>;
  #pending: PendingWrite[] = [];
  #flushing: Promise<void> | undefined;

  constructor(db: DatabaseSync, path: string) {
    this.#db = db;
    this.#path = path;
    this.#statements = prepare(db);
  }

  create(made: NewSubscription, most: number): Promise<StoredSubscription | 'too-many'> {
    return this.#write(() => {
      const { subject, system } = made.owner;
      const { count } = this.#statements.count.get(subject, system) as { count: number };
      if (count >= most) return 'too-many';
      const owner = JSON.stringify(made.owner);
      const { id, resource, secrets, lastUpdated, status, endsAt, epoch, position } = made;
      this.#statements.addSubscription.run(id, subject, system, owner, resource, secrets, lastUpdated);
      this.#statements.addProgress.run(id, status, endsAt, Number(isDelivered(resource)), epoch, position);
      return this.#stored(id)!;
    });
  }

  async read(id: string): Promise<StoredSubscription | undefined> {
    return this.#read(() => this.#stored(id));
  }

  async list(
    { count, after = '' }: SubscriptionPage,
    owner?: Pick<Owner, 'subject' | 'system'>,
  ): Promise<readonly StoredSubscription[]> {
    const { list, listOf } = this.#statements;
    return this.#read(() => {
      const rows = owner === undefined ? list.all(after, count) : listOf.all(owner.subject, owner.system, after, count); // prettier-ignore
      return allStored(rows as unknown as StoredRow[]);
    });
  }

  async progress(ids: readonly string[]): Promise<ReadonlyMap<string, SubscriptionProgress>> {
    const asked = JSON.stringify(ids);
    return this.#read(() => progressById(this.#statements.progress.all(asked) as unknown as ProgressRow[]));
  }

  replace(
    id: string,
    change: Pick<StoredSubscription, 'resource' | 'secrets' | 'lastUpdated' | 'status' | 'endsAt' | 'owner'>,
    expected: number,
  ): Promise<StoredSubscription | 'mismatch' | 'missing'> {
    return this.#write(() => {
      const { resource, secrets, lastUpdated, status, endsAt, owner } = change;
      const stored = this.#stored(id);
      if (stored === undefined) return 'missing';
      if (stored.version !== expected) return 'mismatch';
      const { subject, system } = owner;
      this.#statements.replace.run(subject, system, JSON.stringify(owner), resource, secrets, lastUpdated, id); // prettier-ignore
      this.#statements.beginAnew.run(status, endsAt, Number(isDelivered(resource)), status, id);
      return this.#stored(id)!;
    });
  }

  remove(id: string): Promise<boolean> {
    return this.#write(() => this.#removed(id));
  }

  renew(id: string, owner: Owner, endsAt: number): Promise<void> {
    return this.#write(() => {
      const text = JSON.stringify(owner);
      this.#statements.renewOwner.run(owner.subject, owner.system, text, id, text);
      this.#statements.renew.run(endsAt, id, endsAt);
    });
  }

  nextSecret(id: string): Promise<number | undefined> {
    return this.#write(() => {
      const row = this.#statements.nextSecret.get(id) as { secret_generation: number } | undefined;
      return row?.secret_generation;
    });
  }

  lease(holder: string, now: number, until: number, most: number): Promise<readonly StoredSubscription[]> {
    return this.#write(() => {
      const { hold, runOut, shares, giveBack, giveBackOver, take, held } = this.#statements;
      hold.run(holder, until);
      runOut.run(now);
      const { due, holders } = shares.get(now) as { due: number; holders: number };
      const share = Math.min(most, Math.ceil(due / Math.max(1, holders)));
      giveBack.run(holder, now);
      giveBackOver.run(holder, share);
      take.run(holder, now, share, holder);
      return allStored(held.all(holder) as unknown as StoredRow[]);
    });
  }

  release(holder: string): Promise<void> {
    return this.#write(() => {
      this.#statements.release.run(holder);
      this.#statements.leave.run(holder);
    });
  }

  number(
    holder: string,
    looked: readonly {
      readonly id: string;
      readonly position: number;
      readonly notices: readonly Notice[];
    }[],
  ): Promise<readonly string[]> {
    const textOf = textsOnce();
    return this.#write(() => {
      const { heldBy, addNumbered, lookedAt } = this.#statements;
      return looked.flatMap(({ id, position, notices }) => {
        const at = heldBy.get(id, holder) as { position: number; events: number } | undefined;
        if (at === undefined) return id;
        let { events } = at;
        for (const notice of notices) {
          if (notice.position <= at.position) continue;
          addNumbered.run(id, ++events, notice.recordedAt, textOf(notice));
        }
        lookedAt.run(Math.max(at.position, position), events, id);
        return [];
      });
    });
  }

  enterEpoch(holder: string, id: string, epoch: string, position: number): Promise<void> {
    return this.#write(() => void this.#statements.enterEpoch.run(epoch, position, id, holder));
  }

  async numbered(id: string, after: number, limit: number): Promise<readonly NumberedNotice[]> {
    return this.#read(() => {
      const rows = this.#statements.numbered.all(id, after, limit) as { number: number; notice: string }[];
      return rows.map(({ number, notice }) => ({ number, notice: JSON.parse(notice) as Notice }));
    });
  }

  delivered(holder: string, id: string, upTo: number, at: number): Promise<boolean> {
    return this.#write(() => this.#statements.delivered.run(upTo, at, id, holder).changes === 1);
  }

  failed(
    holder: string,
    id: string,
    version: number,
    at: number,
    tryAt: number,
    reason: string,
  ): Promise<boolean> {
    const { failed } = this.#statements;
    return this.#write(() => failed.run(at, tryAt, reason, id, holder, version).changes === 1);
  }

  setStatus(
    holder: string,
    id: string,
    version: number,
    status: SubscriptionStatus,
    reason: string,
  ): Promise<boolean> {
    return this.#write(() => this.#statements.setStatus.run(status, reason, id, holder, version).changes === 1); // prettier-ignore
  }

  async forget(before: string): Promise<void> {
    const ids = this.#read(() => this.#statements.ids.all() as { id: string; ends_at: number }[]);
    const endedBefore = Date.parse(before);
    for (const [index, { id, ends_at: endsAt }] of ids.entries()) {
      if (index % LOOKED_THROUGH_AT_ONCE === 0) await setImmediate();
      const forgetSome = () => this.#forgetOf(id, before, endedBefore);
      // A look that finds nothing writes nothing.
      if (this.#read(() => this.#kept(id, before, endedBefore)) !== undefined)
        while ((await this.#write(forgetSome)) === FORGOTTEN_AT_ONCE);
      // It may have been renewed since.
      const isOver = () => this.#statements.ended.get(id, endedBefore) !== undefined;
      if (endsAt < endedBefore) await this.#write(() => isOver() && this.#removed(id));
    }
  }

  async close(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing;
    if (this.#db.isOpen) this.#db.close();
  }

  #stored(id: string): StoredSubscription | undefined {
    const row = this.#statements.read.get(id) as unknown as StoredRow | undefined;
    return row && storedOf(row);
  }

  #removed(id: string): boolean {
    const { changes } = this.#statements.remove.run(id);
    this.#statements.removeProgress.run(id);
    this.#statements.removeNumbered.run(id);
    return changes === 1;
  }

  /** The first number that is kept, and the first that is there; undefined where all of them are kept. */
  #kept(id: string, before: string, endedBefore: number): { first: number; kept: number } | undefined {
    const row = this.#statements.kept.get(before, endedBefore, id) as
      { first: number | null; kept: number } | undefined; // prettier-ignore
    if (row === undefined || row.first === null || row.first >= row.kept) return undefined;
    return { first: row.first, kept: row.kept };
  }

  /** How many numbers that were. */
  #forgetOf(id: string, before: string, endedBefore: number): number {
    const range = this.#kept(id, before, endedBefore);
    if (range === undefined) return 0;
    const upTo = Math.min(range.kept, range.first + FORGOTTEN_AT_ONCE);
    return Number(this.#statements.forget.run(id, upTo).changes);
  }

  #write<Result>(work: () => Result): Promise<Result> {
    if (!this.#db.isOpen) return Promise.reject(closedFault(this.#path));
    return new Promise((resolve, reject) => {
      this.#pending.push({ work, resolve, reject });
      this.#flushing ??= setImmediate().then(() => this.#flush());
    });
  }

  #read<Result>(work: () => Result): Result {
    if (!this.#db.isOpen) throw closedFault(this.#path);
    try {
      return work();
    } catch (error) {
      throw faultOf(error, this.#path);
    }
  }

  #flush(): void {
    const batch = this.#pending;
    this.#pending = [];
    this.#flushing = undefined;
    const answers: (() => void)[] = [];
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      for (const write of batch) answers.push(this.#answerTo(write));
      this.#db.exec('COMMIT');
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      const fault = faultOf(error, this.#path);
      answers.splice(
        0,
        answers.length,
        ...batch.map(
          ({ reject }) =>
            () =>
              reject(fault),
        ),
      );
    }
    for (const answer of answers) answer();
  }

  /** A write that fails by itself is undone by itself; a fault that ended the whole transaction is thrown. */
  #answerTo({ work, resolve, reject }: PendingWrite): () => void {
    this.#statements.savepoint.run();
    try {
      const result = work();
      this.#statements.keep.run();
      return () => resolve(result as never);
    } catch (error) {
      if (!this.#db.isTransaction) throw error;
      this.#statements.undo.run();
      this.#statements.keep.run();
      return () => reject(faultOf(error, this.#path));
    }
  }
}

/** The same notice often goes to many. */
function textsOnce(): (notice: Notice) => string {
  const texts = new Map<Notice, string>();
  return (notice) => {
    const known = texts.get(notice) ?? JSON.stringify(notice);
    texts.set(notice, known);
    return known;
  };
}

const closedFault = (path: string): StoreFault =>
  new StoreFault('closed', `The subscriptions at ${path} are closed. Open them again.`);
