/** The record's numbers for the names in a question. A name without a number is in no row. */
import {
  searchParametersOf,
  subjectParametersOf,
  type DateComparison,
  type NumberComparison,
  type SearchCondition,
  type SearchQuery,
  type TokenValue,
} from '@carelog/fhir';
import { sql } from 'kysely';
import { numbersJoined } from './dialect.ts';
import type { Database } from './database.ts';
import type { Audience } from './audience.ts';
import { isPatient } from './record-projection.ts';
import { nameOf } from './postgres/texts.ts';
import { given, record, Statement, written } from './statement.ts';
import { isByPatient, storedUnder } from './stored-parameters.ts';
import { UnitRanges, type UnitComparison } from './unit-ranges.ts';

/** A search whose names were exchanged for the record's numbers. Every list holds at least one. */
export interface NumberedSearch {
  readonly typeName: string;
  readonly type: number;
  readonly conditions: readonly NumberedCondition[];
  /** The conditions as they came. */
  readonly asked: readonly SearchCondition[];
  /** For whom only what they may see matches; undefined where that is everything. */
  readonly audience?: Audience;
  /** What the scopes of the audience ask, any one of which is enough. */
  readonly limits?: readonly NumberedLimit[];
}

export interface NumberedLimit {
  readonly patient?: number;
  readonly conditions: readonly NumberedCondition[];
}

/** `parameters`: all those that the values are kept under. `asked`: what the condition was, for a look into the body. */
export type NumberedCondition = { readonly asked: SearchCondition } & (
  | { readonly kind: 'streams'; readonly streams: readonly string[] }
  | { readonly kind: 'updated'; readonly comparisons: readonly DateComparison[] }
  /** `by-patient`: each value has rows by patient too; `few`: a value names few resources, whoever they belong to. */
  | {
      readonly kind: 'token';
      readonly parameters: readonly number[];
      readonly values: readonly number[];
      readonly rows: 'by-patient' | 'few' | 'many';
      readonly not: boolean;
    }
  /** Codes of these systems, whatever they are, or one of the values; either list may be empty. */
  | {
      readonly kind: 'token-system';
      readonly parameters: readonly number[];
      readonly values: readonly number[];
      readonly systems: readonly string[];
      readonly not: boolean;
    }
  /** `patients` by their compartment, `targets` by reference; one of the lists may be empty. */
  | {
      readonly kind: 'reference';
      readonly parameters: readonly number[];
      readonly patients: readonly number[];
      readonly targets: readonly number[];
    }
  /** In this patient's compartment, because the subject (`bySubject`) or a reference by one of the parameters says so. */
  | {
      readonly kind: 'compartment';
      readonly patient: number;
      readonly bySubject: boolean;
      readonly parameters: readonly number[];
    }
  | {
      readonly kind: 'date';
      readonly parameters: readonly number[];
      readonly comparisons: readonly DateComparison[];
    }
  | {
      readonly kind: 'string';
      readonly parameters: readonly number[];
      readonly match: 'prefix' | 'exact' | 'contains';
      readonly values: readonly string[];
    }
  | {
      readonly kind: 'number';
      readonly parameters: readonly number[];
      readonly comparisons: readonly NumberComparison[];
    }
  | {
      readonly kind: 'quantity';
      readonly parameters: readonly number[];
      readonly comparisons: readonly UnitComparison[];
    }
  | { readonly kind: 'missing'; readonly bit: number; readonly missing: boolean }
  | { readonly kind: 'token-text' }
);

const CACHED_MAX = 20_000;

export class Numbers {
  /** As names are stored. */
  readonly #named: (name: string) => string;
  readonly #type: Statement<{ id: number }>;
  readonly #parameter: Statement<{ id: number }>;
  readonly #target: Statement<{ id: number }>;
  readonly #token: Statement<{ id: number }>;
  readonly #tokens: Statement<{ id: number }>;
  readonly #units: UnitRanges;
  readonly #name: Statement<{ name: string }>;
  readonly #more: Statement<{ patient: number }>;
  readonly #known = new Map<string, number>();
  readonly #patientIds = new Map<number, string>();
  #generation = '';

