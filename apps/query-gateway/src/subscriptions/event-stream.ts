/**
 * One subscriber's stream of Server-Sent Events: what it missed, then what comes, in order. A cursor on the log, which its client
 * keeps: each event's id says where it goes on. https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
import type { ServerResponse } from 'node:http';
import type { Caller } from '@carelog/access';
import { isWanted, signalText, type Feed, type Filter, type Notice } from '@carelog/subscriptions';
import { answeredOf } from '../account.ts';
import type { FhirRequest, Gateway } from '../gateway.ts';
import { decideNotices, type NoticeOutcome } from './decide-notices.ts';
import { asSeen } from './sees-work.ts';

export interface StreamOptions {
  readonly gateway: Gateway;
  readonly feed: Feed;
  readonly asked: FhirRequest;
  readonly filter: Filter;
  readonly lists: readonly string[];
  readonly raw: ServerResponse;
  /** The caller, as long as their sign-in stands. */
  readonly recheck: () => Caller | undefined | Promise<Caller | undefined>;
  /** Where it begins: everything after it is told. */
  readonly epoch: string;
  readonly position: number;
  readonly onTrouble: (fault: unknown) => void;
}

/** With so much not taken by the client, nothing more is written; what comes meanwhile is read from the log when it was taken. */
const WAITING_BYTES_MAX = 256 * 1024;
/** Notices of one turn: what is decided, recorded and written together. */
const TURN_MAX = 500;
const AGAIN_MS = 1_000;

