/** All streams of this gateway: each hears only of what it may want, so that a thousand of one person each cost little. */
import type { Log } from '@carelog/service-kit';
import { isWanted, type Batch, type Feed, type Listening, type Notice } from '@carelog/subscriptions';
import type { EventStream } from './event-stream.ts';

const BEAT_MS = 15_000;

export class EventStreams {
  readonly #feed: Feed;
  readonly #log: Pick<Log, 'warn'>;
  readonly #streams = new Map<EventStream, string>();
  readonly #byPatient = new Map<string, Set<EventStream>>();
  readonly #ofAll = new Set<EventStream>();
  readonly #byCaller = new Map<string, number>();
  /** Worklists, and how many streams ask for each. */
  readonly #lists = new Map<string, number>();
  #listening: Listening | undefined;
  #position = 0;
  #beating: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(feed: Feed, log: Pick<Log, 'warn'>) {
    this.#feed = feed;
    this.#log = log;
  }

  get count(): number {
    return this.#streams.size;
  }

  /** How many streams this caller has. */
  countOf(caller: string): number {
    return this.#byCaller.get(caller) ?? 0;
  }

  /** Listens from now on: nothing that is recorded after this call is passed by. */
  begin(): void {
    if (this.#listening !== undefined) return;
    this.#listening = this.#feed.listen({
      lists: () => [...this.#lists.keys()],
      hear: (batch) => this.#hear(batch),
      restored: (epoch, position) => {
        this.#position = position;
        for (const stream of this.#streams.keys()) stream.restored(epoch, position);
      },
    });
    this.#position = this.#listening.position;
    this.#beating = setInterval(() => this.#beat(), BEAT_MS).unref();
  }

  add(stream: EventStream, caller: string): void {
    if (this.#isClosed) return stream.end();
    this.begin();
    this.#streams.set(stream, caller);
    count(this.#byCaller, caller, 1);
    for (const name of stream.lists) count(this.#lists, name, 1);
    for (const set of this.#placesOf(stream)) set.add(stream);
    stream.start(this.#position);
  }

  remove(stream: EventStream): void {
    const caller = this.#streams.get(stream);
    if (caller === undefined) return;
    stream.end();
    this.#streams.delete(stream);
    count(this.#byCaller, caller, -1);
    for (const name of stream.lists) count(this.#lists, name, -1);
    this.#ofAll.delete(stream);
    for (const id of stream.filter.patients ?? []) {
      const others = this.#byPatient.get(id);
      others?.delete(stream);
      if (others?.size === 0) this.#byPatient.delete(id);
    }
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#beating);
    this.#listening?.stop();
    for (const stream of [...this.#streams.keys()]) this.remove(stream);
  }

  #placesOf({ filter }: EventStream): readonly Set<EventStream>[] {
    if (filter.patients === undefined) return [this.#ofAll];
    return filter.patients.map((id) => {
      const others = this.#byPatient.get(id) ?? new Set();
      this.#byPatient.set(id, others);
      return others;
    });
  }

  #hear({ notices, upTo, lists }: Batch): void {
    this.#position = upTo;
    const missed = new Set<EventStream>();
    // Somebody asked for it while the batch was made.
    if ([...this.#lists.keys()].some((name) => !lists.includes(name)))
      for (const stream of this.#streams.keys())
        if (stream.lists.some((name) => !lists.includes(name))) missed.add(stream);
    for (const stream of missed) stream.missed(upTo);
    const wanted = new Map<EventStream, Notice[]>();
    const tell = (stream: EventStream, notice: Notice): void => {
      if (missed.has(stream) || !isWanted(notice, stream.filter)) return;
      const its = wanted.get(stream);
      if (its === undefined) wanted.set(stream, [notice]);
      else if (its.at(-1) !== notice) its.push(notice);
    };
    for (const notice of notices) {
      for (const stream of this.#ofAll) tell(stream, notice);
      for (const id of notice.patients) for (const stream of this.#byPatient.get(id) ?? []) tell(stream, notice); // prettier-ignore
    }
    for (const [stream, its] of wanted) stream.hear(its, upTo);
  }

  #beat(): void {
    for (const stream of this.#streams.keys())
      stream.beat(this.#position).catch((fault: unknown) => {
        this.#log.warn({ fault: (fault as Error).name }, 'a stream of events could not go on');
        this.remove(stream);
      });
  }
}

function count(counts: Map<string, number>, key: string, more: number): void {
  const now = (counts.get(key) ?? 0) + more;
  if (now === 0) counts.delete(key);
  else counts.set(key, now);
}
