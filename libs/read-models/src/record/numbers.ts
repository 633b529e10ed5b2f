/** The record's numbers for the names in a question. A name without a number is in no row. */
import {
  subjectParametersOf,
  type DateComparison,
  type SearchCondition,
  type SearchQuery,
  type TokenValue,
} from '@carelog/fhir';
import type { DatabaseSync } from 'node:sqlite';
import { isPatient } from './record-projection.ts';
import { given, record, Statement } from './statement.ts';

/** A search whose names were exchanged for the record's numbers. Every list holds at least one. */
export interface NumberedSearch {
  readonly type: number;
  readonly conditions: readonly NumberedCondition[];
  /** The one patient whose record the caller may see. */
  readonly restrictTo?: number;
}

export type NumberedCondition =
  | { readonly kind: 'streams'; readonly streams: readonly string[] }
  | { readonly kind: 'updated'; readonly comparisons: readonly DateComparison[] }
  /** `by-patient`: each value has rows by patient too; `few`: a value names few resources, whoever they belong to. */
  | {
      readonly kind: 'token';
      readonly parameter: number;
      readonly values: readonly number[];
      readonly rows: 'by-patient' | 'few' | 'many';
    }
  /** `patients` by their compartment, `targets` by reference; one of the lists may be empty. */
  | {
      readonly kind: 'reference';
      readonly parameter: number;
      readonly patients: readonly number[];
      readonly targets: readonly number[];
    }
  | { readonly kind: 'date'; readonly parameter: number; readonly comparisons: readonly DateComparison[] };

const CACHED_MAX = 20_000;

export class Numbers {
  readonly #type: Statement<{ id: number }>;
  readonly #parameter: Statement<{ id: number }>;
  readonly #target: Statement<{ id: number }>;
  readonly #token: Statement<{ id: number }>;
  readonly #tokens: Statement<{ id: number }>;
  readonly #known = new Map<string, number>();
  #generation = '';

  constructor(db: DatabaseSync) {
    const parameter = record.selectFrom('parameter').select('id').where('type', '=', given('type'));
    const token = record.selectFrom('token_value').select('id').where('code', '=', given('code'));
    this.#type = new Statement(db, record.selectFrom('type').select('id').where('name', '=', given('name')));
    this.#parameter = new Statement(db, parameter.where('code', '=', given('code')));
    this.#target = new Statement(
      db,
      record.selectFrom('target').select('id').where('name', '=', given('name')),
    );
    this.#token = new Statement(db, token.where('system', '=', given('system')));
    this.#tokens = new Statement(db, token);
  }

  type(name: string): number | undefined {
    return this.#remember(`type ${name}`, () => this.#type.get({ name })?.id);
  }

  /** Numbers are given anew when the record is emptied or replaced: what was known then is forgotten. */
  ofGeneration(generation: string): void {
    if (generation === this.#generation) return;
    this.#generation = generation;
    this.#known.clear();
  }

  /** A patient's number is that of its `Patient/id`. */
  target(name: string): number | undefined {
    return this.#remember(`target ${name}`, () => this.#target.get({ name })?.id);
  }

  /** Undefined where nothing can match, because a name that the search needs is in no row. */
  search(query: SearchQuery, restrictTo: string | undefined): NumberedSearch | undefined {
    const type = this.type(query.type);
    if (type === undefined) return undefined;
    const restriction = restrictTo === undefined ? undefined : this.target(`Patient/${restrictTo}`);
    if (restrictTo !== undefined && restriction === undefined) return undefined;
    const conditions: NumberedCondition[] = [];
    for (const condition of query.conditions) {
      const numbered = this.#condition(query.type, type, condition);
      if (numbered === undefined) return undefined;
      conditions.push(numbered);
    }
    return { type, conditions, ...(restriction !== undefined && { restrictTo: restriction }) };
  }

  #condition(typeName: string, type: number, condition: SearchCondition): NumberedCondition | undefined {
    if (condition.kind === 'id') {
      return { kind: 'streams', streams: condition.values.map((id) => `${typeName}/${id}`) };
    }
    if (condition.kind === 'last-updated') return { kind: 'updated', comparisons: condition.values };
    if (condition.kind !== 'reference' && condition.kind !== 'token' && condition.kind !== 'date')
      return undefined;
    const { kind, parameter: code } = condition;
    if (kind === 'reference') return this.#reference(typeName, type, condition);
    const parameter = this.#parameterOf(type, code);
    if (parameter === undefined) return undefined;
    if (kind === 'date') return { kind, parameter, comparisons: condition.values };
    const values = [...new Set(condition.values.flatMap((value) => this.#tokenValues(value)))];
    if (values.length === 0) return undefined;
    const anyCode = condition.values.some((value) => value.code === undefined);
    const rows = anyCode ? 'many' : code === 'identifier' ? 'few' : 'by-patient';
    return { kind, parameter, values, rows };
  }

  #reference(
    typeName: string,
    type: number,
    { parameter: code, values }: SearchCondition & { kind: 'reference' },
  ): NumberedCondition | undefined {
    const patients: number[] = [];
    const targets: number[] = [];
    const asksSubject = subjectParametersOf(typeName).includes(code);
    for (const { target } of values) {
      const number = this.target(target);
      if (number !== undefined) (asksSubject && isPatient(target) ? patients : targets).push(number);
    }
    const parameter = this.#parameterOf(type, code);
    // No row of `reference` bears a parameter that was never interned.
    const others = parameter === undefined ? [] : targets;
    if (patients.length === 0 && others.length === 0) return undefined;
    return { kind: 'reference', parameter: parameter ?? 0, patients, targets: others };
  }

  #parameterOf(type: number, code: string): number | undefined {
    return this.#remember(`parameter ${type} ${code}`, () => this.#parameter.get({ type, code })?.id);
  }

  #tokenValues({ system, code }: TokenValue): number[] {
    if (system === undefined) return this.#tokens.all({ code: code ?? '' }).map((it) => it.id);
    const values = { code: code ?? '', system: system ?? '' };
    const known = `token ${values.code}\u0000${values.system}`;
    const id = this.#remember(known, () => this.#token.get(values)?.id);
    return id === undefined ? [] : [id];
  }

  #remember(name: string, find: () => number | undefined): number | undefined {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const found = find();
    if (found === undefined) return undefined;
    if (this.#known.size >= CACHED_MAX) this.#known.clear();
    this.#known.set(name, found);
    return found;
  }
}
