/**
 * The store over an open database. Appends that come while one transaction is being flushed are the next one together. The
 * flush runs beside this thread, which takes requests meanwhile; before it has ended no append is answered and no event read.
 */
import { closeSync, fdatasync, openSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { checkAppend } from '../append-limits.ts';
import { Batch } from '../batch.ts';
import { encodeEnvelopeText } from '../envelope-bytes.ts';
import type { RecordedEvent } from '../envelope.ts';
import type { AppendOutcome, EventStore, StreamAppend } from '../event-store.ts';
import { createHeadSignal, publishHead, wakeWaiters } from '../head-signal.ts';
import { StoreFault } from '../store-fault.ts';
import { subscribeTo } from '../subscription.ts';
import { takeBatch } from '../pending-appends.ts';
import type { PendingAppend } from '../pending-appends.ts';
import { startCheckpointer } from './checkpointer.ts';
import type { Checkpointer } from './checkpointer.ts';
import { checksumOf, idBytes, LogQueries } from './log-queries.ts';
import { faultOf, flushFault } from './sqlite-fault.ts';

export interface SqliteEventStore extends EventStore {
  /** Give it to `openSqliteLogReader` in other threads: it wakes their subscriptions. */
  readonly headSignal: SharedArrayBuffer;
}

/** What a commit writes at least beside its events: a page of the table and one of each index. */
const pageBytesPerCommit = 16 * 1024;

const maxRemembered = 20_000;

export class SqliteWriter implements SqliteEventStore {
  readonly headSignal: SharedArrayBuffer;
  readonly #db: DatabaseSync;
  readonly #path: string;
  readonly #now: () => number;
  readonly #lock: { release(): void };
  readonly #wal: number;
  readonly #queries: LogQueries;
  readonly #epoch: string;
  readonly #begin;
  readonly #commit;
  readonly #rollback;
  readonly #insert;
  readonly #closing = new AbortController();
  readonly #checkpointer: Checkpointer;
  // This process is the only writer, so what it remembers of streams and partitions stays true.
  readonly #revisions = new Map<string, number>();
  readonly #tails = new Map<string, number>();
  #position: number;
  #recordedAt: string;
  #pending: PendingAppend[] = [];
  #recording: Promise<void> | undefined;
  /** Why nothing can be appended any more. */
  #failure: StoreFault | undefined;

  constructor(db: DatabaseSync, path: string, now: () => number, lock: { release(): void }) {
    this.#db = db;
    this.#path = path;
    this.#now = now;
    this.#lock = lock;
    this.#queries = new LogQueries(db, path, () => this.#position);
    const head = this.#queries.head();
    this.#epoch = head.epoch;
    this.#position = head.position;
    this.#recordedAt = this.#queries.all({ after: head.position - 1 })[0]?.recordedAt ?? '';
    this.headSignal = createHeadSignal(head.position);
    this.#checkpointer = startCheckpointer(path, () => this.#finishCheckpoint());
    this.#begin = db.prepare('BEGIN IMMEDIATE');
    this.#commit = db.prepare('COMMIT');
    this.#rollback = db.prepare('ROLLBACK');
    this.#insert = db.prepare('INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?)');
    // Last: nobody closes it where what comes before fails.
    this.#wal = openSync(`${path}-wal`, 'r+');
  }

  async append(appends: readonly StreamAppend[]): Promise<AppendOutcome> {
    this.#refuseWhenClosed();
    const size = checkAppend(appends);
    return new Promise((resolve, reject) => {
      this.#pending.push({ appends, ...size, resolve, reject });
      this.#recording ??= new Promise((idle) => setImmediate(() => this.#recordPending(idle)));
    });
  }

  /**
   * Records what waits, transaction after transaction, each flushed before the next one begins: whatever lies beyond one
   * unfinished transaction was acknowledged, which is how `refuseDamagedWal` tells damage from a torn tail.
   */
  #recordPending(idle: () => void): void {
    const pending = takeBatch(this.#pending);
    const answer = (each: (append: PendingAppend, index: number) => void): void => {
      if (this.#pending.length > 0) setImmediate(() => this.#recordPending(idle));
      else {
        this.#recording = undefined;
        idle();
      }
      pending.forEach(each);
    };
    try {
      const { batch, outcomes, bytes } = this.#write(pending);
      const succeed = () => answer(({ resolve }, index) => resolve(outcomes[index]!));
      if (batch.placed.length === 0) return succeed();
      fdatasync(this.#wal, (error) => {
        if (error) {
          // The system may take the next flush for a good one though these bytes are lost: only opening again tells.
          const fault = (this.#failure = flushFault(error, this.#path));
          return answer(({ reject }) => reject(fault));
        }
        this.#moveHead(batch, bytes);
        succeed();
      });
    } catch (fault) {
      answer(({ reject }) => reject(fault));
    }
  }

  /**
   * One transaction, not flushed yet. Every outcome in it rests on what it placed. It begins before the decisions, because
   * outside of it each look at the log takes and releases a lock. Throws a fault, and then nothing of it is kept.
   */
  #write(pending: readonly PendingAppend[]) {
    if (this.#failure) throw this.#failure;
    try {
      const batch = new Batch(this.#onDisk(), this.#now());
      this.#begin.run();
      const outcomes = pending.map(({ appends }) => batch.decide(appends));
      let bytes = 0;
      for (const event of batch.placed) bytes += this.#insertEvent(event);
      this.#commit.run();
      return { batch, outcomes, bytes };
    } catch (error) {
      // SQLite has rolled back by itself after some faults (a full disk among them), and not after others.
      if (this.#db.isTransaction) this.#rollback.run();
      throw faultOf(error, this.#path);
    }
  }

  #onDisk() {
    const queries = this.#queries;
    return {
      position: this.#position,
      recordedAt: this.#recordedAt,
      event: (id: string) => queries.event(id),
      streamRevision: (stream: string) => this.#revisions.get(stream) ?? queries.streamRevision(stream),
      partitionTail: (partition: string) => this.#tails.get(partition) ?? queries.partitionTail(partition),
    };
  }

  #moveHead(batch: Batch, bytes: number): void {
    this.#position += batch.placed.length;
    this.#recordedAt = batch.recordedAt;
    remember(this.#revisions, batch.streamRevisions);
    remember(this.#tails, batch.partitionTails);
    publishHead(this.headSignal, this.#position);
    this.#checkpointer.committed(bytes + pageBytesPerCommit);
  }

  #insertEvent(event: RecordedEvent): number {
    const { position, id, stream, revision, partition, content } = event;
    const envelope = encodeEnvelopeText(event);
    const checksum = checksumOf(envelope, content);
    this.#insert.run(position, idBytes(id), stream, revision, partition, envelope, content, checksum);
    return envelope.length + content.byteLength;
  }

  #finishCheckpoint(): void {
    if (this.#closing.signal.aborted) return;
    try {
      this.#db.exec('PRAGMA wal_checkpoint(PASSIVE)');
    } catch {
      // The disk is full or failing: commits say so, and the next checkpoint tries again.
    }
  }

  async readEvent(id: string) {
    return this.#read(() => this.#queries.event(id));
  }

  async readStream(stream: string, options?: Parameters<EventStore['readStream']>[1]) {
    return this.#read(() => this.#queries.stream(stream, options));
  }

  async readPartition(partition: string, options?: Parameters<EventStore['readPartition']>[1]) {
    return this.#read(() => this.#queries.partition(partition, options));
  }

  async readAll(options?: Parameters<EventStore['readAll']>[0]) {
    return this.#read(() => this.#queries.all(options));
  }

  subscribe(after: number, options?: Parameters<EventStore['subscribe']>[1]) {
    return subscribeTo({
      after,
      options,
      headSignal: this.headSignal,
      closed: this.#closing.signal,
      read: (from, limit) => this.#read(() => this.#queries.all({ after: from, limit })),
    });
  }

  head() {
    return { position: this.#position, epoch: this.#epoch };
  }

  async freshHead() {
    return this.head();
  }

  async epochs() {
    return this.#read(() => this.#queries.epochs());
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    await this.#recording;
    await this.#checkpointer.close();
    closeSync(this.#wal);
    this.#db.close();
    this.#lock.release();
    wakeWaiters(this.headSignal);
  }

  #read<T>(query: () => T): T {
    this.#refuseWhenClosed();
    try {
      return query();
    } catch (error) {
      throw faultOf(error, this.#path);
    }
  }

  #refuseWhenClosed(): void {
    if (this.#closing.signal.aborted) {
      throw new StoreFault('closed', `The log at ${this.#path} was closed. Open it again to use it.`);
    }
  }
}

/** Keeps the latest; the map's order is that of insertion. */
function remember(known: Map<string, number>, fresh: ReadonlyMap<string, number>): void {
  for (const [name, value] of fresh) {
    known.delete(name);
    known.set(name, value);
  }
  for (const name of known.keys()) {
    if (known.size <= maxRemembered) break;
    known.delete(name);
  }
}
