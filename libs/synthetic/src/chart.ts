/**
 * One person's record while it is being written: every activity of an organisation becomes one transaction, and every
 * resource gets an id, a business identifier of that organisation and its UK Core profile.
 */
import type { Area, Provider } from './area.ts';
import type { CodeableConcept, LongTermCondition, Measure } from './codes.ts';
import type { Entry, Resource, TransactionBundle } from './resource.ts';
import type { Random } from './random.ts';
import { orderedIds, post, put, transaction, ukCore } from './resource.ts';
import { YEAR, stamp } from './calendar.ts';

export interface Person {
  readonly nhsNumber: string;
  readonly given: string;
  readonly family: string;
  readonly female: boolean;
  readonly born: number;
  readonly practice: Provider;
  readonly pharmacy: Provider;
  /** Nothing is recorded before this moment or after `until`. */
  readonly since: number;
  readonly until: number;
  readonly died: boolean;
  readonly longTerm: readonly { readonly condition: LongTermCondition; readonly onset: number }[];
}

/** Something that was written, to refer to it or to correct it later. */
export interface Written {
  readonly reference: string;
  readonly resource: Resource & { readonly id: string };
}

/** Entries of one transaction of an extract. */
const EXTRACT_ENTRIES_MAX = 60;

export class Chart {
  readonly person: Person;
  readonly area: Area;
  readonly random: Random;
  readonly newId: () => string;
  /** `Patient/…`: whom the next resources are about. */
  patient: string;
  readonly #messages: { at: number; bundle: TransactionBundle }[] = [];

  constructor(person: Person, area: Area, random: Random, owner: number) {
    this.person = person;
    this.area = area;
    this.random = random;
    this.newId = orderedIds(random, owner);
    this.patient = `Patient/${this.newId()}`;
  }

  /**
   * Lets `write` add what one organisation did at one moment. Left out when the moment is outside the person's time
   * here; then the answer is `undefined`, and nothing may refer to it.
   */
  activity<T>(provider: Provider, at: number, write: (activity: Activity) => T): T | undefined {
    if (at < this.person.since || at > this.person.until) return undefined;
    const activity = new Activity(this, provider, at);
    const result = write(activity);
    const bundle = activity.close();
    if (bundle.entry.length > 0) this.#messages.push({ at, bundle });
    return result;
  }

  /** Sends one message from `live` on a second time, right behind itself, as interfaces do when an answer was lost. */
  repeat(live: number): void {
    const messages = this.#messages.filter(({ at }) => at >= live);
    if (messages.length === 0) return;
    const { at, bundle } = this.random.pick(messages);
    this.#messages.push({ at: at + 1, bundle });
  }

  /**
   * In order of time: what lies before `live` as an extract of the history, in as few transactions as can hold it, as when
   * an organisation joins a shared record; from then on each message by itself.
   */
  close(live: number): readonly TransactionBundle[] {
    this.#messages.sort((a, b) => a.at - b.at);
    const transactions: TransactionBundle[] = [];
    let extract: Entry[] = [];
    let until = 0;
    const names = new Set<string>();
    const finish = (): void => {
      if (extract.length > 0) transactions.push(transaction(extract, this.#extractIdentifier(), until));
      extract = [];
      names.clear();
    };
    for (const { at, bundle } of this.#messages) {
      const again = bundle.entry.some(({ fullUrl }) => names.has(fullUrl));
      if (at >= live || again || extract.length + bundle.entry.length > EXTRACT_ENTRIES_MAX) finish();
      if (at >= live) {
        transactions.push(bundle);
        continue;
      }
      extract.push(...bundle.entry);
      until = at;
      for (const { fullUrl } of bundle.entry) names.add(fullUrl);
    }
    finish();
    return transactions;
  }

  #extractIdentifier(): { readonly system: string; readonly value: string } {
    return { system: `${this.person.practice.system}:extract`, value: this.newId() };
  }

  age(at: number): number {
    return (at - this.person.born) / YEAR;
  }
}

export class Activity {
  readonly chart: Chart;
  readonly provider: Provider;
  readonly at: number;
  readonly #entries: Entry[] = [];

  constructor(chart: Chart, provider: Provider, at: number) {
    this.chart = chart;
    this.provider = provider;
    this.at = at;
  }

  /** A new resource. `profile` is the UK Core profile; the resource type unless told. */
  add(
    resourceType: string,
    content: Record<string, unknown>,
    profile: string | null = resourceType,
  ): Written {
    const resource = {
      resourceType,
      id: this.chart.newId(),
      ...(profile ? { meta: ukCore(profile) } : {}),
      identifier: [this.identifier(resourceType)],
      ...content,
    };
    this.#entries.push(put(resource));
    return { reference: `${resourceType}/${resource.id}`, resource };
  }

  /** The resource again, with other content: a new version of it. */
  amend(written: Written, changes: Record<string, unknown>): Written {
    const resource = { ...written.resource, ...changes };
    this.#entries.push(put(resource));
    return { reference: written.reference, resource };
  }

  /** A document of a system that keeps no ids of ours. */
  send(resourceType: string, content: Record<string, unknown>): void {
    this.#entries.push(
      post(
        { resourceType, meta: ukCore(resourceType), identifier: [this.identifier(resourceType)], ...content },
        this.chart.newId(),
      ),
    );
  }

  observe(
    measure: Measure,
    value: number,
    encounter?: Written,
    category: 'vital-signs' | 'laboratory' = 'vital-signs',
  ): Written {
    return this.add('Observation', {
      status: 'final',
      category: [category === 'vital-signs' ? VITAL_SIGNS : LABORATORY],
      code: measure.code,
      ...this.about(encounter),
      effectiveDateTime: stamp(this.at),
      performer: [{ reference: this.provider.reference }],
      valueQuantity: quantity(measure, value),
    });
  }

  /** Subject and encounter, where the elements are called so. */
  about(encounter?: Written): Record<string, unknown> {
    return {
      subject: { reference: this.chart.patient },
      ...(encounter ? { encounter: { reference: encounter.reference } } : {}),
    };
  }

  professional(): { readonly reference: string; readonly display: string } {
    const { reference, name } = this.chart.random.pick(this.provider.staff);
    return { reference, display: name };
  }

  identifier(kind: string): { readonly system: string; readonly value: string } {
    return { system: `${this.provider.system}:${kind.toLowerCase()}`, value: this.chart.newId() };
  }

  close(): TransactionBundle {
    return transaction(this.#entries, this.identifier('message'), this.at);
  }
}

export function quantity(measure: Measure, value: number): Record<string, unknown> {
  return { value, unit: measure.unit, system: 'http://unitsofmeasure.org', code: measure.ucum };
}

const CATEGORY = 'http://terminology.hl7.org/CodeSystem/observation-category';
export const VITAL_SIGNS: CodeableConcept = {
  coding: [{ system: CATEGORY, code: 'vital-signs', display: 'Vital Signs' }],
};
export const LABORATORY: CodeableConcept = {
  coding: [{ system: CATEGORY, code: 'laboratory', display: 'Laboratory' }],
};