export class EventStream {
  readonly #options: StreamOptions;
  #epoch: string;
  /** Everything up to here was told, or is not for this subscriber. */
  #position: number;
  /** Heard, and not looked at yet; undefined while it has to be read from the log. */
  #heard: Notice[] | undefined;
  /** Up to where what was heard goes. */
  #heardUpTo = 0;
  #working: Promise<void> | undefined;
  #isEnded = false;

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#epoch = options.epoch;
    this.#position = options.position;
  }

  get filter(): Filter {
    return this.#options.filter;
  }

  get lists(): readonly string[] {
    return this.#options.lists;
  }

  /** Catches up to where listening began, and goes on with what is heard. */
  start(heardFrom: number): void {
    this.#heardUpTo = heardFrom;
    this.#work();
  }

  /** Notices that are wanted, of a batch that went up to a position. */
  hear(notices: readonly Notice[], upTo: number): void {
    this.#heardUpTo = upTo;
    if (this.#heard === undefined) return this.#work();
    if (this.#heard.length + notices.length > 4 * TURN_MAX) this.#heard = undefined;
    else this.#heard.push(...notices);
    this.#work();
  }

  /** A batch up to a position was made without worklists that this one asks for: it is read again. */
  missed(upTo: number): void {
    this.#heardUpTo = upTo;
    this.#heard = undefined;
    this.#work();
  }

  /** The log was restored: what came after this position comes anew. */
  restored(epoch: string, position: number): void {
    this.#epoch = epoch;
    this.#position = Math.min(this.#position, position);
    this.#heard = undefined;
    this.#heardUpTo = position;
  }

  /** Says that it is there, and how far; ends it where the caller may not be here any more. `upTo`: what was heard up to. */
  async beat(upTo: number): Promise<void> {
    const epoch = this.#epoch;
    const caller = await this.#options.recheck();
    if (caller === undefined) return this.end();
    if (this.#isEnded) return;
    const { raw } = this.#options;
    if (raw.writableLength > WAITING_BYTES_MAX) return;
    if (epoch === this.#epoch && this.#heard?.length === 0 && this.#working === undefined)
      this.#position = Math.max(this.#position, upTo);
    // An id without data is no event, but where the client goes on.
    raw.write(`:\nid: ${this.#epoch}-${this.#position}\n\n`);
    this.#work();
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#options.raw.end();
  }

  #work(): void {
    if (this.#working !== undefined || this.#isEnded) return;
    if (this.#heard?.length === 0) return;
    this.#working = this.#tell()
      .catch((fault: unknown) => {
        this.#heard = undefined;
        this.#options.onTrouble(fault);
        return new Promise<void>((resolve) => setTimeout(resolve, AGAIN_MS).unref());
      })
      .finally(() => {
        this.#working = undefined;
        if (this.#heard !== undefined && this.#heard.length > 0) this.#work();
        else if (this.#heard === undefined && this.#position < this.#heardUpTo) this.#work();
      });
  }

  async #tell(): Promise<void> {
    while (!this.#isEnded) {
      if (this.#options.raw.writableLength > WAITING_BYTES_MAX) {
        this.#heard = undefined;
        await taken(this.#options.raw);
        continue;
      }
      if (this.#heard === undefined && !(await this.#readOn())) continue;
      const turn = this.#heard!.splice(0, TURN_MAX);
      if (turn.length === 0) return;
      // What was read from the log may have been heard as well.
      await this.#deliver(turn.filter(({ position }) => position > this.#position), turn.at(-1)!.position); // prettier-ignore
    }
  }

  /** True once what is heard from now on follows without a gap. */
  async #readOn(): Promise<boolean> {
    if (this.#position >= this.#heardUpTo) {
      this.#heard = [];
      return true;
    }
    const after = this.#position;
    const batch = await this.#options.feed.read(after, this.lists);
    if (after !== this.#position) return false;
    if (batch.epoch !== this.#epoch || batch.upTo === after) throw new LogChanges();
    const wanted = batch.notices.filter((it) => isWanted(it, this.filter));
    for (let from = 0; from < wanted.length; from += TURN_MAX) {
      const turn = wanted.slice(from, from + TURN_MAX);
      if (!(await this.#deliver(turn, turn.at(-1)!.position))) return false;
    }
    await this.#deliver([], batch.upTo);
    return false;
  }

  /** With the last of them it is up to `upTo`. False where the log was restored meanwhile: then nothing of it was told. */
  async #deliver(notices: readonly Notice[], upTo: number): Promise<boolean> {
    const epoch = this.#epoch;
    const told = notices.length === 0 ? [] : await this.#textsOf(notices);
    if (epoch !== this.#epoch) return false;
    if (this.#isEnded) return true;
    // Nothing comes between what is written and how far it is.
    if (told.length > 0) this.#options.raw.write(told.join(''));
    this.#options.gateway.told.stream += told.length;
    this.#position = Math.max(this.#position, upTo);
    return true;
  }

  /** What may be told of these, with account of it. */
  async #textsOf(notices: readonly Notice[]): Promise<readonly string[]> {
    const { gateway, asked, recheck } = this.#options;
    const caller = await recheck();
    if (caller === undefined) this.end();
    if (caller === undefined || this.#isEnded) return [];
    const seen = await asSeen(gateway, caller, this.filter, notices);
    const wanted = seen.filter((it) => it !== undefined);
    const { outcomes, shown, basis } = await decideNotices(gateway, caller, wanted, false);
    const told = wanted.flatMap((notice, at) => this.#textOf(notice, outcomes[at]!));
    if (told.length === 0 || this.#isEnded) return [];
    const answer = { status: 200, shown, ...(basis !== '' && { basis }) };
    const sent = { interaction: 'notification', status: 200 };
    const answered = answeredOf(gateway, { ...asked, caller }, answer, sent);
    const isKept = await new Promise<boolean>((resolve) => gateway.accessLog.record(caller, answered, false, resolve)); // prettier-ignore
    // What no account can be kept of is not told; it is tried again from the log.
    if (!isKept) throw new Error('No account can be kept of what is told.');
    return told;
  }

  #textOf(notice: Notice, outcome: NoticeOutcome): readonly string[] {
    if (outcome.kind === 'withheld') return [];
    const { gateway, asked } = this.#options;
    const unplaced = outcome.hidesPlaces && { unplacedId: gateway.digest(notice.eventId) };
    const signal = signalText(notice, { base: asked.base, ...unplaced });
    return [`id: ${this.#epoch}-${notice.position}\ndata: ${signal}\n\n`];
  }
}

class LogChanges extends Error {
  override readonly name = 'LogChanges';
  constructor() {
    super('The log is being restored. It is read again in a moment.');
  }
}

function taken(raw: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      raw.off('drain', done);
      raw.off('close', done);
      resolve();
    };
    raw.once('drain', done);
    raw.once('close', done);
  });
}
