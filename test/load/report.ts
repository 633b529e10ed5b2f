/** The figures as Markdown, and into the README. */
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';

export type Cell =
  | { readonly kind: 'measured'; readonly figure: number; readonly floor: number }
  | { readonly kind: 'failed'; readonly why: string };

/** One request at several numbers of connections, answers a second. */
export interface RequestRow {
  readonly name: string;
  readonly cells: readonly Cell[];
}

export interface SingleRow {
  readonly name: string;
  readonly unit: string;
  readonly cell: Cell;
  /** What the floor is. */
  readonly floor: string;
}

export interface Report {
  readonly client: string;
  readonly seconds: number;
  readonly runs: number;
  readonly connections: readonly number[];
  readonly requests: readonly RequestRow[];
  readonly singles: readonly SingleRow[];
  /** Requests at 32 connections while the record grows. */
  readonly scale: { readonly sizes: readonly number[]; readonly rows: readonly RequestRow[] };
}

/** Of the cluster. */
export interface ClusterReport {
  readonly singles: readonly SingleRow[];
  readonly processors: readonly ProcessorColumn[];
}

/** Microseconds of processor for each event, by kind of process. */
export interface ProcessorColumn {
  readonly name: string;
  readonly microseconds: ReadonlyMap<string, number>;
}

/** What the runs gave; their medians count. */
export interface Runs {
  readonly figures: readonly number[];
  readonly floors: readonly number[];
}

/** Cells that are measured together. When that fails they say why, and the rest of the report stands. */
export async function cellsOf<Name extends string>(
  names: readonly Name[],
  measure: () => Promise<Readonly<Record<Name, Runs>>>,
): Promise<Readonly<Record<Name, Cell>>> {
  const cells = (cell: (name: Name) => Cell) =>
    Object.fromEntries(names.map((name) => [name, cell(name)])) as Record<Name, Cell>;
  try {
    const measured = await measure();
    return cells((name) => {
      const { figures, floors } = measured[name];
      return { kind: 'measured', figure: median(figures), floor: median(floors) };
    });
  } catch (fault) {
    const why = fault instanceof Error ? fault.message : String(fault);
    return cells(() => ({ kind: 'failed', why }));
  }
}

/** One cell by itself. */
export async function cellOf(measure: () => Promise<Runs>): Promise<Cell> {
  return (await cellsOf(['cell'], async () => ({ cell: await measure() }))).cell;
}

/** The smallest of these that so large a share of them does not exceed; `Infinity` of none. */
export function percentile(figures: readonly number[], share: number): number {
  return figures.toSorted((a, b) => a - b)[Math.ceil(figures.length * share) - 1] ?? Infinity;
}

function median(figures: readonly number[]): number {
  const sorted = figures.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Of each row that could not be measured, why. */
export function failures(requests: readonly RequestRow[], singles: readonly SingleRow[]): string[] {
  return [
    ...requests.flatMap((row) => row.cells.map((cell) => ({ name: row.name, cell }))),
    ...singles,
  ].flatMap(({ name, cell }) => (cell.kind === 'failed' ? [`${name}: ${cell.why}`] : []));
}

export function markdown(report: Report): string {
  const { client, seconds, runs, connections, requests, singles, scale } = report;
  const each = runs === 1 ? `one run of ${seconds} s` : `medians of ${runs} runs of ${seconds} s`;
  return [
    `${measuredHere(client)}, ${each}.`,
    '',
    table(
      ['answers a second', ...connections.map((count) => `${count} connection${count === 1 ? '' : 's'}`)],
      requests.map(requestTexts),
    ),
    '',
    'Each figure stands beside its floor: a bare `node:http` server that answers a GET with the same bytes, and a POST with the same bytes after `JSON.parse`.',
    '',
    'While the record grows, at 32 connections; each person of the crowd has ten Observations:',
    '',
    table(
      ['answers a second', ...scale.sizes.map((people) => `${number(people)} people`)],
      scale.rows.map(requestTexts),
    ),
    '',
    singlesTable(singles),
  ].join('\n');
}

export function clusterMarkdown(client: string, { singles, processors }: ClusterReport): string {
  const kinds = [...new Set(processors.flatMap(({ microseconds }) => [...microseconds.keys()]))];
  const sum = (of: ReadonlyMap<string, number>) => [...of.values()].reduce((a, b) => a + b, 0);
  const row = (name: string, of: (column: ProcessorColumn) => number) => [name, ...processors.map((column) => number(of(column)))]; // prettier-ignore
  return [
    `${measuredHere(client)}, all processes on the same cores.`,
    '',
    singlesTable(singles),
    '',
    'What an event takes of the processors, by process, until it is in every view:',
    '',
    table(
      ['µs for each event', ...processors.map(({ name }) => name)],
      [
        ...kinds.map((kind) => row(kind, ({ microseconds }) => microseconds.get(kind) ?? 0)),
        row('together', ({ microseconds }) => sum(microseconds)),
      ],
    ),
  ].join('\n');
}

function measuredHere(client: string): string {
  const machine = `${availableParallelism()} × ${cpus()[0]?.model.trim() ?? process.arch}, ${Math.round(totalmem() / 2 ** 30)} GiB`;
  return `Measured on ${new Date().toISOString().slice(0, 10)}: ${machine}, ${process.platform}, Node ${process.versions.node}, ${client} on the same cores`;
}

function singlesTable(singles: readonly SingleRow[]): string {
  return table(
    ['', 'Carelog', 'floor', 'ratio', 'the floor is'],
    singles.map(({ name, unit, cell, floor }) => [name, ...singleTexts(cell, unit), floor]),
  );
}

function requestTexts({ name, cells }: RequestRow): string[] {
  return [name, ...cells.map((cell) => requestText(cell))];
}

function requestText(cell: Cell): string {
  if (cell.kind === 'failed') return 'failed';
  return `**${number(cell.figure)}** of ${number(cell.floor)} (${ratio(cell)})`;
}

function singleTexts(cell: Cell, unit: string): string[] {
  if (cell.kind === 'failed') return ['failed', '', ''];
  const text = (value: number) => `${number(value)} ${unit}`;
  return [`**${text(cell.figure)}**`, text(cell.floor), ratio(cell)];
}

/** None to what took less than the clock can tell. */
function ratio({ figure, floor }: { readonly figure: number; readonly floor: number }): string {
  return floor === 0 ? '–' : (figure / floor).toFixed(2);
}

/** Three digits that mean something. */
function number(value: number): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString('en-GB', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, head.map((_, index) => (index === 0 ? '---' : '--:')), ...rows];
  return all.map((row) => `| ${row.join(' | ')} |`).join('\n');
}

/** Puts the text between the markers of the page that are called so. Throws where they are missing. */
export function putIntoPage(path: string, text: string, name = 'bench'): void {
  const [first, last] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
  const page = readFileSync(path, 'utf8');
  const begin = page.indexOf(first);
  const end = page.indexOf(last);
  if (begin < 0 || end < begin) throw new Error(`${path} has no ${first} … ${last}.`);
  writeFileSync(path, `${page.slice(0, begin + first.length)}\n\n${text}\n\n${page.slice(end)}`);
}
