/** What a batch of events changes in a care setting, or in several that are kept together, worked out before anything is written: the same on every engine. */
import type { KeptByCareSetting, Placed, WorkItem, Worklist } from './care-setting.ts';
import type { Told } from './care-settings-projection.ts';
import type { Kind } from './fact.ts';
import { ofOnePerson } from './statements.ts';
import { standingOf, type Edition, type Mark } from './version-order.ts';

/** The newest version of a resource that the read model has, for one of the persons it is about. */
export interface Standing extends Edition {
  readonly stream: string;
  readonly patient: string;
}

/** `mark` as JSON. */
export interface NewFact extends Omit<Standing, 'mark'> {
  readonly kind: Kind;
  readonly mark: string | null;
  readonly told: string | null;
}

export type Kept = Pick<Placed, 'stream' | 'version' | 'fact' | 'source'>;

export interface NewWork {
  readonly list: string;
  readonly patient: string;
  readonly stream: string;
  readonly since: number;
  readonly due: number | null;
  readonly opens: number | null;
  readonly until: number | null;
  readonly item: string;
}

export type WaitingWork = Pick<NewWork, 'list' | 'patient' | 'stream' | 'item'>;

export class BatchOfFacts {
  /** Streams that the read model may have something of. */
  readonly streams: readonly string[];
  /** Streams whose rows are replaced. */
  readonly gone: string[] = [];
  /** What stood before of streams that came, under whom. */
  readonly replaced: Pick<Standing, 'stream' | 'patient'>[] = [];
  readonly rows: NewFact[] = [];
  /** What the rows tell. */
  readonly kept: Kept[] = [];
  /** Patients whose links are replaced, and by what. */
  readonly relinked: string[] = [];
  readonly links: { readonly patient: string; readonly other: string }[] = [];
  /** With whom they were linked before. To be told before the first `join`. */
  readonly parted: string[] = [];
  /** Patients whose worklists are made anew. */
  readonly touched = new Map<string, Set<Worklist>>();
  readonly #keeps: KeptByCareSetting;
  /** Of the kinds that are kept. */
  readonly told: readonly Told[];
  #groupOf: (patient: string) => readonly string[] = (patient) => [patient];

  constructor(keeps: KeptByCareSetting, told: readonly Told[]) {
    this.#keeps = keeps;
    this.told = told.filter(({ kind }) => keeps.kinds.has(kind));
    this.streams = [...new Set(this.told.map(({ stream }) => stream))];
  }

  make(standing: readonly Standing[]): void {
    const before = Map.groupBy(standing, ({ stream }) => stream);
    for (const [stream, told] of Map.groupBy(this.told, (it) => it.stream)) {
      const known = before.get(stream) ?? [];
      const stands = told.reduce<Told | Standing | undefined>(standingOf, known[0]);
      if (stands !== undefined && 'source' in stands) this.#replace(stands, known);
    }
  }

  /**
   * Touches whoever is one person with those who are touched, or whose links are replaced. To be called before links are
   * replaced, which is when it is known from whom somebody parts, and after. `samePerson`: everybody who is read as one, themselves too.
   */
  join(samePerson: (patient: string) => readonly string[]): void {
    const known = new Map<string, readonly string[]>();
    const groupOf = (patient: string): readonly string[] => {
      const group = known.get(patient) ?? samePerson(patient);
      known.set(patient, group);
      return group;
    };
    this.#groupOf = groupOf;
    for (const patient of this.whoseLinks()) {
      const group = groupOf(patient);
      if (group.length > 1) for (const it of group) this.#touch(it, this.#keeps.worklists);
    }
    for (const [patient, lists] of [...this.touched])
      for (const it of groupOf(patient)) this.#touch(it, lists);
  }

  /** Everybody who is at either end of a link that is made or given up. */
  whoseLinks(): ReadonlySet<string> {
    return new Set([...this.relinked, ...this.parted, ...this.links.map(({ other }) => other)]);
  }

