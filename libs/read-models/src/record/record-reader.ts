/** Answers the gateway's questions from the record, over one read-only connection. */
import type { SearchQuery } from '@carelog/fhir';
import type { Checkpoint, Parked } from '@carelog/projection';
import { DatabaseSync } from 'node:sqlite';
import { Everything } from './everything.ts';
import { History } from './history.ts';
import { Numbers } from './numbers.ts';
import { hashOf } from './record-hash.ts';
import { namedBy } from './named-by.ts';
import type {
  EverythingRequest,
  HistoryPage,
  PageRequest,
  RecordQueries,
  Restriction,
  SearchPage,
  SearchRefusal,
  SearchRequest,
  VersionAnswer,
} from './record.ts';
import { prepareReading, type VersionRow } from './reading.ts';
import { Searching, type Answered, type PlannedSearch } from './searching.ts';
import { SlowLane, TOO_SLOW, type SlowRequest } from './slow-lane.ts';
import { TooManyValues } from './statement.ts';
import { STATE } from './tables.ts';
import { loadUnits } from './units.ts';

export interface RecordOptions {
  /** Milliseconds that a search may take which is not known to be quick; 5,000 unless told. */
  readonly searchTimeLimit?: number;
}

/** Opens the record to read. Throws where there is no record at this path: the projector makes it. */
export function openRecord(path: string, { searchTimeLimit = 5_000 }: RecordOptions = {}): RecordQueries {
  const db = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
  try {
    db.exec('PRAGMA cache_size = -65536');
    return new RecordReader(db, new SlowLane(path, searchTimeLimit));
  } catch (fault) {
    db.close();
    throw fault;
  }
}

class RecordReader implements RecordQueries {
  readonly #db: DatabaseSync;
  readonly #numbers: Numbers;
  readonly #statements: ReturnType<typeof prepareReading>;
  readonly #history: History;
  readonly #everything: Everything;
  readonly #searching: Searching;
  readonly #slowLane: SlowLane;

  constructor(db: DatabaseSync, slowLane: SlowLane) {
    this.#db = db;
    this.#slowLane = slowLane;
    this.#numbers = new Numbers(this.#db);
    this.#statements = prepareReading(this.#db);
    this.#history = new History(this.#db, this.#numbers);
    this.#everything = new Everything(this.#db, this.#numbers);
    this.#searching = new Searching(this.#db, this.#numbers);
  }

