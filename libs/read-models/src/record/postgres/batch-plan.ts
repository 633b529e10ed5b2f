/** What a batch changes, worked out in memory before anything of it is written: of each resource only what is left at its end. */
import type { Policy } from '@carelog/access';
import type { AppliedChange } from '@carelog/projection';
import { difference, factsOf, HIDING, type Facts, type Person } from '../changing.ts';
import { indexRows, type IndexRow } from '../index-rows.ts';
import type { Interning } from '../interning.ts';
import { indexOf, isPatient, type RecordChange, type ResourceIndex } from '../record-projection.ts';
import { INDEX_COLUMNS, STATE, type IndexTable, type State } from '../tables.ts';
import type { Row } from './rows.ts';

/** A resource as it stands before the batch. */
export interface Standing {
  readonly key: number;
  readonly patient: number;
  readonly labels: number;
  readonly version: number;
  readonly position: number;
  readonly updated: number;
  readonly state: State;
  readonly body: string | null;
  /** Patients that it names beyond the first. */
  readonly more: readonly number[];
}

type Change = AppliedChange<RecordChange>;

/** As it is left by the changes so far. */
interface Current extends Standing {
  readonly present: number;
  readonly rows: readonly IndexRow[];
  readonly type: number;
  readonly partition: string;
}

export class BatchPlan {
  readonly #changes: readonly Change[];
  readonly #names: Interning;
  readonly #policy: Policy;
  #standing: ReadonlyMap<string, Standing> = new Map();
  readonly #indexBefore = new Map<string, ResourceIndex>();
  readonly #persons = new Map<string, Person>();
  readonly #current = new Map<string, Current>();

  readonly touched = new Set<string>();
  readonly typeLabels = new Map<number, number>();
  readonly patientLabels = new Map<number, number>();
  readonly newPersons: (readonly [partition: string, patient: number])[] = [];
  readonly versionColumns = ['until', 'resource', 'patient', 'labels', 'version', 'position', 'updated', 'state', 'body'] as const; // prettier-ignore
  readonly versions: Row[] = [];
  readonly resourceColumns = ['key', 'stream', 'type', 'patient', 'labels', 'version', 'position', 'updated', 'state', 'present', 'body'] as const; // prettier-ignore
  readonly created: Row[] = [];
  /** `key, patient, labels, version, position, updated, state, present, body`. */
  readonly updated: Row[] = [];
  readonly morePatients: Row[] = [];
  readonly gone = new Map<IndexTable, Row[]>();
  readonly come = new Map<IndexTable, Row[]>();
  /** Those of resources that are created: none of them is there where none of the resources was. */
  readonly first = new Map<IndexTable, Row[]>();

  constructor(changes: readonly Change[], names: Interning, policy: Policy) {
    this.#changes = changes;
    this.#names = names;
    this.#policy = policy;
  }

