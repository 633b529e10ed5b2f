/**
 * The tables of all care settings in PostgreSQL, each in its own schema, in whatever transaction they are written. One statement
 * does the same for all of them: what it costs to ask is the most of what a small batch costs.
 */
import type { Checkpoint, Parked, ProjectedBatch } from '@carelog/projection';
import type { PoolClient } from 'pg';
import {
  NOTHING_APPLIED,
  reachedByLane,
  reachedIn,
  type CheckpointRow,
} from '../../record/postgres/lane-checkpoints.ts';
import type { CareSetting } from '../care-setting.ts';
import type { Told } from '../care-settings-projection.ts';
import type { Send } from '../../record/postgres/pools.ts';
import { BatchOfFacts, markIn, type Standing, type WaitingWork } from '../facts-of-batch.ts';
import type { KnownFact, KnownFacts } from '../known-facts.ts';
import { isBroughtByOthers, ReachesOtherLanes, type LaneFact } from '../other-lanes.ts';
import { asOne, placed } from '../statements.ts';
import { settingsStatements, type Asked, type SettingsStatements } from './settings-statements.ts';

/** Of one setting. */
export interface LaneStanding {
  readonly reached: Checkpoint | undefined;
  readonly parked: readonly Parked[];
}

export interface Writing {
  readonly lane: number;
  /** Nobody else writes in any lane now. */
  readonly isAlone: boolean;
}

const RESIDENTS_MAX = 100_000;

export class SettingsTables {
  readonly #settings: readonly CareSetting[];
  readonly #statements: SettingsStatements;
  readonly #known: KnownFacts;
  /** By lane: Patients that it is known to bring. Which lane does never changes while the log is the same. */
  readonly #residents = new Map<number, Set<string>>();
  #epoch: string | undefined;

  /** `schemas`: where each of the settings lies. */
  constructor(settings: readonly CareSetting[], schemas: readonly string[], known: KnownFacts) {
    this.#known = known;
    this.#settings = settings;
    this.#statements = settingsStatements(schemas);
  }

  /** Of each setting, by its lanes. */
  async checkpoints(asked: Asked): Promise<readonly ReadonlyMap<number, Checkpoint>[]> {
    const rows = await this.#statements.checkpoints<CheckpointRow>(asked, []);
    return rows.map(reachedByLane);
  }

  /** Of each setting. */
  async parked(asked: Asked, lane: number): Promise<readonly (readonly Parked[])[]> {
    const rows = await this.#statements.parked<Parked>(asked, [lane]);
    return rows.map((its) => its.map(({ partition, position, reason }) => ({ partition, position: Number(position), reason }))); // prettier-ignore
  }

