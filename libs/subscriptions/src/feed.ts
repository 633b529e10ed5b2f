/**
 * The log as those see it who are told of it: events by their names, each with whose record it is of, once the record reflects
 * it. Whoever listens hears of what comes; whoever was away reads what they missed, from the same log, and misses nothing.
 */
import { CATALOGUE } from '@carelog/activity';
import type { EventStore, RecordedEvent } from '@carelog/event-store';
import { isResourceType } from '@carelog/fhir';
import { setTimeout as delay } from 'node:timers/promises';
import { resourceTypeOf, type Notice } from './notice.ts';

export interface FeedSource {
  readonly log: Pick<EventStore, 'readAll' | 'subscribe' | 'head' | 'epochs'>;
  /** Resolves to false where the views do not reflect this position within the time. */
  reached(position: number, timeoutMs: number): Promise<boolean>;
  /** Ids of the Patients of each of these versions; undefined where the record has not got it. */
  patientsOf(
    versions: readonly Pick<Notice, 'stream' | 'version'>[],
  ): Promise<readonly (readonly string[] | undefined)[]>;
  /** The JSON text of a version, where it can be read. */
  contentOf(version: Pick<Notice, 'stream' | 'version'>): Promise<string | undefined>;
  /** Of these worklists, those on which something about each Patient changed with the events after a position, as far as another. */
  worklistsOf(
    lists: readonly string[],
    after: number,
    upTo: number,
  ): Promise<ReadonlyMap<string, readonly string[]>>;
}

export interface Batch {
  /** Of the log that the positions are of. */
  readonly epoch: string;
  readonly after: number;
  /** Everything after `after`, up to here, is in it. */
  readonly upTo: number;
  /** Worklists that it tells of. */
  readonly lists: readonly string[];
  readonly notices: readonly Notice[];
}

export interface Listener {
  /** Worklists that it has to hear of now. */
  lists?(): readonly string[];
  hear(batch: Batch): void;
  /** The log was restored: from `position` on, it begins again in another epoch. */
  restored(epoch: string, position: number): void;
}

export interface Listening {
  /** It hears of everything after this position. */
  readonly epoch: string;
  readonly position: number;
  stop(): void;
}

const BATCH = 500;
/** Kept for who comes back after a moment, so that many at once read no log. */
const WINDOW = 5_000;
/** Between two looks, so that many events are one batch. */
const REST_MS = 10;
const REACHED_MS = 5_000;
const AGAIN_MS = 1_000;
const EPOCH_EVERY_MS = 500;

export class Feed {
  readonly #source: FeedSource;
  readonly #log: { warn(text: string): void };
  readonly #listeners = new Set<Listener>();
  readonly #closing = new AbortController();
  #window: Notice[] = [];
  /** The window has everything after this position. */
  #floor = 0;
  #position = 0;
  #epoch = '';
  #running: Promise<void> | undefined;

  constructor(source: FeedSource, log: { warn(text: string): void }) {
    this.#source = source;
    this.#log = log;
  }

  /** The epoch of the log as it is now. */
  get epoch(): string {
    return this.#source.log.head().epoch;
  }