  /** Of which the persons are needed. */
  get partitions(): readonly string[] {
    return [...new Set(this.#changes.flatMap(({ event }) => (event.partition === 'shared' ? [] : event.partition)))]; // prettier-ignore
  }

  expect(standing: ReadonlyMap<string, Standing>, persons: ReadonlyMap<string, Person>): void {
    this.#standing = standing;
    for (const [partition, person] of persons) this.#persons.set(partition, person);
    for (const { event, change } of this.#changes) {
      const before = standing.get(event.stream);
      if (before === undefined || before.state !== STATE.live || before.body === null) continue;
      if (!this.#indexBefore.has(event.stream))
        this.#indexBefore.set(event.stream, indexOf(change.type, before.body, this.#policy));
    }
  }

  /** Parameters are named by the numbers of their types: those are asked for before all else. */
  askTypes(): void {
    for (const { change } of this.#changes) this.#names.type(change.type);
  }

  /** Asks for every name that `make` will need. */
  askNames(): void {
    for (const { event, change } of this.#changes) {
      const { stream } = event;
      if (isPatient(stream)) this.#names.target(stream);
      const of = { type: change.type, stream, key: 0, owner: 0 };
      indexRows({ ...of, index: change.index }, this.#names);
      const before = this.#indexBefore.get(stream);
      if (before !== undefined) indexRows({ ...of, index: before }, this.#names);
    }
  }

  /** Fills the rest of the plan; every name must be known. */
  make(): void {
    for (const change of this.#changes) this.#apply(change);
    for (const [stream, it] of this.#current) this.#finish(stream, it);
  }

  columnsOf(table: IndexTable): readonly string[] {
    return INDEX_COLUMNS[table];
  }

  #apply({ event, change }: Change): void {
    const { stream, partition, position, revision } = event;
    const { body, state, index } = change;
    const type = this.#names.type(change.type);
    const before = this.#current.get(stream) ?? (revision === 1 ? undefined : this.#standing.get(stream));
    const key = before?.key ?? position;
    const person = this.#personOf(partition, stream);
    const owner = person?.patient ?? 0;
    this.#touch(stream, person, index);
    const rows = state === STATE.live ? indexRows({ type: change.type, stream, key, owner, index }, this.#names) : []; // prettier-ignore
    const facts =
      state === STATE.live || before === undefined ? factsOf(rows, owner, index) : factsBefore(before);
    const [patient = 0, ...more] = facts.patients;
    for (const other of more) this.morePatients.push([position, other]);
    add(this.typeLabels, type, facts.labels);
    const hiding = (facts.labels & HIDING) >>> 0;
    if (hiding !== 0) for (const it of facts.patients) add(this.patientLabels, it, hiding);
    if (before !== undefined) {
      const { patient, labels, version, updated, state, body } = before;
      this.versions.push([position, key, patient, labels, version, before.position, updated, state, body]);
    }
    this.#current.set(stream, {
      key,
      type,
      patient,
      labels: facts.labels,
      version: revision,
      position,
      updated: Date.parse(event.recordedAt),
      state,
      present: index.present,
      body,
      more: more.toSorted((a, b) => a - b),
      rows,
      partition,
    });
  }

  #finish(stream: string, it: Current): void {
    const { key, type, patient, labels, version, position, updated, state, present, body, rows } = it;
    const standing = this.#standing.get(stream);
    const left = [patient, labels, version, position, updated, state, present, body] as const;
    if (standing === undefined) this.created.push([key, stream, type, ...left]);
    else this.updated.push([key, ...left]);
    const { gone, come } = difference(this.#rowsBefore(stream, it), rows);
    for (const { table, values } of gone) list(this.gone, table).push(values as Row);
    const added = standing === undefined ? this.first : this.come;
    for (const { table, values } of come) list(added, table).push(values as Row);
  }

  #rowsBefore(stream: string, { partition, key }: Current): readonly IndexRow[] {
    const index = this.#indexBefore.get(stream);
    if (index === undefined) return [];
    const [type = ''] = stream.split('/', 1);
    const person = this.#persons.get(partition);
    this.#touch(stream, person, index);
    return indexRows({ type, stream, key, owner: person?.patient ?? 0, index }, this.#names);
  }

  // The patient whose partition this is: the first Patient recorded in it.
  #personOf(partition: string, stream: string): Person | undefined {
    if (partition === 'shared') return undefined;
    const known = this.#persons.get(partition);
    if (known !== undefined || !isPatient(stream)) return known;
    const person = { patient: this.#names.target(stream), stream };
    this.#persons.set(partition, person);
    this.newPersons.push([partition, person.patient]);
    return person;
  }

  #touch(stream: string, person: Person | undefined, { patients }: ResourceIndex): void {
    this.touched.add(stream);
    if (person !== undefined) this.touched.add(person.stream);
    for (const name of patients.keys()) this.touched.add(name);
  }
}

/** Of which the rows that stand are needed: something came before. */
export function laterStreams(changes: readonly Change[]): readonly string[] {
  return [...new Set(changes.flatMap(({ event }) => (event.revision === 1 ? [] : event.stream)))];
}

// What ended, or cannot be opened any more, is whose it was and as confidential.
function factsBefore({ patient, labels, more }: Standing): Facts {
  return { patients: patient === 0 ? [] : [patient, ...more], labels };
}

function add(sums: Map<number, number>, of: number, bits: number): void {
  sums.set(of, ((sums.get(of) ?? 0) | bits) >>> 0);
}

function list<Key, Value>(lists: Map<Key, Value[]>, key: Key): Value[] {
  let known = lists.get(key);
  if (known === undefined) lists.set(key, (known = []));
  return known;
}
