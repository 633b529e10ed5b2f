/** Answers the gateway's questions from the record, over one read-only connection. */
import type { CallerFacts, Concealment, Party, PatientFacts, ResourceFacts, Scope } from '@carelog/access';
import type { SearchQuery } from '@carelog/fhir';
import type { Checkpoint, Parked } from '@carelog/projection';
import { SqliteDatabase, type Database } from './database.ts';
import { Admission, showsVersion } from './admission.ts';
import { SHOWN, type Audience, type Viewer } from './audience.ts';
import { Audiences } from './audiences.ts';
import { shownOf } from './entries.ts';
import { OutOfTime } from './body-look.ts';
import { Everything } from './everything.ts';
import { History } from './history.ts';
import type { Standpoint } from './known-patients.ts';
import { Numbers } from './numbers.ts';
import { hashOf } from './record-hash.ts';
import { ParkedPartitions } from './parked-partitions.ts';
import type {
  AskedVersion,
  EverythingRequest,
  HistoryPage,
  PageRequest,
  RecordQueries,
  SearchPage,
  SearchRefusal,
  SearchRequest,
  TheseVersions,
  VersionAnswer,
} from './record.ts';
import { prepareReading, type VersionRow } from './reading.ts';
import { conditionsMet } from './resource-facts.ts';
import { Searching, type Answered } from './searching.ts';
import { SlowLane, TOO_SLOW, type SlowAnswering, type SlowRequest } from './slow-lane.ts';
import { TooManyValues } from './statement.ts';
import { SEVERAL, STATE } from './tables.ts';
import { TheseVersionsReader } from './these-versions.ts';
import { loadUnits } from './units.ts';

export interface RecordOptions {
  /** Milliseconds that a search may take which is not known to be quick; 5,000 unless told. */
  readonly searchTimeLimit?: number;
  /** Milliseconds UTC; relationships and decisions hold as of then. */
  readonly now?: () => number;
}

/** Opens the record to read. Throws where there is no record at this path: the projector makes it. */
export function openRecord(
  path: string,
  { searchTimeLimit = 5_000, now = Date.now }: RecordOptions = {},
): RecordQueries {
  const db = new SqliteDatabase(path, { readOnly: true, timeout: 5_000 });
  try {
    db.exec('PRAGMA cache_size = -65536');
    return new RecordReader(db, new SlowLane(path, searchTimeLimit), now);
  } catch (fault) {
    db.close();
    throw fault;
  }
}

/** Over one connection, in the thread that asks. */
export class RecordReader implements RecordQueries {
  readonly #db: Database;
  readonly #numbers: Numbers;
  readonly #statements: ReturnType<typeof prepareReading>;
  readonly #history: History;
  readonly #everything: Everything;
  readonly #theseVersions: TheseVersionsReader;
  readonly #searching: Searching;
  readonly #slowLane: SlowAnswering;
  readonly #parked: ParkedPartitions;
  readonly #audiences: Audiences;
  readonly #now: () => number;

  constructor(db: Database, slowLane: SlowAnswering, now: () => number) {
    this.#now = now;
    this.#db = db;
    this.#slowLane = slowLane;
    this.#numbers = new Numbers(this.#db);
    this.#statements = prepareReading(this.#db);
    this.#parked = new ParkedPartitions(this.#numbers, this.#statements);
    const admission = new Admission(db);
    this.#audiences = new Audiences(db, this.#numbers);
    this.#history = new History(this.#db, this.#numbers);
    this.#theseVersions = new TheseVersionsReader(this.#db, this.#numbers);
    this.#everything = new Everything(this.#db, this.#numbers, admission);
    this.#searching = new Searching(this.#db, this.#numbers, admission);
  }

  async read(type: string, id: string, viewer?: Viewer): Promise<VersionAnswer> {
    const stream = `${type}/${id}`;
    const audience = this.#audienceOf(viewer);
    if (audience !== undefined) return this.#readFor(audience, type, id);
    const row = this.#statements.current.get({ stream });
    return this.#answerOf(row);
  }

  async vread(type: string, id: string, version: number, viewer?: Viewer): Promise<VersionAnswer> {
    const audience = this.#audienceOf(viewer);
    if (audience !== undefined) return this.#readFor(audience, type, id, version);
    const current = this.#statements.current.get({ stream: `${type}/${id}` });
    if (current === undefined || current.version === version) return this.#answerOf(current);
    return this.#answerOf(this.#statements.version.get({ resource: current.key, version }));
  }

