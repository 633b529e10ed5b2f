/**
 * What stands between an answer and its leaving: all records of one turn of the event loop are sealed and written to the
 * journal with one call, and only then do the answers of that turn leave. What was written survives the end of the process
 * as it is (kill -9); the end of the machine it survives from its flush on, which begins `FLUSH_WITHIN_MS` later at most.
 */
import { closeSync, fdatasync, fsync, openSync, rmSync, writeSync } from 'node:fs';
import type { Caller } from '@carelog/access';
import type { Keyring } from '@carelog/keyring';
import type { Answered, Ground } from './access-record.ts';
import { contextLine, recordLine } from './record-text.ts';
import { newSegment, segmentPath, type NewSegment } from './segment.ts';

/** A flush begins at latest so long after what it is for was written. */
export const FLUSH_WITHIN_MS = 25;
/** While a flush takes longer than this, answers wait for the next one: the disk is not as fast as what it is promised to hold. */
const FLUSH_OVERDUE_MS = 200;
/** A segment is handed on when it is so old or so large. */
const SEGMENT_MS = 1_000;
const SEGMENT_BYTES = 4 * 1024 * 1024;
/** With so much waiting to be taken over into the log, nothing more is taken in. */
const BACKLOG_BYTES = 256 * 1024 * 1024;
/** Characters of one record's list of versions; an event has to hold it. */
const SHOWN_MAX = 4 * 1024 * 1024;
const DAY_MS = 24 * 60 * 60 * 1_000;

/** Called once: true when the record is as safe as was asked, false when it could not be kept; then nothing may be shown. */
export type Leave = (kept: boolean) => void;

export interface JournalOptions {
  readonly folder: string;
  readonly keyring: Keyring;
  /** `flushed`: every answer waits for its record's flush. */
  readonly mode: 'written' | 'flushed';
  /** Number of the first segment. */
  readonly first: number;
  readonly ground: () => Ground;
  /** A segment is complete and will not change any more. */
  readonly onComplete: (segment: number) => void;
  readonly onFault: (fault: unknown) => void;
}

interface Segment {
  readonly number: number;
  readonly fd: number;
  readonly frame: NewSegment['frame'];
  offset: number;
  /** Its name is on disk. */
  isNamed: boolean;
  /** Flushes under way, and whether it is to be closed after the last of them. */
  flushes: number;
  isComplete: boolean;
}

/** Records of one month lie in one partition, so that destroying one key ends their keeping. */
export function partitionAt(at: number): string {
  return partitionOf(new Date(at).toISOString().slice(0, 7));
}

/** What the names of their partitions begin with. */
export const ACCESS_PARTITIONS = 'access/';

/** `month`: as in `2018-03`. */
export const partitionOf = (month: string): string => `${ACCESS_PARTITIONS}${month}`;

export class Journal {
  readonly #options: JournalOptions;
  readonly #folder: number;
  #segment: Segment | undefined;
  #next: number;
  #contexts = new WeakMap<Caller, number>();
  #context = 0;
  #ground: Ground | undefined;
  #text = '';
  #leaving: { readonly leave: Leave; readonly flush: boolean }[] = [];
  #scheduled = false;
  #unflushed: Leave[] = [];
  #flushes = 0;
  #flushingSince = 0;
  #isDirty = false;
  #flushTimer: NodeJS.Timeout | undefined;
  #handOnTimer: NodeJS.Timeout | undefined;
  #waitingBytes = 0;
  #isClosed = false;
  #idle: (() => void) | undefined;
  /** Bytes of each segment that was handed on. */
  readonly #handedOn = new Map<number, number>();

  constructor(options: JournalOptions) {
    this.#options = options;
    this.#next = options.first;
    this.#folder = openSync(options.folder, 'r');
  }

  /** Keeps the record of an answer; `leave` is called later, never before this returns. */
  record(caller: Caller, answered: Answered, flush: boolean, leave: Leave): void {
    if (this.#isClosed || this.#waitingBytes > BACKLOG_BYTES || answered.shown.length > SHOWN_MAX) {
      setImmediate(leave, false);
      return;
    }
    // Before the line that names it.
    const context = this.#contextOf(caller);
    this.#text += recordLine(Date.now(), context, answered);
    this.#leaving.push({ leave, flush });
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#write);
  }

  /** Handed on, and not in the log yet. */
  get backlogBytes(): number {
    return this.#waitingBytes;
  }

