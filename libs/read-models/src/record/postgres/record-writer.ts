/**
 * Writes the record in PostgreSQL, where several projectors write at once, each its lanes: one transaction a batch, in which
 * all rows of a table are written together.
 */
import { defaultPolicy, type Policy } from '@carelog/access';
import { LaneHeld, type Checkpoint, type LaneWork, type Parked, type ProjectedBatch, type SharedReadModel, type Touched } from '@carelog/projection'; // prettier-ignore
import type { Pool, PoolClient } from 'pg';
import { digestOfRules } from '../access-facts.ts';
import type { RecordChange } from '../record-projection.ts';
import { BatchPlan, laterStreams, type Standing } from './batch-plan.ts';
import { LabelSums } from './label-sums.ts';
import { NOTHING_APPLIED, reachedByLane, reachedIn, type CheckpointRow } from './lane-checkpoints.ts';
import { BatchNames, Names } from './names.ts';
import { transaction, writingPool, type Send } from './pools.ts';
import { ANALYSE, clearAll, clearLane, insertNewRows, insertRows, removeRows } from './rows.ts';
import { columnOf, columnsIn } from './texts.ts';

export interface PostgresRecordWriterOptions {
  /** Of a role that may write to the schema. */
  readonly url: string;
  /** Made by `migrateRecord`. */
  readonly schema: string;
  /** That of the projection; the shipped one unless told. */
  readonly policy?: Policy;
  /**
   * Into how many lanes the log is dealt. Where it is told, a version of a resource waits (`LaneHeld`) for the one before it
   * that comes by another lane, because the resource was about somebody else then.
   */
  readonly lanes?: number;
  /** As many batches at a time; 4 unless told. */
  readonly connections?: number;
}

/** Nothing is asked of the database before the first call. */
export function openPostgresRecordWriter({
  url,
  schema,
  policy = defaultPolicy(),
  lanes,
  connections = 4,
}: PostgresRecordWriterOptions): SharedReadModel<RecordChange> {
  const pool = (connections: number, name: string, settings = '') =>
    writingPool({ url, purpose: `carelog ${schema} ${name}`, connections, settings: `-c search_path=${schema} ${settings}` }); // prettier-ignore
  // Names have a connection of their own: a batch waits for them while it holds one. They are on disk with the batch that uses them.
  const names = pool(2, 'names', '-c synchronous_commit=off');
  return new PostgresRecordWriter(pool(connections, 'writer'), names, { schema, policy, lanes });
}

/** Events: from then on the server's own looks, once a minute, are often enough. One takes two seconds of a processor. */
const ANALYSE_AT = [1_000, 4_000, 16_000];

class PostgresRecordWriter implements SharedReadModel<RecordChange> {
  readonly #pool: Pool;
  readonly #namesPool: Pool;
  readonly #schema: string;
  readonly #policy: Policy;
  readonly #lanes: number | undefined;
  readonly #names: Names;
  readonly #sums = new LabelSums();
  #generation = '';
  #written = 0;
  readonly #analyseAt = [...ANALYSE_AT];
  #analysing: Promise<unknown> = Promise.resolve();

  constructor(
    pool: Pool,
    namesPool: Pool,
    { schema, policy, lanes }: { schema: string; policy: Policy; lanes: number | undefined },
  ) {
    this.#pool = pool;
    this.#namesPool = namesPool;
    this.#schema = schema;
    this.#policy = policy;
    this.#lanes = lanes;
    this.#names = new Names(namesPool);
  }

  async checkpoints(): Promise<ReadonlyMap<number, Checkpoint>> {
    const { rows } = await this.#pool.query<CheckpointRow>('SELECT lane, position, epoch FROM checkpoint');
    return reachedByLane(rows);
  }

