/** Results of investigations: a report with what was measured for it, or a measurement of a laboratory that no report holds. */
import type { Item, Placed, Section } from './care-setting.ts';
import type { Fact } from './fact.ts';
import { things } from './matching.ts';
import { HEADING, isCoded, lineOf, ofKind, section, sortedBy, timeOf, valueText } from './sections.ts';

/** The report, or the measurement that stands alone, and then the measurements that the report holds. */
export type Result = readonly [Placed, ...Placed[]];

/** Newest first. */
export function resultsIn(facts: readonly Placed[]): readonly Result[] {
  const measured = ofKind(facts, 'observation');
  const byStream = new Map(measured.map((it) => [it.stream, it]));
  const reported = new Set<string>();
  const results = ofKind(facts, 'result').map((it): Result => {
    const members = (it.fact.refs['members'] ?? []).flatMap((ref) => byStream.get(ref) ?? []);
    for (const { stream } of members) reported.add(stream);
    return [it, ...members];
  });
  const alone = measured.filter(({ stream, fact }) => isCoded(fact.categories, LABORATORY) && !reported.has(stream)); // prettier-ignore
  const each = new Map([...results, ...alone.map((it): Result => [it])].map((it) => [it[0], it]));
  return sortedBy([...each.keys()], timeOf).map((it) => each.get(it)!);
}

/** The newest 20. */
export function resultSection(facts: readonly Placed[], title = 'Results'): Section {
  return section(HEADING.results, title, resultsIn(facts).slice(0, 20).map(resultLine));
}

/** The newest of each that is measured, but for what a laboratory measured. */
export function observationSection(facts: readonly Placed[], title = 'Examination findings'): Section {
  const measured = ofKind(facts, 'observation').filter(({ fact }) => !isCoded(fact.categories, LABORATORY));
  const items = things(measured).map(([newest]) => lineOf(newest, urgencyOf(newest)));
  return section(HEADING.observations, title, items.slice(0, 30));
}

/** Whether it says of itself that it is. */
export const isAbnormal = ({ grade = '' }: Fact): boolean => CRITICAL.has(grade) || ABNORMAL.has(grade);

/** Whether a laboratory or who performed it says so; `critical` is what must be told at once. */
export function abnormalityOf(result: Result): 'critical' | 'abnormal' | undefined {
  const said = result.map(({ fact }) => fact.grade ?? '');
  if (said.some((it) => CRITICAL.has(it))) return 'critical';
  return said.some((it) => ABNORMAL.has(it)) ? 'abnormal' : undefined;
}

const LABORATORY = new Set(['laboratory', 'imaging']);
/** https://terminology.hl7.org/CodeSystem-v3-ObservationInterpretation.html */
const CRITICAL = new Set(['AA', 'HH', 'LL']);
const ABNORMAL = new Set(['A', 'H', 'L', 'HU', 'LU', 'HX', 'LX', 'POS']);

const urgencyOf = (...result: Result) =>
  abnormalityOf(result) === undefined ? {} : { urgent: true as const };

function resultLine(result: Result): Item {
  const [shown, ...members] = result;
  const values = members.map(({ fact }) => `${fact.text} ${fact.value === undefined ? '' : valueText(fact.value)}${marked(fact.grade)}`.trim()); // prettier-ignore
  const detail = [shown.fact.note, ...values].filter((it) => it !== undefined).join('; ');
  const corrected = CORRECTED.has(shown.fact.status) ? { differs: 'corrects what was sent before' } : {};
  return lineOf(shown, { sources: result, ...(detail !== '' && { detail }), ...corrected, ...urgencyOf(...result) }); // prettier-ignore
}

const CORRECTED = new Set(['amended', 'corrected']);
const marked = (grade: string | undefined) => (grade === undefined || grade === 'N' ? '' : ` (${grade})`);
