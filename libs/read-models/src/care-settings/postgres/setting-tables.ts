/** The tables of one care setting in PostgreSQL, in whatever transaction they are written. */
import type { Checkpoint, Parked, ProjectedBatch } from '@carelog/projection';
import type { Pool, PoolClient } from 'pg';
import type { CareSetting } from '../care-setting.ts';
import type { Told } from '../care-settings-projection.ts';
import { BatchOfFacts, type Standing } from '../facts-of-batch.ts';
import { placed, type FactRow } from '../statements.ts';

/** Thrown before anything is written: the batch changes what other lanes write too, and must be alone for that. */
export class ReachesOtherLanes extends Error {}

export interface LaneStanding {
  readonly reached: Checkpoint | undefined;
  readonly parked: readonly Parked[];
}

export interface Writing {
  readonly lane: number;
  /** Nobody else writes in any lane now. */
  readonly isAlone: boolean;
}

/** Stands for the epoch of a lane that nothing was applied to. */
const NOTHING_APPLIED = '';
const RESIDENTS_MAX = 100_000;

export class SettingTables {
  readonly #setting: CareSetting;
  readonly #schema: string;
  /** By lane: Patients that it is known to bring. Which lane does never changes while the log is the same. */
  readonly #residents = new Map<number, Set<string>>();

  constructor(setting: CareSetting, schema: string) {
    this.#setting = setting;
    this.#schema = schema;
  }

  async checkpoints(asked: Pick<Pool, 'query'>): Promise<ReadonlyMap<number, Checkpoint>> {
    const { rows } = await asked.query<CheckpointRow>(
      `SELECT lane, position, epoch FROM ${this.#schema}.checkpoint WHERE epoch <> $1`,
      [NOTHING_APPLIED],
    );
    return new Map(rows.map((row) => [row.lane, checkpointOf(row)]));
  }

  async parked(asked: Pick<Pool, 'query'>, lane: number): Promise<readonly Parked[]> {
    const { rows } = await asked.query<Parked>({
      name: `${this.#schema} parked`,
      text: `SELECT partition, position, reason FROM ${this.#schema}.parked WHERE lane = $1`,
      values: [lane],
    });
    return rows.map((row) => ({ ...row, position: Number(row.position) }));
  }

  /** What is there of the lane, which nobody else writes until the transaction ends. */
  async lock(client: PoolClient, lane: number): Promise<LaneStanding> {
    let row = await this.#locked(client, lane);
    if (row === undefined) {
      const insert = `INSERT INTO ${this.#schema}.checkpoint VALUES ($1, 0, $2) ON CONFLICT (lane) DO NOTHING`;
      await client.query(insert, [lane, NOTHING_APPLIED]);
      row = await this.#locked(client, lane);
    }
    const reached = row === undefined || row.epoch === NOTHING_APPLIED ? undefined : checkpointOf(row);
    return { reached, parked: await this.parked(client, lane) };
  }

