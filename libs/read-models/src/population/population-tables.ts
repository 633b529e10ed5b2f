/**
 * What a batch of events does to the population, the same on SQLite and PostgreSQL: facts under pseudonyms, who is out of it, and
 * the cases that are counted. Who opts out is taken out with everything; who comes back is read again from the log.
 */
import type { Checkpoint, Parked } from '@carelog/projection';
import type { Fact } from '../care-settings/fact.ts';
import type { Placed } from '../care-settings/care-setting.ts';
import type { Told } from '../care-settings/care-settings-projection.ts';
import { BatchOfFacts, markIn } from '../care-settings/facts-of-batch.ts';
import { isBroughtByOthers, ReachesOtherLanes } from '../care-settings/other-lanes.ts';
import { placed } from '../care-settings/statements.ts';
import { indicators, practicesOf } from './indicators.ts';
import { isCounted, population } from './population.ts';
import { isForCounting, pseudonymised, type Pseudonyms } from './pseudonyms.ts';

type Value = string | number | null;
/** Bytes: many of them, as an engine takes these. */
type Given = Value | Uint8Array;
type Row = Readonly<Record<string, Value>>;
type Table = 'fact' | 'link' | 'person' | 'counted' | 'parked';

/** Runs one statement, with `$1` and so on for its values, within the transaction that is open. */
export type Ask = (sql: string, values: readonly Given[]) => Promise<readonly Row[]>;

/** Part of a statement, with its values from `$1` on. */
interface Part {
  readonly sql: string;
  readonly values: readonly Given[];
}

/** How an engine is given many values at once. */
export interface Engine {
  readonly ask: Ask;
  /** What follows a column that is one of these; in as many parts as it takes, none for no values. */
  among(values: readonly string[]): readonly Part[];
  /** What follows `INSERT INTO` a table for these rows; in as many parts as it takes, none for no rows. */
  rowsOf(table: Table, rows: readonly (readonly Value[])[]): readonly Part[];
}

/** An event with its partition, where the person's history lies. */
export interface Arrived {
  readonly told: Told;
  readonly partition: string;
}

/** What the log holds, read again up to this position, in its order. */
export interface History {
  ofPartition(partition: string, until: number): Promise<readonly Arrived[]>;
  /**
   * Every version of a resource. Given where one writer takes them all: nothing is kept then of what never counted, which is most,
   * and once a version counts, those before it are read again. Lanes keep it, by which each knows that no other brought one.
   */
  ofStream?(stream: string, until: number): Promise<readonly Arrived[]>;
}

/** `told` is null of what is gone, where that is kept. `home`: sealed, where the history of a person lies. Times in milliseconds UTC. */
export const CREATE_POPULATION = `
CREATE TABLE fact (stream TEXT NOT NULL, patient TEXT NOT NULL, kind TEXT NOT NULL, version BIGINT NOT NULL,
  issued BIGINT NOT NULL, mark TEXT, told TEXT, lane INT NOT NULL, PRIMARY KEY (stream, patient));
CREATE INDEX fact_of_patient ON fact (patient);
CREATE TABLE link (patient TEXT NOT NULL, other TEXT NOT NULL, lane INT NOT NULL, PRIMARY KEY (patient, other));
CREATE INDEX link_back ON link (other);
CREATE TABLE person (patient TEXT PRIMARY KEY, home TEXT NOT NULL, is_out INT NOT NULL, lane INT NOT NULL);
CREATE TABLE counted (indicator TEXT NOT NULL, patient TEXT NOT NULL, stream TEXT NOT NULL, since BIGINT NOT NULL, due BIGINT,
  state TEXT NOT NULL, owner TEXT NOT NULL, practice TEXT, sex TEXT, born_in TEXT, lane INT NOT NULL,
  PRIMARY KEY (indicator, patient, stream));
CREATE INDEX counted_in_period ON counted (indicator, since);
CREATE INDEX counted_of_patient ON counted (patient);
CREATE TABLE parked (partition TEXT PRIMARY KEY, position BIGINT NOT NULL, reason TEXT NOT NULL, lane INT NOT NULL);
CREATE TABLE checkpoint (lane INT PRIMARY KEY, position BIGINT NOT NULL, epoch TEXT NOT NULL);
`;

