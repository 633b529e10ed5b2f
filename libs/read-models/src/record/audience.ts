/** What one viewer may see, in the record's numbers, for the time of one question: the same answer as `decideAccess`. */
import { labels as everyLabel, maskOf, type Restriction, type View } from '@carelog/access';
import type { AudienceStatements } from './audiences.ts';
import type { Concealing } from './concealing.ts';
import type { KnownPatients, Known, Parties, Standpoint } from './known-patients.ts';
import type { Numbers } from './numbers.ts';
import { conditionsOf, type Limit } from './scope-limits.ts';
import { SEVERAL } from './tables.ts';

/** On whose behalf the record is asked, and what they may see of it. */
export interface Viewer extends Standpoint {
  readonly restriction: Restriction;
  /** One and the same for all requests of one caller: under whom searches that wait are counted. */
  readonly asker?: string;
}

/** How a resource is shown: not at all, as it is, or without what is concealed. */
export const SHOWN = { no: 0, whole: 1, concealed: 2 } as const;
export type ShownAs = (typeof SHOWN)[keyof typeof SHOWN];

/** Whether nothing is kept from the viewer, so that there is nothing to ask. */
export function seesAll({ views, scopes }: Restriction): boolean {
  const isOpen = (view: View) => view.patients.kind === 'everybody' && view.denied === 0 && !needsFacts(view);
  return scopes === undefined && views.some(isOpen);
}

/** What a version of a resource is decided by, as stored. */
export interface StoredFacts {
  readonly position: number;
  readonly patient: number;
  readonly labels: number;
  readonly type: number;
}

/** One way in which a patient's resources are seen. */
export interface Way {
  /** Labels and record classes that are not. */
  readonly denied: number;
  readonly conceals: boolean;
}

export class Audience {
  /** What is concealed of patients with an S-flag; undefined where nothing is. */
  readonly concealing: Concealing | undefined;
  readonly #viewer: Viewer;
  readonly #now: number;
  readonly #numbers: Numbers;
  readonly #known: KnownPatients;
  readonly #statements: AudienceStatements;
  readonly #parties = new Map<string, Parties>();
  readonly #these = new Map<View, ReadonlySet<number>>();
  readonly #ways = new Map<number, readonly Way[]>();
  readonly #hidden: ReadonlySet<number>;
  readonly #limits = new Map<string, readonly Limit[] | undefined>();
  readonly #names = new Map<number, string>();
  /** Of versions that name several patients, the others, as far as they were read ahead. */
  readonly #more = new Map<number, number[]>();