  /** Gives the patients whose work may be another. */
  async write(
    client: PoolClient,
    { lane, isAlone }: Writing,
    { changes, parked, released = [], checkpoint }: ProjectedBatch<Told>,
    reached: Checkpoint | undefined,
  ): Promise<Iterable<string>> {
    const s = this.#schema;
    if (released.length > 0)
      await client.query(`DELETE FROM ${s}.parked WHERE partition = ANY($1)`, [released]);
    // Of partitions that were taken up again, what lies before the checkpoint too.
    const again = new Set(released);
    const isFresh = (position: number) => reached === undefined || position > reached.position;
    const told = changes.filter(({ event }) => isFresh(event.position) || again.has(event.partition));
    const facts = new BatchOfFacts(
      this.#setting,
      told.map(({ change }) => change),
    );
    if (facts.streams.length > 0) {
      const standing = await this.#standing(client, facts.streams);
      if (!isAlone && isBroughtByOthers(facts, standing, lane)) throw new ReachesOtherLanes();
      facts.make(standing);
      const isLinking = await this.#join(client, facts);
      if (!isAlone && (isLinking || (await this.#hasStrangers(client, lane, facts)))) throw new ReachesOtherLanes(); // prettier-ignore
      await this.#put(client, { lane, position: checkpoint.position }, facts);
    }
    if (parked.length > 0)
      await client.query(
        `INSERT INTO ${s}.parked SELECT u.*, $4 FROM unnest($1::text[], $2::bigint[], $3::text[]) u ON CONFLICT DO NOTHING`,
        [...columnsOf(parked, ['partition', 'position', 'reason']), lane],
      );
    await client.query({
      name: `${s} move`,
      text: `UPDATE ${s}.checkpoint SET position = $2, epoch = $3 WHERE lane = $1 AND (epoch <> $3 OR position < $2)`,
      values: [lane, checkpoint.position, checkpoint.epoch],
    });
    return facts.touched.keys();
  }

  /** Everything; of one `lane`, all lanes of the same life of the log, since what a lane tells may have outdone another. */
  async clear(client: PoolClient, lane: number | undefined): Promise<void> {
    const s = this.#schema;
    const life = `SELECT lane FROM ${s}.checkpoint WHERE epoch = (SELECT epoch FROM ${s}.checkpoint WHERE lane = $1)`;
    const { rows } = lane === undefined ? { rows: [] } : await client.query<{ lane: number }>(life, [lane]);
    const lanes = rows.map((row) => row.lane);
    for (const table of ['fact', 'link', 'work', 'parked', 'checkpoint']) {
      if (lane === undefined) await client.query(`DELETE FROM ${s}.${table}`);
      else await client.query(`DELETE FROM ${s}.${table} WHERE lane = ANY($1::int[])`, [lanes]);
    }
    this.#residents.clear();
  }

  async #locked(client: PoolClient, lane: number): Promise<CheckpointRow | undefined> {
    const { rows } = await client.query<CheckpointRow>({
      name: `${this.#schema} lock`,
      text: `SELECT lane, position, epoch FROM ${this.#schema}.checkpoint WHERE lane = $1 FOR UPDATE`,
      values: [lane],
    });
    return rows[0];
  }

  async #standing(client: PoolClient, streams: readonly string[]): Promise<readonly LaneFact[]> {
    const { rows } = await client.query<LaneFact>({
      name: `${this.#schema} standing`,
      text: `SELECT stream, patient, issued, version, lane FROM ${this.#schema}.fact WHERE stream = ANY($1::text[])`,
      values: [streams],
    });
    return rows.map((row) => ({ ...row, issued: Number(row.issued), version: Number(row.version) }));
  }

  /** Whether work is made for somebody whose own facts come by another lane, or whose lane is not known. */
  async #hasStrangers(client: PoolClient, lane: number, facts: BatchOfFacts): Promise<boolean> {
    let residents = this.#residents.get(lane);
    if (residents === undefined || residents.size > RESIDENTS_MAX)
      this.#residents.set(lane, (residents = new Set()));
    for (const { kind, stream } of facts.told) if (kind === 'person') residents.add(stream);
    const unknown = [...facts.touched.keys()].filter((it) => !residents.has(it));
    if (unknown.length === 0) return false;
    const { rows } = await client.query<{ stream: string }>({
      name: `${this.#schema} residents`,
      text: `SELECT DISTINCT stream FROM ${this.#schema}.fact WHERE stream = ANY($1::text[]) AND lane = $2`,
      values: [unknown, lane],
    });
    for (const { stream } of rows) residents.add(stream);
    return rows.length < unknown.length;
  }