const TABLES = ['fact', 'link', 'person', 'counted', 'parked', 'checkpoint'];

export class PopulationTables {
  readonly #engine: Engine;
  readonly #schema: string;
  readonly #lane: number;
  readonly #pseudonyms: Pseudonyms;
  readonly #history: History;

  /** `schema`: where the tables lie. What is written is marked with the lane that it came by. */
  constructor(engine: Engine, schema: string, lane: number, pseudonyms: Pseudonyms, history: History) {
    this.#engine = engine;
    this.#schema = schema;
    this.#lane = lane;
    this.#pseudonyms = pseudonyms;
    this.#history = history;
  }

  /**
   * Applies events, in the order of the log, which goes up to `until`. What is parked meanwhile must be parked before. Throws
   * `ReachesOtherLanes` where it may not go on unless it `isAlone`.
   */
  async put(arrived: readonly Arrived[], until: number, isAlone: boolean): Promise<void> {
    const events = arrived.filter(({ told }) => population.kinds.has(told.kind));
    if (events.length === 0) return;
    const touched = await this.#putFacts(events.map(({ told }) => told), until, isAlone); // prettier-ignore
    const residents = await this.#noteHomes(events);
    if (!isAlone && [...touched].some((it) => !residents.has(it))) throw new ReachesOtherLanes();
    const people = await this.#peopleOf(touched);
    for (const partition of await this.#settle(people, this.#lastWords(events))) {
      const again = (await this.#history.ofPartition(partition, until)).map(({ told }) => told);
      const others = await this.#putFacts(again.filter(({ kind }) => population.kinds.has(kind)), until, true, 'again'); // prettier-ignore
      // What was theirs may have come to be somebody's who is out.
      await this.#takeOut([...(await this.#amongOut(others))]);
    }
    await this.#count(people);
  }

  async checkpoint(): Promise<Checkpoint | undefined> {
    const [row] = await this.#engine.ask(`SELECT position, epoch FROM ${this.#schema}.checkpoint WHERE lane = $1`, [this.#lane]); // prettier-ignore
    return row && { position: Number(row['position']), epoch: String(row['epoch']) };
  }

  async moveCheckpoint({ position, epoch }: Checkpoint): Promise<void> {
    await this.#engine.ask(
      `INSERT INTO ${this.#schema}.checkpoint VALUES ($1, $2, $3)
       ON CONFLICT (lane) DO UPDATE SET position = excluded.position, epoch = excluded.epoch`,
      [this.#lane, position, epoch],
    );
  }

  async parked(): Promise<readonly Parked[]> {
    const rows = await this.#engine.ask(`SELECT partition, position, reason FROM ${this.#schema}.parked WHERE lane = $1`, [this.#lane]); // prettier-ignore
    return rows.map((row) => ({
      partition: this.#pseudonyms.unseal(String(row['partition'])),
      position: Number(row['position']),
      reason: String(row['reason']),
    }));
  }

  /** `released`: partitions that are parked no longer. */
  async park(parked: readonly Parked[], released: readonly string[]): Promise<void> {
    const seal = (partition: string) => this.#pseudonyms.seal(partition);
    await this.#where('DELETE FROM', 'parked', 'partition', released.map(seal));
    await this.#insert('parked', parked.map((it) => [seal(it.partition), it.position, it.reason, this.#lane])); // prettier-ignore
  }

  async clear(): Promise<void> {
    for (const table of TABLES)
      await this.#engine.ask(`DELETE FROM ${this.#schema}.${table} WHERE lane = $1`, [this.#lane]);
  }

  /** Gives the pseudonyms of whom something may be another. */
  async #putFacts(
    came: readonly Told[],
    until: number,
    isAlone: boolean,
    when: 'now' | 'again' = 'now',
  ): Promise<ReadonlySet<string>> {
    const versions = new Map<string, readonly Told[]>(Map.groupBy(came, ({ stream }) => stream));
    // Of a resource that has just begun nothing stands.
    const begun = new Set(when === 'again' ? [] : [...versions].filter(([, its]) => its[0]!.version === 1).map(([stream]) => stream)); // prettier-ignore
    const keepsAll = this.#history.ofStream === undefined;
    if (!keepsAll) for (const it of begun) if (!versions.get(it)!.some(isKept)) versions.delete(it); // prettier-ignore
    const streams = [...versions.keys()].map((it) => this.#pseudonyms.of(it));
    const standing = await this.#where('SELECT stream, patient, issued, mark, version, lane FROM', 'fact', 'stream', streams); // prettier-ignore
    const known = standing.map(({ stream, patient, issued, mark, version, lane }) => ({ stream: String(stream), patient: String(patient), issued: Number(issued), mark: markIn(mark as string | null), version: Number(version), lane: Number(lane) })); // prettier-ignore
    const stands = new Set(known.map(({ stream }) => stream));
    if (!keepsAll) {
      const unknown = [...versions].filter(([stream]) => !begun.has(stream) && !stands.has(this.#pseudonyms.of(stream))); // prettier-ignore
      for (const [stream, its] of await this.#unkept(new Map(unknown), until)) {
        versions.delete(stream);
        if (its.length > 0) versions.set(stream, its);
      }
    }
    const told = [...versions.values()].flat().map((it) => pseudonymised(it, isCounted, this.#pseudonyms));
    const facts = new BatchOfFacts(population, told);
    if (!isAlone && isBroughtByOthers(facts, known, this.#lane)) throw new ReachesOtherLanes();
    facts.make(known);
    await this.#where('DELETE FROM', 'fact', 'stream', facts.gone);
    // What counted once, or was read again, is kept though it counts no more: so it is not read a second time.
    const counts = new Set(told.filter(({ fact }) => fact !== undefined).map(({ stream }) => stream));
    const rows = keepsAll ? facts.rows : facts.rows.filter((it) => it.told !== null || stands.has(it.stream) || counts.has(it.stream)); // prettier-ignore
    await this.#insert('fact', rows.map((it) => [it.stream, it.patient, it.kind, it.version, it.issued, it.mark, it.told, this.#lane])); // prettier-ignore
    // Who was linked before is another person from now on.
    const parted = await this.#where('SELECT other FROM', 'link', 'patient', facts.relinked);
    await this.#where('DELETE FROM', 'link', 'patient', facts.relinked);
    await this.#insert(
      'link',
      facts.links.map((it) => [it.patient, it.other, this.#lane]),
    );
    return new Set([...facts.touched.keys(), ...parted.map(({ other }) => String(other))]);
  }

  /**
   * Of resources of which versions come now, and earlier ones may not have been kept: every version, where one that comes now counts.
   * None of what is only of people who are out, which is read when they come back.
   */
  async #unkept(
    versions: ReadonlyMap<string, readonly Told[]>,
    until: number,
  ): Promise<ReadonlyMap<string, readonly Told[]>> {
    const counting = [...versions].filter(([, its]) => its.some(isKept));
    const all = new Map<string, readonly Told[]>();
    if (counting.length === 0) return all;
    const whose = counting.map(([stream, its]) => [stream, its.flatMap(({ patients }) => patients.map((it) => this.#pseudonyms.of(it)))] as const); // prettier-ignore
    const out = await this.#amongOut(new Set(whose.flatMap(([, patients]) => patients)));
    const parked = new Map((await this.parked()).map(({ partition, position }) => [partition, position]));
    for (const [stream, patients] of whose) {
      const isOfPeopleOut = patients.every((it) => out.has(it)) && !versions.get(stream)!.some(({ kind }) => kind === 'person' || kind === 'consent'); // prettier-ignore
      const read = isOfPeopleOut ? [] : await this.#history.ofStream!(stream, until);
      all.set(stream, read.filter(({ told, partition }) => told.source.position < (parked.get(partition) ?? Infinity)).map(({ told }) => told)); // prettier-ignore
    }
    return all;
  }

  async #amongOut(patients: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    const rows = await this.#where('SELECT patient FROM', 'person', 'patient', [...patients], 'AND is_out = 1'); // prettier-ignore
    return new Set(rows.map(({ patient }) => String(patient)));
  }

  /** Of everybody told of, where their history lies: what is about one person lies with that person's. Gives who comes by this lane. */
  async #noteHomes(events: readonly Arrived[]): Promise<ReadonlySet<string>> {
    const homes = new Map<string, string>();
    for (const { told, partition } of events)
      if (told.patients.length === 1) homes.set(this.#pseudonyms.of(told.patients[0]!), partition);
    const rows = await this.#where('SELECT patient, lane FROM', 'person', 'patient', [...homes.keys()]);
    const known = new Map(rows.map(({ patient, lane }) => [String(patient), Number(lane)]));
    const fresh = [...homes].filter(([patient]) => !known.has(patient));
    await this.#insert('person', fresh.map(([patient, home]) => [patient, this.#pseudonyms.seal(home), 0, this.#lane])); // prettier-ignore
    return new Set([...homes.keys()].filter((it) => (known.get(it) ?? this.#lane) === this.#lane));
  }

  /** By pseudonym, when something was recorded of them last in this batch, milliseconds UTC. */
  #lastWords(events: readonly Arrived[]): ReadonlyMap<string, number> {
    const last = new Map<string, number>();
    for (const { told } of events) {
      const at = Date.parse(told.source.recordedAt);
      for (const patient of told.patients) {
        const pseudonym = this.#pseudonyms.of(patient);
        last.set(pseudonym, Math.max(at, last.get(pseudonym) ?? at));
      }
    }
    return last;
  }

  /** Each person with all pseudonyms that links say are theirs. */
  async #peopleOf(touched: ReadonlySet<string>): Promise<readonly (readonly string[])[]> {
    const others = new Map<string, Set<string>>([...touched].map((it) => [it, new Set()]));
    for (let open = [...touched]; open.length > 0;) {
      const links = [
        ...(await this.#where('SELECT patient, other FROM', 'link', 'patient', open)),
        ...(await this.#where('SELECT patient, other FROM', 'link', 'other', open)),
      ];
      const found = new Set<string>();
      for (const { patient, other } of links) {
        const [a, b] = [String(patient), String(other)];
        for (const [one, to] of [
          [a, b],
          [b, a],
        ] as const) {
          // prettier-ignore
          const known = others.get(one);
          if (known === undefined) found.add(one);
          others.set(one, (known ?? new Set()).add(to));
        }
      }
      open = [...found];
    }
    return connected(others);
  }

  /** Takes out whoever opted out; gives the partitions of those who come back. */
  async #settle(
    people: readonly (readonly string[])[],
    lastWords: ReadonlyMap<string, number>,
  ): Promise<readonly string[]> {
    const everybody = people.flat();
    const consents = await this.#factsOf(everybody, 'consent');
    const known = await this.#where('SELECT patient, home, is_out FROM', 'person', 'patient', everybody);
    const wasOut = new Map(known.filter((it) => Number(it['is_out']) === 1).map(({ patient, home }) => [String(patient), String(home)])); // prettier-ignore
    const leaving: string[] = [];
    const back: string[] = [];
    for (const pseudonyms of people) {
      const now = Math.max(...pseudonyms.map((it) => lastWords.get(it) ?? 0));
      const isOut = pseudonyms.some((it) => consents.get(it)?.some(({ fact }) => optsOut(fact, now)));
      if (isOut) leaving.push(...pseudonyms);
      else back.push(...pseudonyms.filter((it) => wasOut.has(it)));
    }
    await this.#takeOut(leaving);
    await this.#where(`UPDATE`, 'person', 'patient', leaving, '', 'SET is_out = 1');
    await this.#where(`UPDATE`, 'person', 'patient', back, '', 'SET is_out = 0');
    return back.map((it) => this.#pseudonyms.unseal(wasOut.get(it)!));
  }

  /** Of these people nothing stays but their choice. */
  async #takeOut(patients: readonly string[]): Promise<void> {
    await this.#where('DELETE FROM', 'fact', 'patient', patients, `AND kind <> 'consent'`);
  }

  /** Makes the cases of these people anew, each under one pseudonym. */
  async #count(people: readonly (readonly string[])[]): Promise<void> {
    const everybody = people.flat();
    const facts = await this.#factsOf(everybody);
    const before = Map.groupBy(
      await this.#where('SELECT * FROM', 'counted', 'patient', everybody),
      ({ patient }) => String(patient),
    );
    const changed = people.flatMap((pseudonyms) => {
      const rows = this.#rowsOf(pseudonyms, pseudonyms.flatMap((it) => facts.get(it) ?? [])); // prettier-ignore
      const stand = pseudonyms.flatMap((it) => before.get(it) ?? []);
      return isSameRows(rows, stand) ? [] : [{ pseudonyms, rows }];
    });
    const gone = changed.flatMap(({ pseudonyms }) => pseudonyms.filter((it) => before.has(it)));
    await this.#where('DELETE FROM', 'counted', 'patient', gone);
    await this.#insert('counted', changed.flatMap(({ rows }) => rows)); // prettier-ignore
  }

  #rowsOf([patient]: readonly string[], facts: readonly Placed[]): readonly (readonly Value[])[] {
    const practice = practicesOf(facts)[0] ?? null;
    const registered = facts.filter(({ fact }) => fact.kind === 'person').toSorted((a, b) => (a.stream < b.stream ? -1 : 1)); // prettier-ignore
    const sex = registered.find(({ fact }) => fact.grade !== undefined)?.fact.grade ?? null;
    const bornIn = registered.find(({ fact }) => fact.from !== undefined)?.fact.from ?? null;
    return indicators.flatMap(({ name, cases }) => {
      const each = new Map(cases(facts).map((it) => [it.stream, it]));
      return [...each.values()].map(({ stream, since, due, owner, state }) => [name, patient!, stream, Date.parse(since), due === undefined ? null : Date.parse(due), state, owner ?? '', practice, sex, bornIn, this.#lane]); // prettier-ignore
    });
  }

  async #factsOf(
    patients: readonly string[],
    kind?: 'consent',
  ): Promise<ReadonlyMap<string, readonly Placed[]>> {
    const more = kind === undefined ? 'AND told IS NOT NULL' : `AND told IS NOT NULL AND kind = '${kind}'`;
    const rows = await this.#where('SELECT stream, patient, kind, version, told FROM', 'fact', 'patient', patients, more); // prettier-ignore
    const facts = rows.map((row) => placed({ ...(row as never as Parameters<typeof placed>[0]), version: Number(row['version']) })); // prettier-ignore
    return Map.groupBy(facts, ({ patient }) => patient);
  }

  /** `verb`: what comes before the table, e.g. `DELETE FROM`. Of as many values as there are. */
  async #where(
    verb: string,
    table: Table,
    column: string,
    values: readonly string[],
    more = '',
    change = '',
  ): Promise<readonly Row[]> {
    const found: Row[] = [];
    for (const among of this.#engine.among(values)) {
      const sql = `${verb} ${this.#schema}.${table} ${change} WHERE ${column} ${among.sql} ${more}`;
      found.push(...(await this.#engine.ask(sql, among.values)));
    }
    return found;
  }

  async #insert(table: Table, rows: readonly (readonly Value[])[]): Promise<void> {
    for (const part of this.#engine.rowsOf(table, rows))
      await this.#engine.ask(`INSERT INTO ${this.#schema}.${table} ${part.sql} ON CONFLICT DO NOTHING`, part.values); // prettier-ignore
  }
}

const isKept = (told: Told): boolean => isForCounting(told, isCounted);

const optsOut = ({ status, to }: Fact, now: number): boolean =>
  status === 'opted-out' && (to === undefined || Date.parse(to) > now);

/** But for the lane that they came by. */
function isSameRows(rows: readonly (readonly Value[])[], stand: readonly Row[]): boolean {
  if (rows.length !== stand.length) return false;
  const known = new Set(stand.map((row) => textOf(Object.values(row))));
  return rows.every((row) => known.has(textOf(row)));
}

// PostgreSQL gives its numbers as text.
const textOf = (row: readonly Value[]): string => row.slice(0, -1).join('\n');

/** Each group in order, so that it is counted under the same pseudonym whatever came first. */
function connected(others: ReadonlyMap<string, ReadonlySet<string>>): readonly (readonly string[])[] {
  const groups: string[][] = [];
  const seen = new Set<string>();
  for (const start of others.keys()) {
    const group: string[] = [];
    for (const open = [start]; open.length > 0;) {
      const one = open.pop()!;
      if (seen.has(one)) continue;
      seen.add(one);
      group.push(one);
      open.push(...(others.get(one) ?? []));
    }
    if (group.length > 0) groups.push(group.toSorted());
  }
  return groups;
}
