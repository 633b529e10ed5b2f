/**
 * What each type of search parameter makes of each type of element: the table of R4, cell by cell. An element that the table
 * does not name for a parameter's type is found (`:missing` is false) but can be searched by no value.
 * https://hl7.org/fhir/R4/search.html#table
 */
import { BEGINNING_OF_TIME, dateRange, END_OF_TIME, type DateRange } from './dates.ts';
import { HIGHEST, LOWEST, nextAbove } from './decimals.ts';
import type { ElementType, Json, Walk } from './extraction.ts';
import type { IndexEntry } from './index-entries.ts';
import type { SearchParameter } from './search-parameters.ts';
import { foldToken } from './tokens.ts';

/** Where the walks of one parameter leave what they found. */
export interface Findings {
  readonly entries: IndexEntry[];
  /** Whether any value was reached, readable or not. */
  found: boolean;
}

/** The index entries of one element for a parameter. */
export function indexLeaf({ code, type, targets }: SearchParameter, element: ElementType): Walk<Findings> {
  if (type === 'reference' && element.code === 'Resource') return found(resourceLeaf(code, targets ?? []));
  const leaf = LEAVES[type]?.[element.code];
  if (leaf === undefined) return found(() => {});
  return found((value, entries) => leaf(value as never, code, entries));
}

type Leaf = (value: never, parameter: string, entries: IndexEntry[]) => void;

function found(leaf: (value: unknown, entries: IndexEntry[]) => void): Walk<Findings> {
  return (value, findings) => {
    findings.found = true;
    leaf(value, findings.entries);
  };
}

function tokenOf(parameter: string, system: unknown, code: unknown, entries: IndexEntry[]): void {
  if (typeof code !== 'string') {
    if (typeof system === 'string') entries.push({ kind: 'token', parameter, system });
  } else if (typeof system === 'string') {
    entries.push({ kind: 'token', parameter, system, code: foldToken(system, code) });
  } else entries.push({ kind: 'token', parameter, code: foldToken(undefined, code) });
}

const coding = (value: Json, parameter: string, entries: IndexEntry[]) =>
  tokenOf(parameter, value['system'], value['code'], entries);

function codeableConcept({ coding: codings }: Json, parameter: string, entries: IndexEntry[]): void {
  if (!Array.isArray(codings)) return;
  for (const it of codings) if (isObject(it)) coding(it, parameter, entries);
}

// The system of an Identifier names who gave it out; it says nothing about case.
function identifier({ system, value: number }: Json, parameter: string, entries: IndexEntry[]): void {
  if (typeof number !== 'string') tokenOf(parameter, system, number, entries);
  else tokenOf(parameter, system, foldToken(undefined, number), entries);
}

// The system of a ContactPoint says phone or email; it is no namespace.
const contactPoint = (value: Json, parameter: string, entries: IndexEntry[]) =>
  tokenOf(parameter, undefined, value['value'], entries);

// R4: "if the underlying data type is string then the search is not case sensitive".
const stringToken = (value: unknown, parameter: string, entries: IndexEntry[]) =>
  tokenOf(parameter, undefined, value, entries);

function plainToken(value: unknown, parameter: string, entries: IndexEntry[]): void {
  if (typeof value !== 'object') entries.push({ kind: 'token', parameter, code: String(value) });
}

function date(value: unknown, parameter: string, entries: IndexEntry[]): void {
  if (typeof value === 'string') dated(parameter, dateRange(value), entries);
}

function dated(parameter: string, range: DateRange | undefined, entries: IndexEntry[]): void {
  if (range !== undefined) entries.push({ kind: 'date', parameter, low: range.low, high: range.high });
}

function periodRange({ start, end }: Json): DateRange | undefined {
  const from = typeof start === 'string' ? dateRange(start) : undefined;
  const to = typeof end === 'string' ? dateRange(end) : undefined;
  if (from === undefined && to === undefined) return undefined;
  return { low: from?.low ?? BEGINNING_OF_TIME, high: to?.high ?? END_OF_TIME };
}

// Only the outer limits of a Timing matter: https://hl7.org/fhir/R4/search.html#date
function timingRange({ event, repeat }: Json): DateRange | undefined {
  let low = Infinity;
  let high = -Infinity;
  const widen = (range: DateRange | undefined) => {
    if (range === undefined) return;
    low = Math.min(low, range.low);
    high = Math.max(high, range.high);
  };
  for (const it of Array.isArray(event) ? event : [])
    widen(typeof it === 'string' ? dateRange(it) : undefined);
  const bounds = isObject(repeat) ? repeat['boundsPeriod'] : undefined;
  if (isObject(bounds)) widen(periodRange(bounds));
  return low <= high ? { low, high } : undefined;
}

function string(value: unknown, parameter: string, entries: IndexEntry[]): void {
  if (typeof value === 'string' && value !== '') entries.push({ kind: 'string', parameter, text: value });
}

function strings(value: unknown, parameter: string, entries: IndexEntry[]): void {
  if (Array.isArray(value)) for (const it of value) string(it, parameter, entries);
  else string(value, parameter, entries);
}

const parts =
  (names: readonly string[]): Leaf =>
  (value: Json, parameter, entries) => {
    for (const name of names) strings(value[name], parameter, entries);
  };

const humanName = parts(['family', 'given', 'prefix', 'suffix', 'text']);
const address = parts(['line', 'city', 'district', 'state', 'postalCode', 'country', 'text']);

function number(value: unknown, parameter: string, entries: IndexEntry[]): void {
  if (typeof value === 'number') entries.push({ kind: 'number', parameter, value });
}