  /** Joins those whom links say to be one person; whether links are made or given up. */
  async #join(client: PoolClient, facts: BatchOfFacts): Promise<boolean> {
    const asked = [...new Set([...facts.touched.keys(), ...facts.relinked])];
    const link = `${this.#schema}.link`;
    const { rows } =
      asked.length === 0
        ? { rows: [] }
        : await client.query<{ of: string; patient: string }>({
            name: `${this.#schema} same persons`,
            text: `SELECT p AS of, same.patient
                   FROM (SELECT p FROM unnest($1::text[]) p
                         WHERE EXISTS (SELECT FROM ${link} l WHERE l.patient = p OR l.other = p)) asked,
                   LATERAL (
                     WITH RECURSIVE same(patient) AS (
                       SELECT p COLLATE "C"
                       UNION SELECT CASE WHEN l.patient = same.patient THEN l.other ELSE l.patient END
                       FROM ${link} l JOIN same ON l.patient = same.patient OR l.other = same.patient
                     ) SELECT patient FROM same LIMIT 20) same`,
            values: [asked],
          });
    const groups = new Map<string, string[]>();
    for (const [of, its] of Map.groupBy(rows, (row) => row.of)) groups.set(of, its.map(({ patient }) => patient)); // prettier-ignore
    for (const group of [...groups.values()]) for (const it of group) if (!groups.has(it)) groups.set(it, group); // prettier-ignore
    facts.join((patient) => groups.get(patient) ?? [patient]);
    return facts.links.length > 0 || facts.relinked.some((it) => groups.has(it));
  }

  async #put(
    client: PoolClient,
    { lane, position }: { readonly lane: number; readonly position: number },
    facts: BatchOfFacts,
  ): Promise<void> {
    const s = this.#schema;
    const { gone, rows, links, relinked } = facts;
    if (gone.length > 0) await client.query({ name: `${s} gone`, text: `DELETE FROM ${s}.fact WHERE stream = ANY($1::text[])`, values: [gone] }); // prettier-ignore
    if (rows.length > 0)
      await client.query({
        name: `${s} facts`,
        text: `INSERT INTO ${s}.fact SELECT u.*, $7 FROM
                 unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[]) u`,
        values: [...columnsOf(rows, ['stream', 'patient', 'kind', 'version', 'issued', 'told']), lane],
      });
    if (relinked.length > 0) {
      await client.query(`DELETE FROM ${s}.link WHERE patient = ANY($1::text[])`, [relinked]);
      await client.query(
        `INSERT INTO ${s}.link SELECT u.*, $3 FROM unnest($1::text[], $2::text[]) u ON CONFLICT DO NOTHING`,
        [...columnsOf(links, ['patient', 'other']), lane],
      );
      await this.#join(client, facts);
    }
    await this.#putWork(client, position, facts);
  }

  async #putWork(client: PoolClient, position: number, facts: BatchOfFacts): Promise<void> {
    const s = this.#schema;
    if (facts.touched.size === 0) return;
    const kinds = [...new Set([...facts.touched.values()].flatMap((lists) => [...lists].flatMap((list) => [...list.kinds])))]; // prettier-ignore
    const { rows } = await client.query<FactRow & { version: string }>({
      name: `${s} facts of`,
      text: `SELECT stream, patient, kind, version, told FROM ${s}.fact
             WHERE patient = ANY($1::text[]) AND kind = ANY($2::text[]) AND told IS NOT NULL`,
      values: [[...facts.touched.keys()], kinds],
    });
    const byPatient = Map.groupBy(rows, ({ patient }) => patient);
    const work = facts.work((patient) => (byPatient.get(patient) ?? []).map((row) => placed({ ...row, version: Number(row.version) }))); // prettier-ignore
    const made = [...facts.touched].flatMap(([patient, lists]) => [...lists].map(({ name }) => ({ list: name, patient }))); // prettier-ignore
    await client.query({
      name: `${s} done`,
      text: `DELETE FROM ${s}.work w USING unnest($1::text[], $2::text[]) u(list, patient)
             WHERE w.list = u.list AND w.patient = u.patient`,
      values: columnsOf(made, ['list', 'patient']),
    });
    if (work.length > 0)
      await client.query({
        name: `${s} work`,
        // By the lane of what is waited about, which may be another where persons are linked.
        text: `INSERT INTO ${s}.work SELECT u.*, f.lane, $9 FROM unnest(
                 $1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[]
               ) u(list, patient, stream) JOIN ${s}.fact f ON f.stream = u.stream AND f.patient = u.patient
               ON CONFLICT DO NOTHING`,
        values: [...columnsOf(work, ['list', 'patient', 'stream', 'since', 'due', 'opens', 'until', 'item']), position], // prettier-ignore
      });
  }
}

interface LaneFact extends Standing {
  readonly lane: number;
}

/**
 * Whether another lane brought a version of one of these resources, or may bring one: a resource that was moved to another person
 * comes by that person's lane from then on, and a version that is missing here may be on its way there.
 */
function isBroughtByOthers({ told }: BatchOfFacts, standing: readonly LaneFact[], lane: number): boolean {
  if (standing.some((it) => it.lane !== lane)) return true;
  const seen = new Map(standing.map(({ stream, version }) => [stream, version]));
  for (const { stream, version } of told) {
    const before = seen.get(stream) ?? 0;
    if (version > before + 1) return true;
    seen.set(stream, Math.max(before, version));
  }
  return false;
}

interface CheckpointRow {
  readonly lane: number;
  readonly position: string;
  readonly epoch: string;
}

const checkpointOf = ({ position, epoch }: CheckpointRow): Checkpoint => ({
  position: Number(position),
  epoch,
});

function columnsOf<Row extends object>(rows: readonly Row[], names: readonly (keyof Row)[]): unknown[][] {
  return names.map((name) => rows.map((row) => row[name]));
}
