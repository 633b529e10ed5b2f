/** The tables of all care settings in PostgreSQL, in whatever transaction they are written. */
import type { Checkpoint, Parked, ProjectedBatch } from '@carelog/projection';
import type { PoolClient } from 'pg';
import {
  NOTHING_APPLIED,
  reachedByLane,
  reachedIn,
  type CheckpointRow,
} from '../../record/postgres/lane-checkpoints.ts';
import type { Send } from '../../record/postgres/pools.ts';
import type { KeptByCareSetting } from '../care-setting.ts';
import type { Told } from '../care-settings-projection.ts';
import { BatchOfFacts, markIn, type Standing, type WaitingWork } from '../facts-of-batch.ts';
import type { KnownFact, KnownFacts } from '../known-facts.ts';
import { isBroughtByOthers, ReachesOtherLanes, type LaneFact } from '../other-lanes.ts';
import { asOne, placed } from '../statements.ts';
import { settingsStatements, type Asked, type SettingsStatements } from './settings-statements.ts';

export interface Writing {
  readonly lane: number;
  /** Nobody else writes in any lane now. */
  readonly isAlone: boolean;
}

const RESIDENTS_MAX = 100_000;

export class SettingsTables {
  readonly #keeps: KeptByCareSetting;
  readonly #statements: SettingsStatements;
  readonly #known: KnownFacts;
  /** By lane: Patients that it is known to bring. Which lane does never changes while the log is the same. */
  readonly #residents = new Map<number, Set<string>>();
  #epoch: string | undefined;

  /** `keeps`: what any of the settings keeps. */
  constructor(keeps: KeptByCareSetting, schema: string, known: KnownFacts) {
    this.#keeps = keeps;
    this.#statements = settingsStatements(schema);
    this.#known = known;
  }