function quantity(of: Json, parameter: string, entries: IndexEntry[]): void {
  const { value, comparator } = of;
  if (typeof value !== 'number') return;
  switch (comparator) {
    case '<':
      return measured(parameter, LOWEST, -nextAbove(-value), of, entries);
    case '<=':
      return measured(parameter, LOWEST, value, of, entries);
    case '>=':
      return measured(parameter, value, HIGHEST, of, entries);
    case '>':
      return measured(parameter, nextAbove(value), HIGHEST, of, entries);
    default:
      return measured(parameter, value, value, of, entries);
  }
}

function measured(
  parameter: string,
  low: number,
  high: number,
  { system, code, unit }: Json,
  entries: IndexEntry[],
): void {
  const entry: { -readonly [Key in keyof QuantityEntry]: QuantityEntry[Key] } = {
    kind: 'quantity',
    parameter,
    low,
    high,
  };
  if (typeof system === 'string') entry.system = system;
  if (typeof code === 'string') entry.code = code;
  if (typeof unit === 'string') entry.unit = unit;
  entries.push(entry);
}

type QuantityEntry = Extract<IndexEntry, { kind: 'quantity' }>;

const money = ({ value, currency }: Json, parameter: string, entries: IndexEntry[]) =>
  quantity({ value, system: 'urn:iso:std:iso:4217', code: currency }, parameter, entries);

// A limit that is missing, or has no number, leaves the range open.
function range({ low, high }: Json, parameter: string, entries: IndexEntry[]): void {
  const [from, to] = [limit(low), limit(high)];
  if (from !== undefined && to !== undefined && shareUnit(from, to))
    return measured(parameter, from.value, to.value, hasUnit(from) ? from : to, entries);
  // R4 wants one unit for both. Of limits that have two, each says where the range ends in its own.
  if (from !== undefined) measured(parameter, from.value, HIGHEST, from, entries);
  if (to !== undefined) measured(parameter, LOWEST, to.value, to, entries);
}

type Limit = Json & { readonly value: number };

const limit = (value: unknown) =>
  isObject(value) && typeof value['value'] === 'number' ? (value as Limit) : undefined;

const hasUnit = ({ system, code, unit }: Json) => (system ?? code ?? unit) !== undefined;

function shareUnit(one: Json, other: Json): boolean {
  if (!hasUnit(one) || !hasUnit(other)) return true;
  if (one['system'] !== other['system'] || one['code'] !== other['code']) return false;
  // `1 year` to `5 years`: what is written does not matter where there is a code.
  return one['code'] !== undefined || one['unit'] === other['unit'];
}

function uri(value: unknown, parameter: string, entries: IndexEntry[]): void {
  if (typeof value !== 'string') return;
  entries.push({ kind: 'uri', parameter, value });
  const bar = value.indexOf('|');
  if (bar > 0) entries.push({ kind: 'uri', parameter, value: value.slice(0, bar) });
}

function reference(value: Json, parameter: string, entries: IndexEntry[]): void {
  const { reference: target, identifier: logical } = value;
  if (typeof target === 'string' && !target.startsWith('#')) {
    const version = target.indexOf('/_history/');
    if (version > 0) entries.push({ kind: 'reference', parameter, target: target.slice(0, version) });
    entries.push({ kind: 'reference', parameter, target });
  }
  if (!isObject(logical)) return;
  const { system, value: code } = logical;
  if (typeof system === 'string' && typeof code === 'string')
    entries.push({ kind: 'identifier', parameter, system, code: foldToken(undefined, code) });
  else if (typeof code === 'string')
    entries.push({ kind: 'identifier', parameter, code: foldToken(undefined, code) });
  else if (typeof system === 'string') entries.push({ kind: 'identifier', parameter, system });
}

function canonical(target: unknown, parameter: string, entries: IndexEntry[]): void {
  if (typeof target !== 'string' || target.startsWith('#')) return;
  entries.push({ kind: 'reference', parameter, target });
  const bar = target.indexOf('|');
  if (bar > 0) entries.push({ kind: 'reference', parameter, target: target.slice(0, bar) });
}

// `Bundle.composition` and `Bundle.message` stand for the resource itself that comes first in the Bundle.
const resourceLeaf =
  (parameter: string, targets: readonly string[]) => (value: unknown, entries: IndexEntry[]) => {
    const { resourceType, id } = value as Json;
    if (typeof resourceType === 'string' && typeof id === 'string' && targets.includes(resourceType))
      entries.push({ kind: 'reference', parameter, target: `${resourceType}/${id}` });
  };

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null;

const all = (types: string, leaf: Leaf) => Object.fromEntries(types.split(' ').map((it) => [it, leaf]));

const LEAVES: Readonly<Partial<Record<SearchParameter['type'], Readonly<Record<string, Leaf>>>>> = {
  token: {
    ...all('boolean code id oid uri url uuid canonical date dateTime instant', plainToken),
    ...all('integer positiveInt unsignedInt decimal', plainToken),
    string: stringToken,
    Coding: coding,
    CodeableConcept: codeableConcept,
    Identifier: identifier,
    ContactPoint: contactPoint,
  },
  date: {
    ...all('date dateTime instant', date),
    Period: (value: Json, parameter, entries) => dated(parameter, periodRange(value), entries),
    Timing: (value: Json, parameter, entries) => dated(parameter, timingRange(value), entries),
  },
  string: { ...all('string markdown code id uri', string), HumanName: humanName, Address: address },
  number: all('decimal integer positiveInt unsignedInt', number),
  quantity: {
    ...all('Quantity SimpleQuantity Duration Age Count Distance MoneyQuantity', quantity),
    Money: money,
    Range: range,
  },
  uri: all('uri url canonical oid uuid', uri),
  reference: { Reference: reference, ...all('canonical uri url', canonical) },
};