  async read(type: string, id: string, restrictTo?: Restriction): Promise<VersionAnswer> {
    const stream = `${type}/${id}`;
    if (!this.#mayShow(stream, restrictTo)) return { kind: 'unknown' };
    const row = this.#statements.current.get({ stream });
    return answerOf(row, this.#patientOf(row));
  }

  async vread(type: string, id: string, version: number, restrictTo?: Restriction): Promise<VersionAnswer> {
    const stream = `${type}/${id}`;
    if (!this.#mayShow(stream, restrictTo)) return { kind: 'unknown' };
    const current = this.#statements.current.get({ stream });
    const patients = this.#patientOf(current);
    if (current === undefined || current.version === version) return answerOf(current, patients);
    return answerOf(this.#statements.version.get({ resource: current.key, version }), patients);
  }

  async history(
    type: string,
    id: string,
    page: PageRequest,
    restrictTo?: Restriction,
  ): Promise<HistoryPage | undefined> {
    const stream = `${type}/${id}`;
    if (!this.#mayShow(stream, restrictTo)) return undefined;
    const parked = await this.parkedPartitionOf(type, id);
    return this.#history.page(stream, page, parked === undefined ? [] : [parked]);
  }

  async search(
    query: SearchQuery,
    request: SearchRequest,
    restrictTo?: Restriction,
  ): Promise<SearchPage | SearchRefusal> {
    return this.#answer({ query, request, restrictTo: restrictTo?.patient });
  }

  async count(query: SearchQuery, restrictTo?: Restriction): Promise<SearchPage | SearchRefusal> {
    return this.#answer({ query, request: undefined, restrictTo: restrictTo?.patient });
  }

  async everything(
    patient: string,
    page: EverythingRequest,
    restrictTo?: Restriction,
  ): Promise<SearchPage | undefined> {
    if (restrictTo !== undefined && restrictTo.patient !== patient) return undefined;
    const parked = await this.parkedPartitionOf('Patient', patient);
    return this.#everything.page(
      patient,
      page,
      restrictTo !== undefined,
      parked === undefined ? [] : [parked],
    );
  }

  async stats(): Promise<{ people: number; resources: number }> {
    this.#glance();
    const patient = this.#numbers.type('Patient') ?? 0;
    return {
      people: this.#statements.countOfType.get({ type: patient })?.count ?? 0,
      resources: this.#statements.countOfAll.get()?.count ?? 0,
    };
  }

  async checkpoint(): Promise<Checkpoint | undefined> {
    return this.#statements.checkpoint.get();
  }

  async parked(): Promise<readonly Parked[]> {
    return this.#statements.parked.all();
  }

  async parkedPartitionOf(type: string, id: string): Promise<Parked | undefined> {
    return this.#parkedPartitionOf(`${type}/${id}`);
  }

  async hash(): Promise<string> {
    return hashOf(this.#db);
  }

  close(): void {
    this.#slowLane.close();
    if (this.#db.isOpen) this.#db.close();
  }

  async #answer(asked: SlowRequest): Promise<SearchPage | SearchRefusal> {
    const { query, request, restrictTo } = asked;
    if (query.conditions.some((it) => it.kind === 'quantity')) await loadUnits();
    const incomplete = this.#incomplete(query, restrictTo);
    const planned =
      request === undefined
        ? this.#searching.count(query, restrictTo)
        : this.#searching.search(query, request, restrictTo);
    const answered = planned.isSlow ? await this.#slowLane.answer(asked) : quickly(planned);
    return 'refused' in answered ? answered : { ...answered, incomplete };
  }

  // Before every question that goes by numbers: notices when they were given anew, and tells whether anybody is parked.
  #glance(): boolean {
    const row = this.#statements.glance.get();
    this.#numbers.ofGeneration(row?.id ?? '');
    return row !== undefined && row.parked !== null;
  }

  #mayShow(stream: string, restrictTo: Restriction | undefined): boolean {
    if (restrictTo === undefined) return true;
    this.#glance();
    const patient = this.#numbers.target(`Patient/${restrictTo.patient}`);
    if (patient === undefined) return false;
    return this.#statements.isOf.get({ stream, patient }) !== undefined;
  }

  #patientOf(row: { readonly patient: number } | undefined): readonly string[] {
    if (row === undefined || row.patient === 0) return [];
    this.#glance();
    return [this.#numbers.patientId(row.patient) ?? []].flat();
  }

  #parkedPartitionOf(stream: string): Parked | undefined {
    if (!this.#glance()) return undefined;
    const target = stream.startsWith('Patient/') ? (this.#numbers.target(stream) ?? 0) : 0;
    return this.#statements.parkedOf.get({ stream, target });
  }

  /** Those set aside whose resources the search would have met. */
  #incomplete(query: SearchQuery, restrictTo: string | undefined): readonly Parked[] {
    if (!this.#glance()) return [];
    const streams = restrictTo === undefined ? namedBy(query) : [`Patient/${restrictTo}`];
    if (streams === undefined) return this.#statements.parked.all();
    const parked = streams.flatMap((stream) => this.#parkedPartitionOf(stream) ?? []);
    return [...new Map(parked.map((it) => [it.partition, it])).values()];
  }
}

function quickly(planned: PlannedSearch): Answered | SearchRefusal {
  try {
    return planned.page();
  } catch (fault) {
    if (fault instanceof TooManyValues) return TOO_SLOW;
    throw fault;
  }
}

function answerOf(row: VersionRow | undefined, patients: readonly string[]): VersionAnswer {
  if (row === undefined) return { kind: 'unknown' };
  const facts = { versionId: row.version, lastUpdated: new Date(row.updated).toISOString() };
  if (row.state === STATE.deleted) return { kind: 'deleted', ...facts };
  if (row.body === null) return { kind: 'erased', ...facts };
  return { kind: 'found', body: row.body, ...facts, shown: { versions: String(row.position), patients } };
}
