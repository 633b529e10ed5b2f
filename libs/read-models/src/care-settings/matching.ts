/**
 * When two sources speak of the same thing: the same allergy, medicine, problem or vaccination of one person. What could be
 * different is never joined; a line too many is read, a line too few is not. The rule in words: docs/reference/care-settings.md
 */
import type { Placed } from './care-setting.ts';
import type { Code, Fact, Kind } from './fact.ts';
import { isTooBroad, namesNothing } from './broad-codes.ts';
import { formsIn, normalised, sidesIn, strengthsIn } from './names.ts';
import { isCoded, sortedBy, timeOf } from './sections.ts';

/** Everybody who tells of one thing, the newest word first. */
export type Told = readonly [Placed, ...Placed[]];

/**
 * The facts by what they tell of; each fact, and each version of it, once. Any two of a group are the same thing. The same
 * facts in any order give the same groups in the same order: newest first.
 */
export function things(facts: readonly Placed[]): readonly Told[] {
  const once = [...new Map(facts.map((it) => [it.stream, it])).values()];
  const groups = Map.groupBy(sortedBy(once, saidAt), identityOf).values();
  return [...groups].flatMap(([first, ...others]) => apartWhereTheyDiffer([first!, ...others]));
}

/**
 * Whether the two are called the same and nothing said of both of them differs. Reflexive and symmetric, not transitive:
 * what says nothing of its route is like one by mouth and like one into a vein, which are not like each other.
 */
export function isSameThing(a: Placed, b: Placed): boolean {
  if (identityOf(a) !== identityOf(b) || isApart(a, b) || isApart(b, a)) return false;
  const [of, and] = [namesOf(a.fact).marks, namesOf(b.fact).marks];
  return of.every((mark, at) => mark === '' || and[at] === '' || mark === and[at]);
}

/** Latest word first, whatever it is of; the same order for the same facts, however they came. */
export function newestWordFirst(a: Placed, b: Placed): number {
  return saidAt(b) - saidAt(a) || (a.stream < b.stream ? -1 : a.stream > b.stream ? 1 : 0);
}

/** Milliseconds UTC: when its source wrote it. */
export function saidAt(placed: Placed): number {
  const said = Date.parse(placed.fact.issued ?? '');
  return Number.isNaN(said) ? timeOf(placed) : said;
}

/** `status: active (RX1), resolved (RX2)` where sources say different words; those who say nothing do not disagree. */
export function differing(
  what: string,
  sources: readonly Placed[],
  said: (source: Placed) => string | undefined,
): string | undefined {
  const words = Map.groupBy(
    sources.filter((it) => (said(it) ?? '') !== ''),
    (it) => said(it)!,
  );
  if (words.size < 2) return undefined;
  const each = [...words].map(([word, by]) => `${word} (${[...new Set(by.map((it) => it.source.organisation))].join(', ')})`); // prettier-ignore
  return `${what}: ${each.join(', ')}`;
}

/** What a fact is called, whoever calls it so: its codes, else its words; else nothing that another could be called too. */
const identityOf = ({ stream, fact }: Placed): string => namesOf(fact).identity ?? called(fact, stream);

/** What there is to compare of a fact. */
interface Names {
  readonly identity: string | undefined;
  /** What must not differ between two that are called the same; empty where nothing is said. */
  readonly marks: readonly string[];
}

/** Facts never change: what is read out of one is read once, however many sections of a page ask. */
const READ = new WeakMap<Fact, Names>();

function namesOf(fact: Fact): Names {
  const read = READ.get(fact) ?? { identity: calledBy(fact), marks: marksIn(fact) };
  READ.set(fact, read);
  return read;
}

function calledBy(fact: Fact): string | undefined {
  const name =
    codeOf(fact.codes) ?? wordsOf(fact) ?? fact.refs['medication']?.find((it) => !it.startsWith('#'));
  return name === undefined ? undefined : called(fact, name);
}

const called = (fact: Fact, name: string) => [subjectMatterOf(fact), name, ...occasionOf(fact)].join(' ');