  constructor(db: Database) {
    this.#named = db.engine === 'postgres' ? nameOf : (name) => name;
    const parameter = record.selectFrom('parameter').select('id').where('type', '=', given('type'));
    const token = record.selectFrom('token_value').select('id').where('code', '=', given('code'));
    this.#type = new Statement(db, record.selectFrom('type').select('id').where('name', '=', given('name')));
    this.#parameter = new Statement(db, parameter.where('code', '=', given('code')));
    this.#target = new Statement(
      db,
      record.selectFrom('target').select('id').where('name', '=', given('name')),
    );
    this.#more = new Statement(
      db,
      written(
        sql`select distinct patient from more_patient m where m.position in ${numbersJoined(given('positions'))}`,
      ),
    );
    this.#name = new Statement(db, record.selectFrom('target').select('name').where('id', '=', given('id')));
    this.#token = new Statement(db, token.where('system', '=', given('system')));
    this.#tokens = new Statement(db, token);
    this.#units = new UnitRanges(db);
  }

  /** Numbers are given anew when the record is emptied or replaced: what was known then is forgotten. */
  ofGeneration(generation: string): void {
    if (generation === this.#generation) return;
    this.#generation = generation;
    this.#known.clear();
    this.#patientIds.clear();
    this.#units.forget();
  }

  type(name: string): number | undefined {
    return this.#remember(`type ${name}`, () => this.#type.get({ name })?.id);
  }

  /** A patient's number is that of its `Patient/id`. */
  target(name: string): number | undefined {
    return this.#remember(`target ${name}`, () => this.#target.get({ name: this.#named(name) })?.id);
  }

  /** The id of the Patient that has this number; none for 0. */
  patientId(number: number): string | undefined {
    const known = this.#patientIds.get(number);
    if (known !== undefined) return known;
    const id = this.#name.get({ id: number })?.name.slice('Patient/'.length);
    if (id === undefined) return undefined;
    if (this.#patientIds.size >= CACHED_MAX) this.#patientIds.clear();
    this.#patientIds.set(number, id);
    return id;
  }

  /** The other patients of the versions at these positions, which commas join. */
  morePatients(positions: string): number[] {
    return this.#more.all({ positions }).map(({ patient }) => patient);
  }

  /** The numbers that this parameter's values are kept under. */
  parameters(typeName: string, code: string, suffix = ''): number[] {
    const type = this.type(typeName);
    if (type === undefined) return [];
    return storedUnder(typeName, code).flatMap((stored) => {
      const name = `${stored}${suffix}`;
      return (
        this.#remember(`parameter ${type} ${name}`, () => this.#parameter.get({ type, code: name })?.id) ?? []
      );
    });
  }

  /** Undefined where nothing can match, because a name that the search needs is in no row. */
  search(query: SearchQuery, audience: Audience | undefined): NumberedSearch | undefined {
    const type = this.type(query.type);
    const conditions = this.#conditions(query.type, query.conditions);
    if (type === undefined || conditions === undefined) return undefined;
    const search = { typeName: query.type, type, conditions, asked: query.conditions };
    if (audience === undefined) return search;
    const limits = audience.limits(query.type)?.flatMap((limit) => {
      const conditions = this.#conditions(query.type, limit.conditions);
      return conditions === undefined ? [] : [{ ...limit, conditions }];
    });
    if (limits?.length === 0) return undefined;
    return { ...search, audience, ...(limits !== undefined && { limits }) };
  }

  #conditions(typeName: string, asked: readonly SearchCondition[]): NumberedCondition[] | undefined {
    const numbered = asked.map((condition) => this.#condition(typeName, condition));
    if (numbered.includes('nothing')) return undefined;
    return numbered.filter((it) => typeof it !== 'string');
  }

  #condition(typeName: string, asked: SearchCondition): NumberedCondition | 'nothing' | 'everything' {
    switch (asked.kind) {
      case 'id':
        return { asked, kind: 'streams', streams: asked.values.map((id) => `${typeName}/${id}`) };
      case 'last-updated':
        return { asked, kind: 'updated', comparisons: asked.values };
      case 'token':
        return this.#tokenCondition(typeName, asked, asked.values);
      case 'identifier':
        return this.#tokenCondition(typeName, asked, asked.values);
      case 'reference':
        return this.#reference(typeName, asked);
      case 'compartment':
        return this.#compartment(typeName, asked);
      case 'uri': {
        const parameters = this.parameters(typeName, asked.parameter);
        const targets = asked.values.flatMap((value) => this.target(value) ?? []);
        if (parameters.length === 0 || targets.length === 0) return 'nothing';
        return { asked, kind: 'reference', parameters, patients: [], targets };
      }
      case 'missing': {
        const bit = searchParametersOf(typeName).findIndex((it) => it.code === asked.parameter);
        return { asked, kind: 'missing', bit, missing: asked.missing };
      }
      case 'token-text':
        return { asked, kind: 'token-text' };
      default:
        return this.#valueCondition(typeName, asked);
    }
  }

  #valueCondition(
    typeName: string,
    asked: SearchCondition & { kind: 'date' | 'string' | 'number' | 'quantity' },
  ): NumberedCondition | 'nothing' {
    const parameters = this.parameters(typeName, asked.parameter);
    if (parameters.length === 0) return 'nothing';
    switch (asked.kind) {
      case 'date':
        return { asked, kind: 'date', parameters, comparisons: asked.values };
      case 'string':
        return { asked, kind: 'string', parameters, match: asked.match, values: asked.values };
      case 'number':
        return { asked, kind: 'number', parameters, comparisons: asked.values };
      case 'quantity': {
        const comparisons = asked.values.flatMap((value) => this.#units.of(value));
        return comparisons.length === 0 ? 'nothing' : { asked, kind: 'quantity', parameters, comparisons };
      }
    }
  }

  #tokenCondition(
    typeName: string,
    asked: SearchCondition & { kind: 'token' | 'identifier' },
    asks: readonly TokenValue[],
  ): NumberedCondition | 'nothing' | 'everything' {
    const { parameter: code } = asked;
    const not = asked.kind === 'token' && asked.not === true;
    const parameters = this.parameters(typeName, code, asked.kind === 'identifier' ? ':identifier' : '');
    const values = [...new Set(asks.flatMap((value) => this.#tokenValues(value)))];
    const systems = asks.flatMap(({ system, code }) => (code === undefined ? (system ?? []) : []));
    if (parameters.length === 0 || values.length + systems.length === 0)
      return not ? 'everything' : 'nothing';
    if (systems.length > 0) return { asked, kind: 'token-system', parameters, values, systems, not };
    const isIdentifier = asked.kind === 'identifier' || code === 'identifier';
    const rows = isIdentifier ? 'few' : isByPatient(code) ? 'by-patient' : 'many';
    return { asked, kind: 'token', parameters, values, rows, not };
  }

  #reference(
    typeName: string,
    asked: SearchCondition & { kind: 'reference' },
  ): NumberedCondition | 'nothing' {
    const patients: number[] = [];
    const targets: number[] = [];
    const asksSubject = subjectParametersOf(typeName).includes(asked.parameter);
    for (const { target } of asked.values) {
      const number = this.target(target);
      if (number !== undefined) (asksSubject && isPatient(target) ? patients : targets).push(number);
    }
    const parameters = this.parameters(typeName, asked.parameter);
    // No row of `reference` bears a parameter that was never interned.
    const others = parameters.length === 0 ? [] : targets;
    if (patients.length === 0 && others.length === 0) return 'nothing';
    return { asked, kind: 'reference', parameters, patients, targets: others };
  }

  #compartment(
    typeName: string,
    asked: SearchCondition & { kind: 'compartment' },
  ): NumberedCondition | 'nothing' {
    const of = this.target(asked.of);
    if (of === undefined) return 'nothing';
    const parameters = asked.parameters.flatMap((code) => this.parameters(typeName, code));
    if (isPatient(asked.of)) {
      const subjects = subjectParametersOf(typeName);
      const bySubject = asked.parameters.some((code) => subjects.includes(code)) || typeName === 'Patient';
      return { asked, kind: 'compartment', patient: of, bySubject, parameters };
    }
    if (parameters.length === 0) return 'nothing';
    return { asked, kind: 'reference', parameters, patients: [], targets: [of] };
  }

  #tokenValues({ system, code }: TokenValue): number[] {
    if (code === undefined) return [];
    if (system === undefined) return this.#tokens.all({ code: this.#named(code) }).map((it) => it.id);
    const values = { code: this.#named(code), system: this.#named(system ?? '') };
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