  /** Hears of what comes from now on. */
  listen(listener: Listener): Listening {
    this.#start();
    this.#listeners.add(listener);
    return { epoch: this.#epoch, position: this.#position, stop: () => this.#listeners.delete(listener) };
  }

  /** The next events after a position, `BATCH` of the log at most; none where there are no more. Rejects while the views are behind. */
  async read(after: number, lists: readonly string[] = []): Promise<Batch> {
    const { epoch } = this;
    if (lists.length === 0 && epoch === this.#epoch && after >= this.#floor && after < this.#position) {
      const notices = this.#window.filter(({ position }) => position > after).slice(0, BATCH);
      const isAll = notices.length < BATCH;
      return { epoch, after, upTo: isAll ? this.#position : notices.at(-1)!.position, lists, notices };
    }
    const events = await this.#source.log.readAll({ after, limit: BATCH });
    return this.#batchOf(epoch, after, events, lists);
  }

  /**
   * Where somebody goes on who was told of everything up to a position of an epoch: there, or where the log was restored from
   * an older copy, from where the copy ends. Undefined where the log never had this epoch.
   */
  async resume(epoch: string, position: number): Promise<number | undefined> {
    if (epoch === this.epoch) return position;
    const epochs = await this.#source.log.epochs();
    const at = epochs.findIndex(({ id }) => id === epoch);
    return at < 0 ? undefined : Math.min(position, ...epochs.slice(at + 1).map((it) => it.position));
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  #start(): void {
    if (this.#running !== undefined) return;
    const { epoch, position } = this.#source.log.head();
    this.#epoch = epoch;
    this.#position = this.#floor = position;
    this.#running = Promise.all([this.#run(), this.#lookBack(epoch, position).catch(() => {})]).then(
      () => {},
    );
  }

  /** Fills the window with what came last: after a restart everybody comes back at once. */
  async #lookBack(epoch: string, position: number): Promise<void> {
    const floor = Math.max(0, position - WINDOW);
    const notices: Notice[] = [];
    for (let after = floor; after < position;) {
      if (this.#closing.signal.aborted) return;
      const limit = Math.min(BATCH, position - after);
      const batch = await this.#batchOf(epoch, after, await this.#source.log.readAll({ after, limit }), []);
      if (batch.upTo === after) return;
      notices.push(...batch.notices);
      after = batch.upTo;
    }
    // Unless so much came meanwhile that there is no room, or the log is another one.
    if (this.#epoch !== epoch || this.#floor !== position) return;
    this.#window.unshift(...notices);
    this.#floor = floor;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    let isTroubled = false;
    while (!signal.aborted) {
      try {
        await this.#follow();
        isTroubled = false;
      } catch (fault) {
        if (signal.aborted) return;
        if (!isTroubled) this.#log.warn(`Subscribers wait: ${(fault as Error).name}. It is tried again.`);
        isTroubled = true;
        await delay(AGAIN_MS, undefined, { signal, ref: false }).catch(() => {});
      }
    }
  }

  /** Until the feed is closed, the log becomes another one, or something fails. */
  async #follow(): Promise<void> {
    const { log } = this.#source;
    if (log.head().epoch !== this.#epoch) await this.#enter(log.head().epoch);
    const leaving = new AbortController();
    const looking = setInterval(() => log.head().epoch === this.#epoch || leaving.abort(), EPOCH_EVERY_MS);
    const signal = AbortSignal.any([this.#closing.signal, leaving.signal]);
    try {
      for await (const events of log.subscribe(this.#position, { batchSize: BATCH, signal })) {
        const lists = [...new Set([...this.#listeners].flatMap((it) => it.lists?.() ?? []))];
        const batch = await this.#batchOf(this.#epoch, this.#position, events, lists);
        if (log.head().epoch !== this.#epoch) return;
        this.#take(batch);
        await delay(REST_MS, undefined, { signal }).catch(() => {});
      }
    } finally {
      clearInterval(looking);
    }
  }

  #take(batch: Batch): void {
    this.#position = batch.upTo;
    this.#window.push(...batch.notices);
    if (this.#window.length > 2 * WINDOW) {
      const dropped = this.#window.splice(0, this.#window.length - WINDOW);
      this.#floor = dropped.at(-1)!.position;
    }
    for (const listener of this.#listeners) listener.hear(batch);
  }

  async #enter(epoch: string): Promise<void> {
    const position = (await this.resume(this.#epoch, this.#position)) ?? 0;
    this.#epoch = epoch;
    this.#position = this.#floor = position;
    this.#window = [];
    for (const listener of this.#listeners) listener.restored(epoch, position);
  }

  async #batchOf(
    epoch: string,
    after: number,
    events: readonly RecordedEvent[],
    lists: readonly string[],
  ): Promise<Batch> {
    const upTo = events.at(-1)?.position ?? after;
    const told = events.filter(({ stream }) => isResourceType(stream.slice(0, stream.indexOf('/'))));
    if (told.length === 0) return { epoch, after, upTo, lists, notices: [] };
    if (!(await this.#source.reached(upTo, REACHED_MS))) throw new ViewsBehind();
    const asked = told.map(({ stream, revision }) => ({ stream, version: revision }));
    const [patients, byPatient] = await Promise.all([
      this.#source.patientsOf(asked),
      lists.length === 0 ? NOTHING : this.#source.worklistsOf(lists, after, upTo),
    ]);
    const notices = told.flatMap((event, at) => {
      const ids = patients[at];
      // Of a partition that is parked: it is not known whose it is, nor who may know of it.
      return ids === undefined ? [] : [noticeOf(event, ids)];
    });
    const named = await Promise.all(notices.map((it) => this.#named(it)));
    return { epoch, after, upTo, lists, notices: withWorklists(named, byPatient) };
  }

  /** Some activities have a national name only in some cases, which their content tells. */
  async #named(notice: Notice): Promise<Notice> {
    const rows = ROWS.get(notice.activity);
    if (rows === undefined || rows.every((row) => row.nationalEvent === rows[0]!.nationalEvent))
      return notice;
    const content = await this.#source.contentOf(notice);
    if (content === undefined) return notice;
    const resource = JSON.parse(content) as Record<string, unknown>;
    const row = rows.find((it) => it.resource === resourceTypeOf(notice) && it.when?.(resource) !== false);
    return row?.nationalEvent === undefined ? notice : { ...notice, nationalEvent: row.nationalEvent };
  }
}

class ViewsBehind extends Error {
  override readonly name = 'ViewsBehind';
  readonly category = 'unavailable';
  readonly code = 'transient';
  constructor() {
    super('The views have not caught up with the log, so nobody is told of it yet. Try again in a moment.');
  }
}

const NOTHING: ReadonlyMap<string, readonly string[]> = new Map();
const ROWS = Map.groupBy(CATALOGUE, ({ type }) => type);

/** What changed on lists is told of with the last event of each person. */
function withWorklists(
  notices: readonly Notice[],
  byPatient: ReadonlyMap<string, readonly string[]>,
): readonly Notice[] {
  if (byPatient.size === 0) return notices;
  const told = new Set<string>();
  const backwards = notices.toReversed().map((notice) => {
    const patients = notice.patients.filter((id) => byPatient.has(id) && !told.has(id));
    if (patients.length === 0) return notice;
    for (const id of patients) told.add(id);
    return { ...notice, worklists: [...new Set(patients.flatMap((id) => byPatient.get(id)!))] };
  });
  return backwards.reverse();
}

function noticeOf(event: RecordedEvent, patients: readonly string[]): Notice {
  const { position, id, type, stream, revision, action, occurredAt, recordedAt, publisher, careSetting } =
    event;
  const rows = ROWS.get(type) ?? [];
  const settings = [careSetting, ...rows.flatMap((row) => row.careSettings)].filter((it) => it !== 'any');
  const nationalEvent = rows[0]?.nationalEvent;
  const isNational = nationalEvent !== undefined && rows.every((row) => row.nationalEvent === nationalEvent);
  return {
    position,
    eventId: id,
    activity: type,
    ...(isNational && { nationalEvent }),
    stream,
    version: revision,
    action,
    occurredAt,
    recordedAt,
    organisation: publisher.organisation,
    careSettings: [...new Set(settings)],
    patients,
  };
}