function wordsOf(fact: Fact): string | undefined {
  const words = namesNothing(fact) ? '' : normalised(fact.text);
  return words === '' ? undefined : `"${words}"`;
}

/** What is dispensed is a medicine. */
const subjectMatterOf = ({ kind }: Fact): Kind => (kind === 'dispensing' ? 'medicine' : kind);

/**
 * All codes of the system that decides: SNOMED CT (dm+d in it) where there is one, else the first by name. Codes of other
 * systems are translations; codes that are too broad do not count. Undefined where no code says what it is.
 */
function codeOf(codes: readonly Code[]): string | undefined {
  const telling = codes.filter(({ code }) => !isTooBroad(code));
  if (telling.length === 0) return undefined;
  const system = telling.map(systemOf).reduce((a, b) => (a === SNOMED || (b !== SNOMED && a < b) ? a : b));
  const ofIt = telling.filter((it) => systemOf(it) === system).map(({ code }) => code);
  return `${system}|${ofIt.length === 1 ? ofIt[0] : [...new Set(ofIt)].toSorted().join('+')}`;
}

const systemOf = ({ system = '' }: Code): string => (system === DMD ? SNOMED : system);
const SNOMED = 'http://snomed.info/sct';
const DMD = 'https://dmd.nhs.uk';

/** Of what happens once and may happen again: a vaccination is that of its day, an episode of illness the one that began then. */
function occasionOf({ kind, status, categories, from = '' }: Placed['fact']): readonly string[] {
  if (kind === 'immunisation') return [status === 'not-done' ? 'not done' : 'done', from.slice(0, 10)];
  if (kind !== 'problem') return [];
  return isCoded(categories, LASTING) ? ['lasting'] : ['episode', from.slice(0, 10)];
}

/** Of the problem list, where a problem has one line. https://hl7.org/fhir/R4/valueset-condition-category.html */
const LASTING = new Set(['problem-list-item']);

function marksIn(fact: Fact): readonly string[] {
  if (fact.kind === 'problem') return [placesOf(fact), spanOf(fact), sidesIn(fact.text)];
  if (subjectMatterOf(fact) !== 'medicine') return [];
  return [placesOf(fact), strengthsIn(fact.text), formsIn(fact.text)];
}

/** Routes of a medicine, sites of a problem. */
function placesOf({ parts = [] }: Fact): string {
  const places = parts.flatMap(({ codes, text }) => codeOf(codes) ?? (normalised(text) || []));
  return [...new Set(places)].toSorted().join(',');
}

/** Empty while it lasts: since when, sources seldom agree on. What ended had its time. */
const spanOf = ({ from = '', to }: Placed['fact']) =>
  to === undefined ? '' : `${from.slice(0, 10)}–${to.slice(0, 10)}`;

/** A problem that was over before the other began. */
function isApart({ fact: { kind, from: began, to } }: Placed, { fact: { from } }: Placed): boolean {
  if (kind !== 'problem' || to === undefined || from === undefined) return false;
  // What ended before it began tells nothing by it.
  return isBefore(to, from) && !(began !== undefined && isBefore(to, began));
}

/** As far as the less precise of the two dates tells. */
function isBefore(a: string, b: string): boolean {
  const precision = Math.min(a.length, b.length, 10);
  return a.slice(0, precision) < b.slice(0, precision);
}

/** One group where nothing that is said differs; else those together that say the very same. */
function apartWhereTheyDiffer(told: Told): readonly Told[] {
  if (told.length === 1) return [told];
  const marked = told.map(({ fact }) => namesOf(fact).marks);
  const isAlike = marked[0]!.every((_, at) => new Set(marked.flatMap((it) => it[at] || [])).size <= 1);
  const areApart = () => told[0].fact.kind === 'problem' && told.some((a) => told.some((b) => isApart(a, b)));
  if (isAlike && !areApart()) return [told];
  const groups = Map.groupBy(told, ({ fact }) => JSON.stringify(namesOf(fact).marks)).values();
  return [...groups].map(([first, ...others]): Told => [first!, ...others]);
}