  /** Hands on what is there, so that it comes into the log; the number of the last segment that was handed on. */
  handOn(): number {
    if (this.#scheduled) this.#write();
    const segment = this.#segment;
    if (segment === undefined) return this.#next - 1;
    this.#segment = undefined;
    this.#contexts = new WeakMap();
    clearTimeout(this.#handOnTimer);
    this.#waitingBytes += segment.offset;
    this.#handedOn.set(segment.number, segment.offset);
    segment.isComplete = true;
    this.#flush(segment);
    this.#options.onComplete(segment.number);
    return segment.number;
  }

  /** The log has everything up to this segment. */
  tookOver(upTo: number): void {
    for (const [number, bytes] of this.#handedOn) {
      if (number > upTo) break;
      this.#waitingBytes -= bytes;
      this.#handedOn.delete(number);
    }
  }

  /** Takes nothing more. Resolves when everything that was taken is flushed and handed on. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.handOn();
    this.#isClosed = true;
    clearTimeout(this.#flushTimer);
    if (this.#flushes > 0) await new Promise<void>((idle) => (this.#idle = idle));
    closeSync(this.#folder);
  }

  #contextOf(caller: Caller): number {
    const ground = this.#options.ground();
    if (ground !== this.#ground) {
      this.#ground = ground;
      this.#contexts = new WeakMap();
    }
    const known = this.#contexts.get(caller);
    if (known !== undefined) return known;
    const context = ++this.#context;
    this.#contexts.set(caller, context);
    this.#text += contextLine(context, caller, ground);
    return context;
  }

  readonly #write = (): void => {
    this.#scheduled = false;
    const leaving = this.#leaving;
    const text = this.#text;
    if (leaving.length === 0) return;
    this.#leaving = [];
    this.#text = '';
    try {
      this.#writeFrame(text);
    } catch (fault) {
      // Who is named in a frame that was not written has to be named again.
      this.#contexts = new WeakMap();
      this.#options.onFault(fault);
      for (const { leave } of leaving) leave(false);
      return;
    }
    this.#isDirty = true;
    const isOverdue = this.#flushes > 0 && performance.now() - this.#flushingSince > FLUSH_OVERDUE_MS;
    const all = isOverdue || this.#options.mode === 'flushed';
    for (const { leave, flush } of leaving) {
      if (all || flush) this.#unflushed.push(leave);
      else leave(true);
    }
    if (this.#unflushed.length > 0) this.#flushNow();
    else this.#flushTimer ??= setTimeout(this.#flushNow, FLUSH_WITHIN_MS);
    if (this.#segment !== undefined && this.#segment.offset >= SEGMENT_BYTES) this.handOn();
  };

  #writeFrame(text: string): void {
    const segment = (this.#segment ??= this.#begin());
    try {
      segment.offset += writeAll(segment.fd, segment.frame(text), segment.offset);
    } catch (fault) {
      // What follows a frame that is not whole could not be read.
      this.handOn();
      throw fault;
    }
  }

  #begin(): Segment {
    const { folder, keyring, onFault } = this.#options;
    const now = Date.now();
    // A day before a month begins its key is made; where there is none yet, the next answer finds it.
    keyring.prepare([partitionAt(now), partitionAt(now + DAY_MS)]).catch(onFault);
    const { header, frame } = newSegment(keyring, partitionAt(now));
    const number = this.#next++;
    const path = segmentPath(folder, number);
    const fd = openSync(path, 'wx', 0o600);
    try {
      writeAll(fd, header, 0);
    } catch (fault) {
      closeSync(fd);
      rmSync(path);
      throw fault;
    }
    this.#handOnTimer = setTimeout(() => this.handOn(), SEGMENT_MS);
    return { number, fd, frame, offset: header.length, isNamed: false, flushes: 0, isComplete: false };
  }

  readonly #flushNow = (): void => {
    clearTimeout(this.#flushTimer);
    this.#flushTimer = undefined;
    const segment = this.#segment;
    // What is being flushed already may have begun before the last write: the next one follows it.
    if (this.#flushes > 0 || segment === undefined || !this.#isDirty) return;
    this.#flush(segment);
  };

  #flush(segment: Segment): void {
    const leaving = this.#unflushed;
    this.#unflushed = [];
    this.#isDirty = false;
    if (this.#flushes === 0) this.#flushingSince = performance.now();
    this.#flushes += 1;
    segment.flushes += 1;
    const done = (fault: unknown): void => {
      if (fault !== null) this.#options.onFault(fault);
      else segment.isNamed = true;
      this.#flushes -= 1;
      segment.flushes -= 1;
      if (segment.isComplete && segment.flushes === 0) closeSync(segment.fd);
      for (const leave of leaving) leave(fault === null);
      if (this.#flushes > 0) return;
      this.#idle?.();
      if (this.#unflushed.length > 0) this.#flushNow();
      else if (this.#isDirty) this.#flushTimer ??= setTimeout(this.#flushNow, FLUSH_WITHIN_MS);
    };
    if (segment.isNamed) return fdatasync(segment.fd, done);
    // A file whose name was lost is lost with it.
    fdatasync(segment.fd, (fault) => (fault === null ? fsync(this.#folder, done) : done(fault)));
  }
}

/** Gives back how much that was. Throws where not everything could be written. */
function writeAll(fd: number, bytes: Uint8Array, offset: number): number {
  const written = writeSync(fd, bytes, 0, bytes.length, offset);
  if (written === bytes.length) return written;
  throw Object.assign(new Error('The access journal took only a part of what was written.'), {
    code: 'ENOSPC',
  });
}
