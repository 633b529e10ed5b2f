/**
 * A population that does not exist, of a health and care system that does not exist: seeded, so that the same seed gives
 * the same bytes, and person n is the same however many are asked for.
 */
import type { Area, Provider } from './area.ts';
import type { LongTermCondition } from './codes.ts';
import type { Household, Resident } from './household.ts';
import type { Home } from './registration.ts';
import type { TransactionBundle } from './resource.ts';
import { DAY, HOUR, YEAR } from './calendar.ts';
import { buildArea } from './area.ts';
import { buildHousehold } from './household.ts';
import { careAtHome, protectChild } from './social-care.ts';
import { careForMind } from './mental-health.ts';
import { Chart } from './chart.ts';
import type { Person } from './chart.ts';
import { LONG_TERM } from './codes.ts';
import { Random } from './random.ts';
import { attendPractice, register } from './general-practice.ts';
import { correctResult, moveHouse, registerTwice, retractObservation } from './corrections.ts';
import { dressWound } from './community.ts';
import { fallIll } from './urgent-care.ts';
import { nhsNumbers } from './nhs-number.ts';
import { recordDeath } from './registration.ts';

export interface PopulationOptions {
  readonly seed: number;
  readonly people: number;
  /** First and last day of what is recorded, `YYYY-MM-DD`; ten years up to November 2026 unless told. */
  readonly from?: string;
  readonly to?: string;
}

/**
 * Yields the organisations and staff first, then one array for each person: transactions in the order in which they
 * happened, the older ones together and those of the last two years each by itself. Whatever a transaction refers to is in it, or in one that came before it in the same array or in the first.
 */
export function* generatePopulation(
  options: PopulationOptions,
): Generator<readonly TransactionBundle[], void> {
  const { seed, people } = options;
  const from = Date.parse(options.from ?? '2016-11-01');
  const to = Date.parse(options.to ?? '2026-11-01');
  if (!(from < to)) throw new RangeError('from and to must be days, YYYY-MM-DD, with from before to.');
  const area = buildArea(seed, from);
  yield area.bundles;

  const numbers = nhsNumbers(seed);
  const random = new Random(seed, 'households');
  let owner = 0;
  let elsewhere = 0;
  while (owner < people) {
    const household = owner === 0 ? FIRST_HOUSEHOLD : buildHousehold(random, to);
    // Kept below an eighth, so that the first practice always has at least 85 % of the people.
    const leaves =
      random.chance(0.3) &&
      elsewhere + household.residents.length <= (owner + household.residents.length) / 8;
    if (leaves) elsewhere += household.residents.length;
    const practice = area.gpPractices[leaves ? random.whole(1, area.gpPractices.length - 1) : 0]!;
    for (const resident of household.residents) {
      if (owner++ === people) return;
      // Both numbers are taken for everybody, so that one person's story does not change the next person's number.
      const nhsNumber = numbers.next().value;
      const secondNumber = numbers.next().value;
      yield live(seed, owner, area, practice, household, resident, { from, to }, nhsNumber, secondNumber);
    }
  }
}

/** The NHS number of the first person of every population of this seed: the one whom the demo's patient signs in as. */
export function firstPersonNhsNumber(seed: number): string {
  return nhsNumbers(seed).next().value;
}

/** How long the organisations have been sending every activity as it happens; before that lies their history. */
const LIVE_YEARS = 2;

const FIRST_HOUSEHOLD: Household = {
  line: '14 Orchard Close',
  postcode: 'ZZ99 3DN',
  phone: '07700 900461',
  residents: [
    {
      given: 'Margaret',
      family: 'Thompson',
      female: true,
      born: Date.UTC(1947, 4, 9),
      role: 'adult',
      ethnicity: ['A', 'White - British'],
    },
    {
      given: 'George',
      family: 'Thompson',
      female: false,
      born: Date.UTC(1945, 10, 23),
      role: 'adult',
      ethnicity: ['A', 'White - British'],
    },
  ],
};