  /** What is there of the lane in each setting, which nobody else writes until the transaction ends. */
  async lock(client: PoolClient, lane: number): Promise<readonly LaneStanding[]> {
    const locked = () =>
      Promise.all([this.#statements.lock<CheckpointRow>(client, [lane]), this.parked(client, lane)]);
    let [rows, parked] = await locked();
    if (rows.some((its) => its.length === 0)) {
      await this.#statements.begin(client, [lane, NOTHING_APPLIED]);
      [rows, parked] = await locked();
    }
    return rows.map(([row], at) => {
      return { reached: row && reachedIn(row), parked: parked[at]! };
    });
  }

  /** `stands`: of each setting; `parked`: what it does not know to be parked yet. Gives the patients whose work may be another. */
  async write(
    client: PoolClient,
    send: Send,
    { lane, isAlone }: Writing,
    { changes, released = [], checkpoint }: ProjectedBatch<Told>,
    stands: readonly LaneStanding[],
    parked: readonly (readonly Parked[])[],
  ): Promise<Set<string>> {
    if (checkpoint.epoch !== this.#epoch) this.forget();
    this.#epoch = checkpoint.epoch;
    if (released.length > 0) send(this.#statements.release(client, [released]));
    // Of partitions that were taken up again, what lies before the checkpoint too.
    const again = new Set(released);
    const batches = this.#settings.map((setting, at) => {
      const after = stands[at]!.reached?.position ?? -1;
      const told = changes.filter(({ event }) => event.position > after || again.has(event.partition));
      return new BatchOfFacts(setting, told.map(({ change }) => change)); // prettier-ignore
    });
    const isLinking = await this.#make(client, batches, { lane, isAlone });
    this.#replace(client, send, lane, batches, checkpoint);
    if (isLinking) await this.#join(client, batches);
    await this.#putWork(client, send, batches, checkpoint.position);
    const unknown = ofAll(parked, ({ partition }) => partition);
    if (unknown.length > 0)
      send(this.#statements.park(client, [lane, ...columnsOf(unknown, ['settings', 'partition', 'position', 'reason'])])); // prettier-ignore
    return new Set(batches.flatMap(({ touched }) => [...touched.keys()]));
  }

  /** Everything; of one `lane`, all lanes of the same life of the log, since what a lane tells may have outdone another. */
  async clear(client: PoolClient, lane: number | undefined): Promise<void> {
    for (const schema of this.#statements.schemas) {
      const life = `SELECT lane FROM ${schema}.checkpoint WHERE epoch = (SELECT epoch FROM ${schema}.checkpoint WHERE lane = $1)`;
      const { rows } = lane === undefined ? { rows: [] } : await client.query<{ lane: number }>(life, [lane]);
      const lanes = rows.map((row) => row.lane);
      for (const table of ['fact', 'link', 'work', 'parked', 'checkpoint']) {
        if (lane === undefined) await client.query(`DELETE FROM ${schema}.${table}`);
        else await client.query(`DELETE FROM ${schema}.${table} WHERE lane = ANY($1::int[])`, [lanes]);
      }
    }
    this.forget();
  }

  /** To be called when the log may be another. */
  forget(): void {
    this.#known.forget();
    this.#residents.clear();
  }

  /** Works out what changes; whether links are made or given up. */
  async #make(
    client: PoolClient,
    batches: readonly BatchOfFacts[],
    { lane, isAlone }: Writing,
  ): Promise<boolean> {
    const streams = [...new Set(batches.flatMap((it) => it.streams))];
    if (streams.length === 0) return false;
    const standing = await this.#statements.standing<LaneFactRow>(client, [streams]);
    for (const [at, batch] of batches.entries()) {
      const own = new Set(batch.streams);
      const its = standing[at]!.filter(({ stream }) => own.has(stream)).map(laneFact);
      if (!isAlone && isBroughtByOthers(batch, its, lane)) throw new ReachesOtherLanes();
      batch.make(its);
    }
    await this.#learnParting(client, batches);
    const isLinking = await this.#join(client, batches);
    if (!isAlone && (isLinking || (await this.#hasStrangers(client, lane, batches)))) throw new ReachesOtherLanes(); // prettier-ignore
    return isLinking;
  }

  /** Joins those whom links say to be one person; whether links are made or given up. */
  async #join(client: PoolClient, batches: readonly BatchOfFacts[]): Promise<boolean> {
    const asked = new Set(batches.flatMap((it) => [...it.touched.keys(), ...it.whoseLinks()]));
    if (asked.size === 0) return false;
    const rows = await this.#statements.samePersons<{ of: string; patient: string }>(client, [[...asked]]);
    const isLinking = batches.map((batch, at) => {
      const groups = new Map<string, readonly string[]>();
      for (const [of, its] of Map.groupBy(rows[at]!, (row) => row.of)) groups.set(of, asOne(of, its.map(({ patient }) => patient))); // prettier-ignore
      for (const group of [...groups.values()]) for (const it of group) if (!groups.has(it)) groups.set(it, group); // prettier-ignore
      batch.join((patient) => groups.get(patient) ?? [patient]);
      return batch.links.length > 0 || batch.relinked.some((it) => groups.has(it));
    });
    return isLinking.includes(true);
  }

  /** From whom somebody parts whose links are replaced. */
  async #learnParting(client: PoolClient, batches: readonly BatchOfFacts[]): Promise<void> {
    const asked = new Set(batches.flatMap(({ relinked }) => relinked));
    if (asked.size === 0) return;
    const rows = await this.#statements.linkedBy<{ patient: string; other: string }>(client, [[...asked]]);
    for (const [at, { relinked, parted }] of batches.entries()) {
      const own = new Set(relinked);
      parted.push(...rows[at]!.filter(({ patient }) => own.has(patient)).map(({ other }) => other));
    }
  }

  /** Whether work is made for somebody whose own facts come by another lane, or whose lane is not known. */
  async #hasStrangers(client: PoolClient, lane: number, batches: readonly BatchOfFacts[]): Promise<boolean> {
    let residents = this.#residents.get(lane);
    if (residents === undefined || residents.size > RESIDENTS_MAX)
      this.#residents.set(lane, (residents = new Set()));
    for (const { told } of batches)
      for (const { kind, stream } of told) if (kind === 'person') residents.add(stream);
    const touched = new Set(batches.flatMap((it) => [...it.touched.keys()]));
    const unknown = [...touched].filter((it) => !residents.has(it));
    if (unknown.length === 0) return false;
    const rows = await this.#statements.residents<{ stream: string }>(client, [unknown, lane]);
    for (const { stream } of rows.flat()) residents.add(stream);
    return unknown.some((it) => !residents.has(it));
  }

  #replace(
    client: PoolClient,
    send: Send,
    lane: number,
    batches: readonly BatchOfFacts[],
    { position, epoch }: Checkpoint,
  ): void {
    if (batches.some(({ gone }) => gone.length > 0))
      send(this.#statements.remove(client, batches.map(({ gone }) => gone))); // prettier-ignore
    const rows = ofAll(batches.map((it) => it.rows), ({ stream, version, patient }) => `${stream} ${version} ${patient}`); // prettier-ignore
    const columns = columnsOf(rows, [
      'settings',
      'stream',
      'patient',
      'kind',
      'version',
      'issued',
      'mark',
      'told',
    ]);
    send(
      rows.length === 0
        ? this.#statements.move(client, [lane, position, epoch])
        : this.#statements.keepAndMove(client, [lane, position, epoch, ...columns]),
    );
    if (batches.some(({ relinked }) => relinked.length > 0))
      send(this.#statements.unlink(client, batches.map(({ relinked }) => relinked))); // prettier-ignore
    const links = ofAll(batches.map((it) => it.links), ({ patient, other }) => `${patient} ${other}`); // prettier-ignore
    if (links.length > 0)
      send(this.#statements.link(client, [lane, ...columnsOf(links, ['settings', 'patient', 'other'])]));
    for (const { kept } of batches)
      for (const { stream, version, fact, source } of kept) this.#known.keep(stream, { version, fact, source }); // prettier-ignore
  }

  async #putWork(
    client: PoolClient,
    send: Send,
    batches: readonly BatchOfFacts[],
    position: number,
  ): Promise<void> {
    if (batches.every(({ touched }) => touched.size === 0)) return;
    const ground = await this.#statements.ground<GroundRow>(
      client,
      batches.flatMap((batch) => [[...batch.touched.keys()], [...batch.askedKinds()]]),
    );
    const facts = ground.map((its) => its.filter(({ list }) => list === null));
    const contents = await this.#contentsOf(client, facts);
    const changed = batches.map((batch, at) => {
      const byPatient = Map.groupBy(facts[at]!, ({ patient }) => patient);
      const waiting = ground[at]!.filter((it): it is GroundRow & WaitingWork => it.list !== null);
      const work = batch.work((patient) =>
        (byPatient.get(patient) ?? []).map((row) => ({
          ...contents.get(versionKeyOf(row))!,
          stream: row.stream,
          patient,
        })),
      );
      return batch.changedWork(work, waiting);
    });
    const done = changed.flatMap((it, setting) => it.done.map((row) => ({ setting, ...row })));
    const put = changed.flatMap((it, setting) => it.put.map((row) => ({ setting, ...row })));
    if (done.length > 0) send(this.#statements.done(client, columnsOf(done, ['setting', 'list', 'patient'])));
    if (put.length > 0)
      send(this.#statements.put(client, [position, ...columnsOf(put, ['setting', 'list', 'patient', 'stream', 'since', 'due', 'opens', 'until', 'item'])])); // prettier-ignore
  }

  /** By stream and version. What is in memory is not read; of settings that are not equally far the versions may differ. */
  async #contentsOf(
    client: PoolClient,
    facts: readonly (readonly GroundRow[])[],
  ): Promise<ReadonlyMap<string, KnownFact>> {
    const contents = new Map<string, KnownFact>();
    const asked = new Set<string>();
    const unknown = facts.map((its) => {
      const streams = new Set<string>();
      for (const row of its) {
        const key = versionKeyOf(row);
        if (contents.has(key) || asked.has(key)) continue;
        const known = this.#known.of(row.stream, Number(row.version));
        if (known !== undefined) contents.set(key, known);
        else {
          asked.add(key);
          streams.add(row.stream);
        }
      }
      return [...streams];
    });
    if (asked.size === 0) return contents;
    const rows = await this.#statements.told<ToldRow>(client, unknown);
    for (const row of rows.flat()) {
      const { stream, told } = row;
      const { version, fact, source } = placed({ stream, patient: '', version: Number(row.version), told });
      contents.set(versionKeyOf(row), { version, fact, source });
      this.#known.keep(stream, { version, fact, source });
    }
    return contents;
  }
}

const versionKeyOf = ({ stream, version }: Pick<GroundRow, 'stream' | 'version'>) => `${stream} ${version}`;

/** What several settings have alike, by its key, is sent once; `settings` has a bit for each of them. */
function ofAll<Row extends object>(
  rows: readonly (readonly Row[])[],
  keyOf: (row: Row) => string,
): readonly (Row & { readonly settings: number })[] {
  const once = new Map<string, Row & { settings: number }>();
  for (const [at, its] of rows.entries()) {
    for (const row of its) {
      const known = once.get(keyOf(row));
      if (known === undefined) once.set(keyOf(row), { ...row, settings: 1 << at });
      else known.settings |= 1 << at;
    }
  }
  return [...once.values()];
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

function columnsOf<Row extends object>(rows: readonly Row[], names: readonly (keyof Row)[]): unknown[][] {
  return names.map((name) => rows.map((row) => row[name]));
}