  /**
   * Of each touched patient, from the facts as they are now. What is drawn from the records of several who are linked is
   * work of the one under whom the thing that is waited about is recorded: linking and parting make no other item of it.
   */
  work(factsOf: (patient: string, kinds: ReadonlySet<Kind>) => readonly Placed[]): NewWork[] {
    const work: NewWork[] = [];
    for (const [patient, lists] of this.touched) {
      const group = this.#groupOf(patient);
      const asked = new Set([...lists].flatMap((list) => [...list.kinds]));
      const isAlone = group.length === 1;
      const facts = isAlone
        ? factsOf(patient, asked)
        : ofOnePerson(group.flatMap((it) => factsOf(it, asked)));
      const own = isAlone ? undefined : new Set(facts.filter((it) => it.patient === patient).map(({ stream }) => stream)); // prettier-ignore
      // Lists of the same kinds are given the same facts, of which they may find out the same once.
      const byKinds = new Map<ReadonlySet<Kind>, readonly Placed[]>();
      for (const { name, kinds, items } of lists) {
        const its = byKinds.get(kinds) ?? facts.filter(({ fact }) => kinds.has(fact.kind));
        byKinds.set(kinds, its);
        for (const item of items(its))
          if (own === undefined || own.has(item.stream)) work.push(workOf(name, patient, item));
      }
    }
    return work;
  }

  /** Of which the work of those who are touched is made. */
  askedKinds(): ReadonlySet<Kind> {
    return new Set([...this.touched.values()].flatMap((lists) => [...lists].flatMap((it) => [...it.kinds])));
  }

  /** The lists that are made anew, of whom. */
  askedLists(): readonly Pick<NewWork, 'list' | 'patient'>[] {
    return [...this.touched].flatMap(([patient, lists]) => [...lists].map(({ name }) => ({ list: name, patient }))); // prettier-ignore
  }

  /** What is to be taken off the lists of those who are touched, and put on them. Most of what is told changes no item. */
  changedWork(
    work: readonly NewWork[],
    waiting: readonly WaitingWork[],
  ): { readonly done: readonly Pick<NewWork, 'list' | 'patient'>[]; readonly put: readonly NewWork[] } {
    const keyOf = ({ list, patient }: Pick<NewWork, 'list' | 'patient'>) => `${list} ${patient}`;
    const [made, stands] = [Map.groupBy(work, keyOf), Map.groupBy(waiting, keyOf)];
    const changed = this.askedLists().filter(
      (it) => !isSameWork(stands.get(keyOf(it)) ?? [], made.get(keyOf(it)) ?? []),
    );
    return {
      done: changed.filter((it) => stands.has(keyOf(it))),
      put: changed.flatMap((it) => made.get(keyOf(it)) ?? []),
    };
  }

  #replace(
    { stream, kind, version, issued, mark: marked, patients, fact, json, source }: Told,
    known: readonly Standing[],
  ): void {
    if (known.length > 0) this.gone.push(stream);
    this.replaced.push(...known);
    const told = json ?? null;
    const mark = marked === undefined ? null : JSON.stringify(marked);
    if (fact !== undefined) this.kept.push({ stream, version, fact, source });
    // What is gone stays known, under nobody, so that nothing older comes back.
    for (const patient of fact === undefined ? [''] : patients)
      this.rows.push({ stream, patient, kind, version, issued, mark, told });
    if (kind === 'person') {
      this.relinked.push(stream);
      for (const other of new Set(fact?.refs['linked'])) this.links.push({ patient: stream, other });
    }
    const isNew = known.length === 0 && fact !== undefined;
    const lists = this.#keeps.worklists.filter((list) => list.kinds.has(kind) && !(isNew && list.concerns?.(fact) === false)); // prettier-ignore
    for (const patient of new Set([...patients, ...known.map((it) => it.patient)]))
      if (patient !== '') this.#touch(patient, lists);
  }

  #touch(patient: string, lists: Iterable<Worklist>): void {
    const before = this.touched.get(patient) ?? new Set();
    for (const list of lists) before.add(list);
    if (before.size > 0) this.touched.set(patient, before);
  }
}

function isSameWork(before: readonly WaitingWork[], now: readonly NewWork[]): boolean {
  const items = new Map(before.map(({ stream, item }) => [stream, item]));
  return items.size === now.length && now.every(({ stream, item }) => items.get(stream) === item);
}

function workOf(list: string, patient: string, item: WorkItem): NewWork {
  const { stream, since, due, opens, until } = item;
  const at = (time: string | undefined) => (time === undefined ? null : Date.parse(time));
  return { list, patient, stream, since: Date.parse(since), due: at(due), opens: at(opens), until: at(until), item: JSON.stringify(item) }; // prettier-ignore
}

/** As it is read from the table. */
export const markIn = (mark: string | null): Edition['mark'] => (mark === null ? undefined : (JSON.parse(mark) as Mark)); // prettier-ignore