function live(
  seed: number,
  owner: number,
  area: Area,
  practice: Provider,
  household: Household,
  resident: Resident,
  window: { readonly from: number; readonly to: number },
  nhsNumber: string,
  secondNumber: string,
): readonly TransactionBundle[] {
  const random = new Random(seed, `person ${owner}`);
  const person = personOf(random, area, practice, resident, window, nhsNumber, owner === 1);
  const chart = new Chart(person, area, random, owner);
  const home = homeOf(household, resident);
  const some = (): number => person.since + random.fraction() * (person.until - person.since);

  const registration = register(chart, home);
  attendPractice(chart, registration);
  fallIll(chart);
  const teams = new Set(person.longTerm.map(({ condition }) => condition.team));
  // Some are on the caseload as the story ends, so that the community nurse of the demo has patients.
  if (teams.has('community')) dressWound(chart, person.until - random.whole(10, 45) * DAY);
  else if (chart.age(person.until) > 80 && random.chance(0.3)) dressWound(chart, some());
  if (teams.has('mental-health')) careForMind(chart, some());
  if (chart.age(person.until) > 82 && random.chance(0.35)) careAtHome(chart, some());
  if (resident.role === 'child' && random.chance(0.03)) protectChild(chart, some());

  if (random.chance(0.15)) correctResult(chart, some());
  if (random.chance(0.1)) retractObservation(chart, some());
  let patient = registration.patient;
  if (owner > 1 && random.chance(0.02))
    patient = registerTwice(chart, patient, home, secondNumber, person.since + 200 * DAY);
  else if (random.chance(0.1)) patient = moveHouse(chart, patient, home, some());
  if (person.died) recordDeath(chart, patient);
  const live = window.to - LIVE_YEARS * YEAR;
  if (random.chance(0.25)) chart.repeat(live);
  return chart.close(live);
}

/** Who somebody is to the record: when they came, whether they died, which illnesses stay with them. */
function personOf(
  random: Random,
  area: Area,
  practice: Provider,
  resident: Resident,
  window: { readonly from: number; readonly to: number },
  nhsNumber: string,
  first: boolean,
): Person {
  const since = Math.max(window.from + 9 * HOUR, resident.born + 3 * DAY) + random.whole(0, 20) * DAY;
  const age = (window.to - resident.born) / YEAR;
  const died = !first && age > 60 && random.chance((age - 60) * 0.006);
  const until = died ? since + random.around(0.6, 0.2) * (window.to - since) : window.to;
  const atFirst = ['59621000', '44054006', '84114007'];
  const longTerm = LONG_TERM.flatMap((condition: LongTermCondition) => {
    const wanted = first && atFirst.includes(condition.code.coding[0]!.code);
    const reached = Math.min(1, Math.max(0, (age - condition.fromAge) / (85 - condition.fromAge)));
    if (!wanted && !random.chance(condition.share * reached)) return [];
    const onsetAge = condition.fromAge + random.fraction() * Math.max(0, age - condition.fromAge);
    return [{ condition, onset: resident.born + onsetAge * YEAR }];
  });
  return {
    nhsNumber,
    given: resident.given,
    family: resident.family,
    female: resident.female,
    born: resident.born,
    practice,
    pharmacy: random.pick(area.pharmacies),
    since: Math.min(since, window.to),
    until,
    died,
    longTerm: longTerm.filter(({ onset }) => onset < until),
  };
}

function homeOf(household: Household, resident: Resident): Home {
  const { line, postcode, phone } = household;
  const kin = household.residents.find((other) => other !== resident && other.role === 'adult');
  const child = resident.role === 'child';
  const [code, display] = child ? ['PRN', 'parent'] : ['SPS', 'spouse'];
  return {
    line,
    postcode,
    phone,
    ethnicity: resident.ethnicity,
    ...(kin ? { nextOfKin: { given: kin.given, family: kin.family, code, display } } : {}),
  };
}