  async parked(lane: number): Promise<readonly Parked[]> {
    return parkedOf(this.#pool, lane);
  }

  async apply(lane: number, work: LaneWork<RecordChange>): Promise<Touched> {
    let held: number | undefined;
    const touched = await this.#transaction(async (client, send) => {
      const { reached, parked } = await this.#lock(client, lane);
      const batch = await work(reached, parked);
      if (batch === undefined) return new Set<string>();
      const { standing, first } = await this.#ground(client, lane, batch);
      held = first;
      const now = held === undefined ? batch : before(held, batch);
      this.#written += now.changes.length;
      return this.#write(client, send, lane, now, standing);
    });
    if (this.#written >= (this.#analyseAt[0] ?? Infinity)) this.#analyse();
    if (held !== undefined) throw new LaneHeld(`Lane ${lane} of ${this.#schema} waits for another lane.`, { touched, position: held }); // prettier-ignore
    return touched;
  }

  /** What stands before the batch; `first`: position of the first event whose predecessor another lane may yet bring. */
  async #ground(
    client: PoolClient,
    lane: number,
    { changes, released, checkpoint }: ProjectedBatch<RecordChange>,
  ): Promise<{ readonly standing: ReadonlyMap<string, Standing>; readonly first?: number }> {
    for (let missed = 0; ;) {
      const standing = await this.#standing(client, laterStreams(changes));
      // What is taken up again lies before the checkpoint, and so does all that it needs.
      if (this.#lanes === undefined || released !== undefined) return { standing };
      const first = firstWithoutPredecessor(changes, standing, missed);
      if (first === undefined) return { standing };
      if (await this.#mayComeYet(client, lane, first, checkpoint.epoch)) return { standing, first };
      // Nobody brings it any more: what is not there when one looks again, after that, never will be.
      missed = first;
    }
  }

  /** Whether another lane has not yet come to where this event stands. */
  async #mayComeYet(client: PoolClient, lane: number, position: number, epoch: string): Promise<boolean> {
    const { rows } = await client.query<{ count: string }>(
      'SELECT count(*) FROM checkpoint WHERE lane <> $1 AND epoch = $2 AND position >= $3',
      [lane, epoch, position - 1],
    );
    return Number(rows[0]!.count) < this.#lanes! - 1;
  }

  // A record that fills up is asked before the server comes to look at it by itself, and would be asked in wrong ways.
  #analyse(): void {
    while (this.#written >= (this.#analyseAt[0] ?? Infinity)) this.#analyseAt.shift();
    // Without the right to, or beside another who does it, the server's own look must do. No lane waits for it.
    this.#analysing = this.#analysing.then(() => this.#namesPool.query(ANALYSE)).catch(() => {});
  }

  async clear(lane?: number): Promise<void> {
    await this.#transaction(async (client) => {
      // Waits for batches that are being written, and holds off those that come.
      await client.query('LOCK TABLE checkpoint IN ACCESS EXCLUSIVE MODE');
      await (lane === undefined ? clearAll(client) : clearLane(client, lane));
    });
    this.#forget();
  }

  async close(): Promise<void> {
    await this.#analysing;
    await Promise.all([this.#pool.end(), this.#namesPool.end()]);
  }

  /** What is there of the lane, which nobody else writes until the transaction ends. */
  async #lock(
    client: PoolClient,
    lane: number,
  ): Promise<{ readonly reached: Checkpoint | undefined; readonly parked: readonly Parked[] }> {
    const lockedLane = () => Promise.all([lockedRow(client, lane), parkedOf(client, lane)]);
    let [row, parked] = await lockedLane();
    if (row === undefined) {
      await client.query('INSERT INTO checkpoint VALUES ($1, 0, $2) ON CONFLICT (lane) DO NOTHING', [lane, NOTHING_APPLIED]); // prettier-ignore
      [row, parked] = await lockedLane();
    }
    if (row === undefined) throw new Error(`Lane ${lane} of ${this.#schema} has no checkpoint to lock.`);
    if (row.digest !== digestOfRules(this.#policy))
      throw new Error(
        `The record in ${this.#schema} was built by another access policy. Start all projectors with that policy, or build another version by it: carelog read-models build.`,
      );
    if (row.generation !== this.#generation) {
      this.#forget();
      this.#generation = row.generation;
    }
    return { reached: reachedIn(row), parked };
  }

  async #write(
    client: PoolClient,
    send: Send,
    lane: number,
    batch: ProjectedBatch<RecordChange>,
    standing: ReadonlyMap<string, Standing>,
  ): Promise<Touched> {
    const { changes, parked, setAside, released = [], checkpoint } = batch;
    if (released.length > 0) {
      const partitions = [released];
      send(client.query('DELETE FROM parked WHERE partition = ANY($1)', partitions));
      send(client.query('DELETE FROM set_aside WHERE partition = ANY($1)', partitions));
    }
    const names = new BatchNames(this.#names);
    const plan = new BatchPlan(changes, names, this.#policy);
    plan.expect(standing, await this.#personsOf(client, plan.partitions));
    plan.askTypes();
    await names.learn();
    plan.askNames();
    await names.learn();
    plan.make();
    send(insertRows(client, 'person', ['partition', 'patient', 'lane'], plan.newPersons.map(([partition, patient]) => [partition, patient, lane]))); // prettier-ignore
    for (const [table, rows] of plan.gone) send(removeRows(client, table, rows));
    send(insertRows(client, 'version', plan.versionColumns, plan.versions));
    const created = await insertRows(client, 'resource', [...plan.resourceColumns, 'lane'], plan.created.map((row) => [...row, lane])); // prettier-ignore
    send(this.#update(client, plan));
    send(insertRows(client, 'more_patient', ['position', 'patient'], plan.morePatients));
    for (const [table, rows] of plan.come) send(insertRows(client, table, plan.columnsOf(table), rows));
    // Of a batch that comes a second time the resources are there, and what they are found by.
    const add = created === plan.created.length ? insertNewRows : insertRows;
    for (const [table, rows] of plan.first) send(add(client, table, plan.columnsOf(table), rows));
    send(insertRows(client, 'parked', ['partition', 'position', 'reason', 'lane'], parked.map((it) => [it.partition, it.position, it.reason, lane]))); // prettier-ignore
    send(insertRows(client, 'set_aside', ['stream', 'partition'], setAside.map((it) => [it.stream, it.partition]))); // prettier-ignore
    // Last, for they may be shared with other lanes: whoever waits for them waits briefly.
    send(this.#sums.add(client, 'type_labels', 'type', plan.typeLabels));
    send(this.#sums.add(client, 'patient_labels', 'patient', plan.patientLabels));
    const values = [lane, checkpoint.position, checkpoint.epoch];
    send(client.query({ name: 'move', text: 'UPDATE checkpoint SET position = $2, epoch = $3 WHERE lane = $1', values })); // prettier-ignore
    const isAnybodyAside = parked.length + setAside.length + released.length > 0;
    return isAnybodyAside ? 'all' : plan.touched;
  }

  async #standing(client: PoolClient, streams: readonly string[]): Promise<Map<string, Standing>> {
    const standing = new Map<string, Standing>();
    if (streams.length === 0) return standing;
    const { rows } = await client.query<Record<keyof Standing | 'more', string | null> & { stream: string }>({
      name: 'standing',
      text: `SELECT stream, key, patient, labels, version, position, updated, state, body,
               (SELECT string_agg(m.patient::text, ',' ORDER BY m.patient) FROM more_patient m WHERE m.position = r.position) AS more
             FROM resource r WHERE stream = ANY($1::text[])`,
      values: [columnOf('text', streams)],
    });
    for (const { stream, body, more, ...numbers } of rows) {
      const { key, patient, labels, version, position, updated, state } = numbers;
      standing.set(stream, {
        key: Number(key),
        patient: Number(patient),
        labels: Number(labels),
        version: Number(version),
        position: Number(position),
        updated: Number(updated),
        state: Number(state) as Standing['state'],
        body,
        more: more?.split(',').map(Number) ?? [],
      });
    }
    return standing;
  }

  async #personsOf(
    client: PoolClient,
    partitions: readonly string[],
  ): Promise<Map<string, { patient: number; stream: string }>> {
    // prettier-ignore
    if (partitions.length === 0) return new Map();
    const { rows } = await client.query<{ partition: string; patient: string; stream: string }>({
      name: 'persons',
      text: `SELECT p.partition, p.patient, t.name AS stream FROM person p JOIN target t ON t.id = p.patient
             WHERE p.partition = ANY($1::text[])`,
      values: [columnOf('text', partitions)],
    });
    return new Map(
      rows.map(({ partition, patient, stream }) => [partition, { patient: Number(patient), stream }]),
    );
  }

  async #update(client: PoolClient, plan: BatchPlan): Promise<void> {
    if (plan.updated.length === 0) return;
    const columns = Array.from({ length: 9 }, (_, i) => plan.updated.map((row) => row[i] ?? null));
    await client.query({ name: 'update', text: UPDATE, values: updateArrays(columns) });
  }

  #transaction<Result>(work: (client: PoolClient, send: Send) => Promise<Result>): Promise<Result> {
    return transaction(this.#pool, work).catch((fault: unknown) => {
      this.#sums.forget();
      throw fault;
    });
  }

  #forget(): void {
    this.#names.forget();
    this.#sums.forget();
  }
}

const UPDATE = `
  UPDATE resource r SET patient = u.patient, labels = u.labels, version = u.version, position = u.position,
    updated = u.updated, state = u.state, present = u.present, body = u.body
  FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::smallint[],
    $8::bigint[], $9::text[]) u(key, patient, labels, version, position, updated, state, present, body)
  WHERE r.key = u.key`;
const updateArrays = columnsIn(UPDATE);

/** Position of the first event after `missed` whose predecessor in its stream is neither there nor in the batch. */
function firstWithoutPredecessor(
  changes: ProjectedBatch<RecordChange>['changes'],
  standing: ReadonlyMap<string, Standing>,
  missed: number,
): number | undefined {
  const versions = new Map([...standing].map(([stream, { version }]) => [stream, version]));
  for (const { event } of changes) {
    const { stream, revision, position } = event;
    if (position > missed && (versions.get(stream) ?? 0) < revision - 1) return position;
    versions.set(stream, revision);
  }
  return undefined;
}

/** What of the batch lies before this position. */
function before(position: number, batch: ProjectedBatch<RecordChange>): ProjectedBatch<RecordChange> {
  const { changes, parked, setAside, checkpoint } = batch;
  const partitions = new Set(parked.filter((it) => it.position >= position).map((it) => it.partition));
  return {
    changes: changes.filter(({ event }) => event.position < position),
    parked: parked.filter((it) => it.position < position),
    // A partition that is parked only later comes again as a whole; one that is parked already may say so twice.
    setAside: setAside.filter((it) => !partitions.has(it.partition)),
    checkpoint: { ...checkpoint, position: position - 1 },
  };
}

interface LockedRow extends CheckpointRow {
  readonly generation: string;
  readonly digest: string;
}

async function lockedRow(client: PoolClient, lane: number): Promise<LockedRow | undefined> {
  const { rows } = await client.query<LockedRow>({
    name: 'lock',
    text: `SELECT c.*, (SELECT id FROM generation) AS generation, (SELECT digest FROM rules) AS digest
           FROM checkpoint c WHERE lane = $1 FOR UPDATE`,
    values: [lane],
  });
  return rows[0];
}

async function parkedOf(asked: Pick<Pool, 'query'>, lane: number): Promise<readonly Parked[]> {
  const { rows } = await asked.query<Parked>({
    name: 'parked',
    text: 'SELECT partition, position, reason FROM parked WHERE lane = $1 ORDER BY position',
    values: [lane],
  });
  return rows.map((row) => ({ ...row, position: Number(row.position) }));
}