  async theseVersions(asked: readonly AskedVersion[], viewer?: Viewer): Promise<TheseVersions> {
    return this.#reading(viewer, (audience) => this.#theseVersions.find(asked, audience));
  }

  async patientsOf(
    asked: readonly Required<AskedVersion>[],
  ): Promise<readonly (readonly string[] | undefined)[]> {
    return this.#searching.reading(() => {
      this.#parked.glance();
      return this.#theseVersions.patientsOf(asked);
    });
  }

  async history(
    type: string,
    id: string,
    page: PageRequest,
    viewer?: Viewer,
  ): Promise<HistoryPage | undefined> {
    const stream = `${type}/${id}`;
    const parked = await this.parkedPartitionOf(type, id);
    const incomplete = parked === undefined ? [] : [parked];
    return this.#reading(viewer, (audience) => this.#history.page(stream, page, audience, incomplete));
  }

  async search(
    query: SearchQuery,
    request: SearchRequest,
    viewer?: Viewer,
  ): Promise<SearchPage | SearchRefusal> {
    return this.#answer({ query, request, viewer, now: this.#now() });
  }

  async count(query: SearchQuery, viewer?: Viewer): Promise<SearchPage | SearchRefusal> {
    return this.#answer({ query, request: undefined, viewer, now: this.#now() });
  }

  async everything(
    patient: string,
    page: EverythingRequest,
    viewer?: Viewer,
  ): Promise<SearchPage | undefined> {
    const parked = await this.parkedPartitionOf('Patient', patient);
    const incomplete = parked === undefined ? [] : [parked];
    return this.#reading(viewer, (audience) => this.#everything.page(patient, page, audience, incomplete));
  }

  async resourceFacts(
    type: string,
    id: string,
    scopes: readonly Scope[],
    conceal?: Concealment,
  ): Promise<ResourceFacts | undefined> {
    const row = this.#searching.reading(() => this.#factsRow(`${type}/${id}`));
    if (row === undefined) return undefined;
    const { patients, labels, body } = row;
    const meets = body === null ? [] : await conditionsMet(type, body, scopes);
    const hasPlaces =
      conceal && body !== null && this.#audiences.concealing(conceal).shown(type, body) !== body;
    return { type, patients, labels, meets, ...(hasPlaces !== undefined && { hasPlaces }) };
  }

  async patientFacts(
    { organisation, careSetting }: Standpoint,
    { own, proxyFor, brokenGlass }: CallerFacts,
    ids: readonly string[],
  ): Promise<ReadonlyMap<string, PatientFacts>> {
    return this.#searching.reading(() => {
      this.#parked.glance();
      const now = this.#now();
      const { known } = this.#audiences;
      const ours = known.parties(organisation);
      const facts = new Map<string, PatientFacts>();
      for (const id of ids) {
        const patient = this.#numbers.target(`Patient/${id}`);
        if (patient === undefined) continue;
        const standsFor = own.includes(id) ? 'own' : proxyFor.includes(id) ? 'proxy' : undefined;
        facts.set(id, {
          relationships: known.relationships(patient, ours, now),
          ...known.decisions(patient, ours, careSetting, now),
          ...(standsFor !== undefined && { ownOrProxy: standsFor }),
          ...(brokenGlass.includes(id) && { brokenGlass: true }),
        });
      }
      return facts;
    });
  }

  async standsFor(nhsNumber: string): Promise<Pick<CallerFacts, 'own' | 'proxyFor'>> {
    return this.#searching.reading(() => this.#audiences.known.standsFor(nhsNumber, this.#now()));
  }

  async ours(
    { organisation, careSetting }: Standpoint,
    parties: readonly Party[],
  ): Promise<ReadonlySet<Party>> {
    return this.#searching.reading(() => {
      this.#parked.glance();
      const ours = this.#audiences.known.parties(organisation);
      return new Set(parties.filter((it) => ours.hasNamed(it) || it === `setting:${careSetting}`));
    });
  }

  async stats(): Promise<{ people: number; resources: number }> {
    this.#parked.glance();
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

  async parkedPartitionOf(type: string, id: string, viewer?: Viewer): Promise<Parked | undefined> {
    return this.#parked.of(`${type}/${id}`, this.#audienceOf(viewer));
  }

  async hash(): Promise<string> {
    return this.#searching.reading(() => hashOf(this.#db));
  }

  close(): void {
    this.#slowLane.close();
    if (this.#db.isOpen) this.#db.close();
  }

  async #answer(asked: SlowRequest): Promise<SearchPage | SearchRefusal> {
    try {
      return await this.#answerInTime(asked);
    } catch (fault) {
      if (fault instanceof OutOfTime) return TOO_SLOW;
      throw fault;
    }
  }

  async #answerInTime(asked: SlowRequest): Promise<SearchPage | SearchRefusal> {
    const { query, request, viewer } = asked;
    const scopes = [viewer, request?.includesFor].flatMap((it) => it?.restriction.scopes ?? []);
    if (query.conditions.some((it) => it.kind === 'quantity') || scopes.some((it) => it.where.length > 0))
      await loadUnits();
    const audience = this.#audienceOf(viewer);
    const incomplete = this.#parked.incomplete(query, audience);
    const isOpen = audience === undefined && request?.includesFor === undefined;
    const quick = isOpen ? this.#quickly(asked) : this.#searching.reading(() => this.#quickly(asked)); // prettier-ignore
    const answered = quick ?? (await this.#slowLane.answer(asked));
    return 'refused' in answered ? answered : { ...answered, incomplete };
  }

  /** Undefined where it may take longer, or has. */
  #quickly({ query, request, viewer, now }: SlowRequest): Answered | SearchRefusal | undefined {
    try {
      this.#parked.glance();
      const planned =
        request === undefined
          ? this.#searching.count(query, this.#audiences.of(viewer, now))
          : this.#searching.search(query, request, this.#audiences.ofSearch(viewer, request, now));
      return planned.isSlow ? undefined : planned.page();
    } catch (fault) {
      if (fault instanceof TooManyValues) return TOO_SLOW;
      if (fault instanceof OutOfTime) return undefined;
      throw fault;
    }
  }

  // All of it one state: what is found out about the audience is true of what it is shown.
  #reading<Result>(viewer: Viewer | undefined, work: (audience: Audience | undefined) => Result): Result {
    return this.#searching.reading(() => work(this.#audienceOf(viewer)));
  }

  #audienceOf(viewer: Viewer | undefined): Audience | undefined {
    if (viewer !== undefined) this.#parked.glance();
    return this.#audiences.of(viewer, this.#now());
  }

  #readFor(audience: Audience, type: string, id: string, version?: number): VersionAnswer {
    return this.#searching.reading(() => {
      const current = this.#statements.current.get({ stream: `${type}/${id}` });
      if (current === undefined) return { kind: 'unknown' };
      const asked =
        version === undefined || current.version === version
          ? current
          : this.#statements.version.get({ resource: current.key, version });
      if (asked === undefined) return { kind: 'unknown' };
      const shown = [
        showsVersion(audience, current),
        showsVersion(audience, { ...asked, type: current.type }),
      ];
      if (shown.includes(SHOWN.no)) return { kind: 'unknown' };
      const concealed = shown.includes(SHOWN.concealed)
        ? asked.body && audience.shownPart(current.type, asked.body)
        : asked.body;
      return this.#answerOf({ ...asked, body: concealed }, concealed !== asked.body);
    });
  }

  #factsRow(stream: string) {
    this.#parked.glance();
    const row = this.#statements.current.get({ stream });
    if (row === undefined) return undefined;
    const { position, patient, labels, body } = row;
    const more = this.#statements.more.all({ position }).map((it) => it.patient);
    const patients = [patient, ...more].flatMap((it) => this.#numbers.patientId(it) ?? []);
    return { patients, labels: labels % SEVERAL, body };
  }

  #answerOf(row: (VersionRow & Of) | undefined, isConcealed = false): VersionAnswer {
    if (row === undefined) return { kind: 'unknown' };
    const facts = { versionId: row.version, lastUpdated: new Date(row.updated).toISOString() };
    if (row.state === STATE.deleted) return { kind: 'deleted', ...facts };
    if (row.body === null) return { kind: 'erased', ...facts };
    this.#parked.glance();
    return { kind: 'found', body: row.body, ...facts, shown: shownOf(this.#numbers, [row], isConcealed) };
  }
}

interface Of {
  readonly patient: number;
  readonly labels: number;
}