  async checkpoints(asked: Asked): Promise<ReadonlyMap<number, Checkpoint>> {
    return reachedByLane(await this.#statements.checkpoints<CheckpointRow>(asked));
  }

  async parked(asked: Asked, lane: number): Promise<readonly Parked[]> {
    const rows = await this.#statements.parked<Parked>(asked, [lane]);
    return rows.map(({ partition, position, reason }) => ({ partition, position: Number(position), reason }));
  }

  /** What is there of the lane, which nobody else writes until the transaction ends. */
  async lock(
    client: PoolClient,
    lane: number,
  ): Promise<{ readonly reached: Checkpoint | undefined; readonly parked: readonly Parked[] }> {
    const locked = () =>
      Promise.all([this.#statements.lock<CheckpointRow>(client, [lane]), this.parked(client, lane)]);
    let [[row], parked] = await locked();
    if (row === undefined) {
      await this.#statements.begin(client, [lane, NOTHING_APPLIED]);
      [[row], parked] = await locked();
    }
    return { reached: row && reachedIn(row), parked };
  }

  /** Gives the patients whose work may be another. */
  async write(
    client: PoolClient,
    send: Send,
    { lane, isAlone }: Writing,
    { changes, parked, released = [], checkpoint }: ProjectedBatch<Told>,
  ): Promise<Set<string>> {
    if (checkpoint.epoch !== this.#epoch) this.forget();
    this.#epoch = checkpoint.epoch;
    if (released.length > 0) send(this.#statements.release(client, [released]));
    const batch = new BatchOfFacts(this.#keeps, changes.map(({ change }) => change)); // prettier-ignore
    const isLinking = await this.#make(client, batch, { lane, isAlone });
    this.#replace(client, send, lane, batch, checkpoint);
    if (isLinking) await this.#join(client, batch);
    await this.#putWork(client, send, batch, checkpoint.position);
    if (parked.length > 0)
      send(this.#statements.park(client, [lane, ...columnsOf(parked, ['partition', 'position', 'reason'])]));
    return new Set(batch.touched.keys());
  }

  /** Everything; of one `lane`, all lanes of the same life of the log, since what a lane tells may have outdone another. */
  async clear(client: PoolClient, lane: number | undefined): Promise<void> {
    const { schema } = this.#statements;
    const life = `SELECT lane FROM ${schema}.checkpoint WHERE epoch = (SELECT epoch FROM ${schema}.checkpoint WHERE lane = $1)`;
    const { rows } = lane === undefined ? { rows: [] } : await client.query<{ lane: number }>(life, [lane]);
    const lanes = rows.map((row) => row.lane);
    for (const table of ['fact', 'link', 'work', 'parked', 'checkpoint']) {
      if (lane === undefined) await client.query(`DELETE FROM ${schema}.${table}`);
      else await client.query(`DELETE FROM ${schema}.${table} WHERE lane = ANY($1::int[])`, [lanes]);
    }
    this.forget();
  }

  /** To be called when the log may be another. */
  forget(): void {
    this.#known.forget();
    this.#residents.clear();
  }

  /** Works out what changes; whether links are made or given up. */
  async #make(client: PoolClient, batch: BatchOfFacts, { lane, isAlone }: Writing): Promise<boolean> {
    if (batch.streams.length === 0) return false;
    const standing = (await this.#statements.standing<LaneFactRow>(client, [batch.streams])).map(laneFact);
    if (!isAlone && isBroughtByOthers(batch, standing, lane)) throw new ReachesOtherLanes();
    batch.make(standing);
    await this.#learnParting(client, batch);
    const isLinking = await this.#join(client, batch);
    if (!isAlone && (isLinking || (await this.#hasStrangers(client, lane, batch)))) throw new ReachesOtherLanes(); // prettier-ignore
    return isLinking;
  }

  /** Joins those whom links say to be one person; whether links are made or given up. */
  async #join(client: PoolClient, batch: BatchOfFacts): Promise<boolean> {
    const asked = new Set([...batch.touched.keys(), ...batch.whoseLinks()]);
    if (asked.size === 0) return false;
    const rows = await this.#statements.samePersons<{ of: string; patient: string }>(client, [[...asked]]);
    const groups = new Map<string, readonly string[]>();
    for (const [of, its] of Map.groupBy(rows, (row) => row.of)) groups.set(of, asOne(of, its.map(({ patient }) => patient))); // prettier-ignore
    for (const group of [...groups.values()]) for (const it of group) if (!groups.has(it)) groups.set(it, group); // prettier-ignore
    batch.join((patient) => groups.get(patient) ?? [patient]);
    return batch.links.length > 0 || batch.relinked.some((it) => groups.has(it));
  }

  /** From whom somebody parts whose links are replaced. */
  async #learnParting(client: PoolClient, { relinked, parted }: BatchOfFacts): Promise<void> {
    if (relinked.length === 0) return;
    const rows = await this.#statements.linkedBy<{ other: string }>(client, [relinked]);
    parted.push(...rows.map(({ other }) => other));
  }

  /** Whether work is made for somebody whose own facts come by another lane, or whose lane is not known. */
  async #hasStrangers(client: PoolClient, lane: number, { told, touched }: BatchOfFacts): Promise<boolean> {
    let residents = this.#residents.get(lane);
    if (residents === undefined || residents.size > RESIDENTS_MAX)
      this.#residents.set(lane, (residents = new Set()));
    for (const { kind, stream } of told) if (kind === 'person') residents.add(stream);
    const unknown = [...touched.keys()].filter((it) => !residents.has(it));
    if (unknown.length === 0) return false;
    for (const { stream } of await this.#statements.residents<{ stream: string }>(client, [unknown, lane]))
      residents.add(stream);
    return unknown.some((it) => !residents.has(it));
  }

  #replace(
    client: PoolClient,
    send: Send,
    lane: number,
    { gone, rows, relinked, links, kept }: BatchOfFacts,
    { position, epoch }: Checkpoint,
  ): void {
    if (gone.length > 0) send(this.#statements.remove(client, [gone]));
    const columns = columnsOf(rows, ['stream', 'patient', 'kind', 'version', 'issued', 'mark', 'told']);
    send(
      rows.length === 0
        ? this.#statements.move(client, [lane, position, epoch])
        : this.#statements.keepAndMove(client, [lane, position, epoch, ...columns]),
    );
    if (relinked.length > 0) send(this.#statements.unlink(client, [relinked]));
    if (links.length > 0)
      send(this.#statements.link(client, [lane, ...columnsOf(links, ['patient', 'other'])]));
    for (const { stream, version, fact, source } of kept) this.#known.keep(stream, { version, fact, source });
  }

  async #putWork(client: PoolClient, send: Send, batch: BatchOfFacts, position: number): Promise<void> {
    const { touched } = batch;
    if (touched.size === 0) return;
    const ground = await this.#statements.ground<GroundRow>(client, [[...touched.keys()], [...batch.askedKinds()]]); // prettier-ignore
    const facts = ground.filter((it): it is FactNamed => it.list === null);
    const waiting = ground.filter((it): it is GroundRow & WaitingWork => it.list !== null);
    const contents = await this.#contentsOf(client, facts);
    const byPatient = Map.groupBy(facts, ({ patient }) => patient);
    const work = batch.work((patient) =>
      (byPatient.get(patient) ?? []).map(({ stream }) => ({ ...contents.get(stream)!, stream, patient })),
    );
    const { done, put } = batch.changedWork(work, waiting);
    if (done.length > 0) send(this.#statements.done(client, columnsOf(done, ['list', 'patient'])));
    if (put.length > 0)
      send(this.#statements.put(client, [position, ...columnsOf(put, ['list', 'patient', 'stream', 'since', 'due', 'opens', 'until', 'item'])])); // prettier-ignore
  }

  /** By stream. What is in memory is not read. */
  async #contentsOf(
    client: PoolClient,
    facts: readonly FactNamed[],
  ): Promise<ReadonlyMap<string, KnownFact>> {
    const contents = new Map<string, KnownFact>();
    const unknown = new Set<string>();
    for (const { stream, version } of facts) {
      const known = this.#known.of(stream, Number(version));
      if (known === undefined) unknown.add(stream);
      else contents.set(stream, known);
    }
    if (unknown.size === 0) return contents;
    for (const { stream, version, told } of await this.#statements.told<ToldRow>(client, [[...unknown]])) {
      const { fact, source } = placed({ stream, patient: '', version: Number(version), told });
      const known = { version: Number(version), fact, source };
      contents.set(stream, known);
      this.#known.keep(stream, known);
    }
    return contents;
  }
}

interface ToldRow {
  readonly stream: string;
  readonly version: string;
  readonly told: string;
}

interface LaneFactRow {
  readonly stream: string;
  readonly patient: string;
  readonly issued: string;
  readonly mark: string | null;
  readonly version: string;
  readonly lane: number;
}

const laneFact = ({ issued, mark, version, ...it }: LaneFactRow): Standing & LaneFact => ({ ...it, issued: Number(issued), mark: markIn(mark), version: Number(version) }); // prettier-ignore

/** A fact that work is made from, or, with a list, work that waits. */
interface GroundRow {
  readonly list: string | null;
  readonly patient: string;
  readonly stream: string;
  readonly version: string | null;
  readonly item: string | null;
}
type FactNamed = GroundRow & { readonly list: null; readonly version: string };

function columnsOf<Row extends object>(rows: readonly Row[], names: readonly (keyof Row)[]): unknown[][] {
  return names.map((name) => rows.map((row) => row[name]));
}
