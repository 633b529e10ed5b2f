/** What a resource is found by, as rows of the index. */
import { normaliseString, type IndexEntry } from '@carelog/fhir';
import type { SQLInputValue } from 'node:sqlite';
import { accessRows } from './access-facts.ts';
import type { Interning } from './interning.ts';
import type { ResourceIndex } from './record-projection.ts';
import { isByPatient, isStored } from './stored-parameters.ts';
import { EDGE, ROLE, type IndexTable } from './tables.ts';

export interface IndexRow {
  readonly table: IndexTable;
  readonly values: readonly SQLInputValue[];
}

export interface Indexed {
  readonly type: string;
  readonly stream: string;
  readonly key: number;
  /** The patient whose partition it lies in, 0 for none. */
  readonly owner: number;
  readonly index: ResourceIndex;
}

/** The rows of one version, in no particular order; a row may come twice. */
export function indexRows(resource: Indexed, intern: Interning): IndexRow[] {
  const { key, index } = resource;
  const rows: IndexRow[] = [];
  const type = intern.type(resource.type);
  const roles = rolesOf(resource, intern);
  for (const [patient, role] of roles)
    rows.push({ table: 'compartment', values: [patient, type, key, role] });
  const edges = edgesOf(index.entries);
  for (const entry of index.entries) {
    if (!isStored(resource.type, entry.parameter)) continue;
    addRows(entry, { key, type, roles, edges, intern, rows });
  }
  for (const name of index.targets) {
    const target = intern.target(name);
    for (const patient of roles.keys())
      rows.push({ table: 'patient_target', values: [patient, target, key] });
  }
  rows.push(...accessRows(index.access, resource.stream, key, intern));
  return rows;
}

interface Adding {
  readonly key: number;
  readonly type: number;
  readonly roles: ReadonlyMap<number, number>;
  readonly edges: Edges;
  readonly intern: Interning;
  readonly rows: IndexRow[];
}

function addRows(entry: IndexEntry, { key, type, roles, edges, intern, rows }: Adding): void {
  const parameter = intern.parameter(type, entry.parameter);
  switch (entry.kind) {
    case 'token': {
      const { system = '', code } = entry;
      const value = intern.token(code ?? '', system);
      rows.push({ table: 'token', values: [parameter, value, key] });
      if (!isByPatient(entry.parameter)) return;
      for (const [patient, role] of roles)
        rows.push({ table: 'patient_token', values: [patient, parameter, value, key, role] });
      return;
    }
    case 'identifier': {
      const { system = '', code = '' } = entry;
      const carried = intern.parameter(type, `${entry.parameter}:identifier`);
      rows.push({ table: 'token', values: [carried, intern.token(code, system), key] });
      return;
    }
    case 'reference':
      rows.push({ table: 'reference', values: [parameter, intern.target(entry.target), key] });
      return;
    case 'uri':
      rows.push({ table: 'reference', values: [parameter, intern.target(entry.value), key] });
      return;
    case 'date': {
      const { low, high } = entry;
      rows.push({ table: 'date', values: [parameter, high, low, key] });
      const edge = edgeOf(edges.get(entry.parameter), entry);
      for (const [patient, role] of roles)
        rows.push({ table: 'patient_date', values: [patient, parameter, low, key, high, role, edge] });
      return;
    }
    case 'string': {
      const value = normaliseString(entry.text);
      const exact = value === entry.text ? '' : entry.text;
      rows.push({ table: 'string', values: [parameter, value, key, exact] });
      return;
    }
    case 'number':
      rows.push({ table: 'number', values: [parameter, entry.value, key] });
      return;
    case 'quantity': {
      const unit = intern.unit(entry.system ?? '', entry.code ?? '', entry.unit ?? '');
      const { low, high } = entry;
      if (low === high) rows.push({ table: 'quantity', values: [parameter, unit, low, key] });
      else rows.push({ table: 'quantity_range', values: [parameter, unit, high, low, key] });
    }
  }
}

function rolesOf({ owner, index }: Indexed, intern: Interning): Map<number, number> {
  const roles = new Map<number, number>(owner === 0 ? [] : [[owner, ROLE.owned]]);
  for (const [name, role] of index.patients) {
    const patient = intern.target(name);
    roles.set(patient, Math.max(role, roles.get(patient) ?? 0));
  }
  return roles;
}

type DateEntry = IndexEntry & { kind: 'date' };
interface Edge {
  readonly first: DateEntry;
  readonly last: DateEntry;
}
type Edges = ReadonlyMap<string, Edge>;

// The dates by which a resource is sorted: that which begins first going up, that which begins last going down.
function edgesOf(entries: readonly IndexEntry[]): Edges {
  const edges = new Map<string, Edge>();
  for (const entry of entries) {
    if (entry.kind !== 'date') continue;
    const { first, last } = edges.get(entry.parameter) ?? { first: entry, last: entry };
    edges.set(entry.parameter, {
      first: entry.low < first.low ? entry : first,
      last: entry.low > last.low ? entry : last,
    });
  }
  return edges;
}

function edgeOf(edge: Edge | undefined, entry: DateEntry): number {
  return (edge?.first === entry ? EDGE.first : 0) + (edge?.last === entry ? EDGE.last : 0);
}