  constructor(
    viewer: Viewer,
    now: number,
    numbers: Numbers,
    known: KnownPatients,
    statements: AudienceStatements,
    concealing: Concealing | undefined,
  ) {
    this.#viewer = viewer;
    this.#now = now;
    this.#numbers = numbers;
    this.#known = known;
    this.#statements = statements;
    this.concealing = concealing;
    this.#hidden = new Set(
      (viewer.restriction.conceal?.hides ?? []).flatMap((name) => numbers.type(name) ?? []),
    );
    for (const view of viewer.restriction.views) {
      if (view.patients.kind !== 'these') continue;
      this.#these.set(
        view,
        new Set(view.patients.ids.flatMap((id) => numbers.target(`Patient/${id}`) ?? [])),
      );
    }
  }

  /** Without the conditions of scopes (`limits`), where there are any. */
  shows({ position, patient, labels, type }: StoredFacts): ShownAs {
    if (patient === 0) return this.#showsOfNobody(labels);
    let shown: ShownAs = this.#showsOf(patient, labels, type);
    if ((labels & SEVERAL) === 0 || shown === SHOWN.no) return shown;
    const more = this.#more.get(position) ?? this.#statements.more.all({ position }).map((it) => it.patient);
    for (const other of more) {
      const too = this.#showsOf(other, labels, type);
      if (too === SHOWN.no) return too;
      if (too === SHOWN.concealed) shown = too;
    }
    return shown;
  }

  /** Looks up together what `shows` would look up of each. */
  readAhead(rows: readonly StoredFacts[]): void {
    const several = rows.filter(({ labels }) => (labels & SEVERAL) !== 0 && labels !== 0);
    for (const { position } of several) if (!this.#more.has(position)) this.#more.set(position, []);
    if (several.length > 0) {
      const positions = JSON.stringify(several.map(({ position }) => position));
      for (const { position, patient } of this.#statements.moreOf.all({ positions }))
        this.#more.get(position)?.push(patient);
    }
    const met = new Set(rows.map(({ patient }) => patient));
    for (const { position } of several) for (const patient of this.#more.get(position) ?? []) met.add(patient); // prettier-ignore
    const fresh = [...met].filter((patient) => patient !== 0 && !this.#ways.has(patient));
    if (fresh.length > 0)
      this.#known.readAhead(fresh, this.#now, () => fresh.forEach((it) => this.#waysTo(it)));
  }

  #showsOfNobody(labels: number): ShownAs {
    const { views, shared } = this.#viewer.restriction;
    const isOpen = views.some((it) => it.patients.kind === 'everybody' && (it.denied & labels) === 0);
    const isShared = (labels & REFERENCE) !== 0 && shared !== undefined && (shared & labels) === 0;
    return isOpen || isShared ? SHOWN.whole : SHOWN.no;
  }

  #showsOf(patient: number, labels: number, type: number): ShownAs {
    let shown: ShownAs = SHOWN.no;
    for (const { denied, conceals } of this.#waysTo(patient)) {
      if ((denied & labels) !== 0) continue;
      if (!conceals) return SHOWN.whole;
      if (!this.#hidden.has(type)) shown = SHOWN.concealed;
    }
    return shown;
  }

  /** The ways in which this patient's resources of the type are seen, the whole ones first; none of a stranger. */
  waysTo(patient: number, type = NO_TYPE): readonly Way[] {
    const ways = this.#waysTo(patient).filter(({ conceals }) => !conceals || !this.#hidden.has(type));
    return ways.toSorted((a, b) => Number(a.conceals) - Number(b.conceals));
  }

  /** A body of this type without what is concealed. */
  shownPart(type: number, body: string): string {
    return this.concealing?.shown(this.typeName(type), body) ?? body;
  }

  #waysTo(patient: number): readonly Way[] {
    let ways = this.#ways.get(patient);
    if (ways === undefined) this.#ways.set(patient, (ways = this.#findWaysTo(patient)));
    return ways;
  }

  #findWaysTo(patient: number): readonly Way[] {
    const { careSetting, organisation } = this.#viewer;
    let known: Omit<Known, 'relationships'> | undefined;
    const decisions = () =>
      (known ??= this.#known.decisions(patient, this.#partiesOf(organisation), careSetting, this.#now));
    const ways: Way[] = [];
    for (const view of this.#viewer.restriction.views) {
      if (!this.#isIn(view, patient)) continue;
      if (view.heedsOptOut && decisions().optedOut) continue;
      if (view.heedsReview && decisions().reviewPending) continue;
      const denied = view.denied | (view.heedsWithheld ? decisions().withheld : 0);
      ways.push({ denied, conceals: this.concealing !== undefined && view.conceals && decisions().sFlag });
    }
    return ways;
  }

  #isIn(view: View, patient: number): boolean {
    switch (view.patients.kind) {
      case 'everybody':
        return true;
      case 'these':
        return this.#these.get(view)?.has(patient) === true;
      case 'related': {
        const { organisation, bases } = view.patients;
        const live = this.#known.relationships(patient, this.#partiesOf(organisation), this.#now);
        return live.some((basis) => bases.includes(basis));
      }
    }
  }

  #partiesOf(organisation: string): Parties {
    let parties = this.#parties.get(organisation);
    if (parties === undefined) this.#parties.set(organisation, (parties = this.#known.parties(organisation)));
    return parties;
  }

  /** Patients to one of whom everything of this type belongs that may be shown; undefined where they are too many to tell. */
  reach(typeName: string, most: number): readonly number[] | undefined {
    const { views, shared } = this.#viewer.restriction;
    const limits = this.limits(typeName);
    if (limits?.length === 0) return [];
    if (views.some(({ patients }) => patients.kind === 'everybody')) return undefined;
    if (shared !== undefined && (this.typeLabels(typeName) & REFERENCE) !== 0) return undefined;
    const launched = limits?.map(({ patient }) => patient);
    if (launched !== undefined && launched.every((it) => it !== undefined)) return [...new Set(launched)];
    const patients = new Set<number>();
    for (const view of views) {
      const more =
        view.patients.kind === 'related'
          ? this.#known.relatedTo(view.patients.organisation, this.#now, most)
          : (this.#these.get(view) ?? []);
      for (const patient of more) patients.add(patient);
      if (patients.size > most) return undefined;
    }
    return [...patients];
  }

  /** Bits that are among the labels of any resource of this type. */
  typeLabels(typeName: string): number {
    return this.#statements.typeLabels.get({ type: this.#numbers.type(typeName) ?? 0 })?.labels ?? 0;
  }

  /** Bits that are among the labels of any resource of this type of this patient, or may be. */
  labelsOf(patient: number, typeName: string): number {
    const ofPatient = this.#statements.patientLabels.get({ patient })?.labels ?? 0;
    return (ofPatient | ~(EVERY_LABEL | SEVERAL)) & this.typeLabels(typeName);
  }

  /** Whether nothing of this type is kept from the viewer, whoever it is about. */
  seesAllOf(typeName: string): boolean {
    const { views } = this.#viewer.restriction;
    return (
      this.limits(typeName) === undefined &&
      views.some(
        (view) =>
          view.patients.kind === 'everybody' &&
          !needsFacts(view) &&
          (view.denied & this.typeLabels(typeName)) === 0,
      )
    );
  }

  /** What scopes ask of resources of this type, any one of which is enough; undefined where they ask nothing. */
  limits(typeName: string): readonly Limit[] | undefined {
    if (this.#limits.has(typeName)) return this.#limits.get(typeName);
    const limits = this.#findLimits(typeName);
    this.#limits.set(typeName, limits);
    return limits;
  }

  #findLimits(typeName: string): readonly Limit[] | undefined {
    const { scopes } = this.#viewer.restriction;
    if (scopes === undefined) return undefined;
    const limits = scopes
      .filter(({ type }) => type === '*' || type === typeName)
      .flatMap((limit): Limit[] => {
        const conditions = conditionsOf(limit, typeName);
        if (conditions === undefined) return [];
        const patient = limit.patient && (this.#numbers.target(`Patient/${limit.patient}`) ?? NO_PATIENT);
        return [{ conditions, ...(patient !== undefined && patient !== '' && { patient }) }];
      });
    const isFree = limits.some((it) => it.conditions.length === 0 && it.patient === undefined);
    return isFree ? undefined : limits;
  }

  /** The name of a type by its number. */
  typeName(type: number): string {
    const known = this.#names.get(type) ?? this.#statements.typeName.get({ type })?.name ?? '';
    this.#names.set(type, known);
    return known;
  }

  /** Whether scopes limit anything. */
  get isLimited(): boolean {
    return this.#viewer.restriction.scopes !== undefined;
  }
}

const REFERENCE = maskOf(['reference']);
const EVERY_LABEL = maskOf(everyLabel);
const NO_PATIENT = -1;
const NO_TYPE = 0;

function needsFacts({ heedsWithheld, heedsOptOut, heedsReview, conceals }: View): boolean {
  return heedsWithheld || heedsOptOut || heedsReview || conceals;
}
