/**
 * An indicator as a Measure, and what it comes to as a MeasureReport, with small numbers taken out of it.
 * https://hl7.org/fhir/R4/measure.html https://hl7.org/fhir/R4/measurereport.html
 */
import type { CaseGroup, Indicator } from '@carelog/read-models';

export const measureCanonical = (name: string): string => `https://fhir.carelog.example/Measure/${name}`;

/** For whom, and for which time; milliseconds UTC, `until` exclusive. */
export interface Counted {
  readonly groups: readonly CaseGroup[];
  readonly from: number;
  readonly until: number;
  readonly now: number;
  /** `Organization/id` or ODS code: what it is responsible for, and what is of people registered with it. */
  readonly reporter?: string;
}

export function measureOf(indicator: Indicator): object {
  const { name, title, description, denominator, numerator, exclusions, improves, source } = indicator;
  const populations = [
    ['initial-population', denominator],
    ['denominator', denominator],
    ['denominator-exclusion', exclusions],
    ['numerator', numerator],
  ] as const;
  return {
    resourceType: 'Measure',
    id: name,
    url: measureCanonical(name),
    title,
    status: 'active',
    description,
    relatedArtifact: [{ type: 'citation', url: source }],
    scoring: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/measure-scoring', code: 'proportion' }] }, // prettier-ignore
    improvementNotation: improvement(improves),
    group: [
      {
        population: populations.map(([code, words]) => ({
          code: populationCode(code),
          description: words,
          criteria: { language: 'text/plain', expression: words },
        })),
        stratifier: Object.keys(STRATA).map((it) => ({ code: { text: it }, criteria: { language: 'text/plain', expression: it } })), // prettier-ignore
      },
    ],
  };
}

export function reportOf(indicator: Indicator, counted: Counted): object {
  const { from, until, now, reporter } = counted;
  const groups = counted.groups.filter(({ owner, practice }) => reporter === undefined || owner === reporter || practice === reporter); // prettier-ignore
  const bands = new Date(until - 1).getUTCFullYear();
  return {
    resourceType: 'MeasureReport',
    status: 'complete',
    type: 'summary',
    measure: measureCanonical(indicator.name),
    date: new Date(now).toISOString(),
    ...(reporter !== undefined && { reporter: organisation(reporter) }),
    period: { start: day(from), end: day(until - 1) },
    improvementNotation: improvement(indicator.improves),
    group: [
      {
        ...numbersOf(groups),
        stratifier: Object.entries(STRATA).map(([name, valueOf]) => {
          const strata = Map.groupBy(groups, (it) => valueOf(it, bands));
          const stratum = [...strata].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([text, some]) => ({ value: { text }, ...numbersOf(some) })); // prettier-ignore
          return { code: [{ text: name }], ...(stratum.length > 0 && { stratum }) };
        }),
      },
    ],
  };
}

const UNKNOWN = 'not known';

/** By what it is told apart; `year`: the last of the period. */
const STRATA: Readonly<Record<string, (group: CaseGroup, year: number) => string>> = {
  organisation: ({ owner }) => (owner === '' ? UNKNOWN : owner),
  practice: ({ practice }) => practice ?? UNKNOWN,
  sex: ({ sex }) => sex ?? UNKNOWN,
  age: ({ bornIn }, year) => (bornIn === undefined ? UNKNOWN : ageBand(year - Number(bornIn))),
};

const ageBand = (age: number): string => BANDS.find(([below]) => age < below)![1];
const BANDS: readonly (readonly [below: number, name: string])[] = [
  [18, '0 to 17'],
  [65, '18 to 64'],
  [80, '65 to 79'],
  [Infinity, '80 and over'],
];

/** The score is made of the numbers that are shown, so that it tells no more than they do. */
function numbersOf(groups: readonly CaseGroup[]): object {
  const sum = (is: (group: CaseGroup) => boolean) => groups.reduce((all, it) => all + (is(it) ? it.count : 0), 0); // prettier-ignore
  const all = sum(() => true);
  const left = sum(isLeftOut);
  const met = sum((it) => it.state === 'met' && !isLeftOut(it));
  const [numerator, eligible] = [disclosed(met), disclosed(all - left)];
  const score = numerator === undefined || eligible === undefined || eligible === 0 ? undefined : Math.round((100 * numerator) / eligible); // prettier-ignore
  const counts = [
    ['initial-population', all],
    ['denominator', all],
    ['denominator-exclusion', left],
    ['numerator', met],
  ] as const;
  return {
    population: counts.map(([code, count]) => ({ code: populationCode(code), ...shown(count) })),
    ...(score !== undefined && { measureScore: { value: score, unit: '%', system: 'http://unitsofmeasure.org', code: '%' } }), // prettier-ignore
  };
}

/** What is excluded, and what is not over yet: to count only those who were quick would tell too well of a period. */
const isLeftOut = ({ state, isOpen }: CaseGroup) => state === 'excluded' || isOpen;

/**
 * The rule for Hospital Episode Statistics below the level of the nation: 1 to 7 is not shown, anything else to the nearest 5.
 * https://digital.nhs.uk/data-and-information/data-tools-and-services/data-services/hospital-episode-statistics/change-to-disclosure-control-methodology-for-hes-and-ecds-from-september-2018
 */
export function disclosed(count: number): number | undefined {
  return count >= 1 && count <= SMALL_MAX ? undefined : Math.round(count / ROUNDED_TO) * ROUNDED_TO;
}
const SMALL_MAX = 7;
const ROUNDED_TO = 5;

const MASKED = { url: 'http://hl7.org/fhir/StructureDefinition/data-absent-reason', valueCode: 'masked' };

function shown(count: number): object {
  const told = disclosed(count);
  return told === undefined ? { _count: { extension: [MASKED] } } : { count: told };
}

const populationCode = (code: string) => ({ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/measure-population', code }] }); // prettier-ignore
const improvement = (code: string) => ({ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/measure-improvement-notation', code }] }); // prettier-ignore

const organisation = (reporter: string) =>
  reporter.includes('/') ? { reference: reporter } : { type: 'Organization', identifier: { system: 'https://fhir.nhs.uk/Id/ods-organization-code', value: reporter } }; // prettier-ignore

const day = (at: number) => new Date(at).toISOString().slice(0, 10);
