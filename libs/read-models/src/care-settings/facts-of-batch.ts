/** What a batch of events changes in one care setting, worked out before anything is written: the same on every engine. */
import type { CareSetting, Placed, Worklist } from './care-setting.ts';
import type { Told } from './care-settings-projection.ts';
import type { Kind } from './fact.ts';

/** The newest version of a resource that the read model has, for one of the persons it is about. */
export interface Standing {
  readonly stream: string;
  readonly patient: string;
  readonly issued: number;
  readonly version: number;
}

export interface NewFact extends Standing {
  readonly kind: Kind;
  readonly told: string | null;
}

export interface NewWork {
  readonly list: string;
  readonly patient: string;
  readonly stream: string;
  readonly since: number;
  readonly due: number | null;
  readonly item: string;
}

export class BatchOfFacts {
  /** Streams that the read model may have something of. */
  readonly streams: readonly string[];
  /** Streams whose rows are replaced. */
  readonly gone: string[] = [];
  readonly rows: NewFact[] = [];
  /** Patients whose links are replaced, and by what. */
  readonly relinked: string[] = [];
  readonly links: { readonly patient: string; readonly other: string }[] = [];
  /** Patients whose worklists are made anew. */
  readonly touched = new Map<string, Set<Worklist>>();
  readonly #setting: CareSetting;
  /** Of the kinds that the setting keeps. */
  readonly told: readonly Told[];

  constructor(setting: CareSetting, told: readonly Told[]) {
    this.#setting = setting;
    this.told = told.filter(({ kind }) => setting.kinds.has(kind));
    this.streams = [...new Set(this.told.map(({ stream }) => stream))];
  }

  make(standing: readonly Standing[]): void {
    const before = Map.groupBy(standing, ({ stream }) => stream);
    for (const [stream, told] of Map.groupBy(this.told, (it) => it.stream)) {
      const known = before.get(stream) ?? [];
      const newest = told.reduce((a, b) => (isNewer(b, a) ? b : a));
      if (known[0] !== undefined && !isNewer(newest, known[0])) continue;
      this.#replace(newest, known);
    }
  }

  /** Of each touched patient, from the facts as they are now. */
  work(factsOf: (patient: string) => readonly Placed[]): NewWork[] {
    const work: NewWork[] = [];
    for (const [patient, lists] of this.touched) {
      const facts = factsOf(patient);
      for (const { name, kinds, items } of lists) {
        for (const item of items(facts.filter(({ fact }) => kinds.has(fact.kind)))) {
          const { stream, since, due } = item;
          work.push({ list: name, patient, stream, since: Date.parse(since), due: due === undefined ? null : Date.parse(due), item: JSON.stringify(item) }); // prettier-ignore
        }
      }
    }
    return work;
  }

  #replace(
    { stream, kind, version, issued, patients, fact, source }: Told,
    known: readonly Standing[],
  ): void {
    if (known.length > 0) this.gone.push(stream);
    const told = fact === undefined ? null : JSON.stringify({ fact, source });
    // What is gone stays known, under nobody, so that nothing older comes back.
    for (const patient of fact === undefined ? [''] : patients)
      this.rows.push({ stream, patient, kind, version, issued, told });
    if (kind === 'person') {
      this.relinked.push(stream);
      for (const other of new Set(fact?.refs['linked'])) this.links.push({ patient: stream, other });
    }
    const lists = this.#setting.worklists.filter((list) => list.kinds.has(kind));
    if (lists.length === 0) return;
    for (const patient of new Set([...patients, ...known.map((it) => it.patient)])) {
      if (patient === '') continue;
      const before = this.touched.get(patient);
      if (before === undefined) this.touched.set(patient, new Set(lists));
      else for (const list of lists) before.add(list);
    }
  }
}

/** By the source's time, then by version. */
function isNewer(a: Pick<Standing, 'issued' | 'version'>, b: Pick<Standing, 'issued' | 'version'>): boolean {
  return a.issued > b.issued || (a.issued === b.issued && a.version > b.version);
}
