/** Who lives where: households of one to six people with ages, names and an address in a town that does not exist. */
import type { Random } from './random.ts';
import { DAY, YEAR, dayOf } from './calendar.ts';

export interface Resident {
  readonly given: string;
  readonly family: string;
  readonly female: boolean;
  /** Midnight UTC of the day of birth. */
  readonly born: number;
  readonly role: 'adult' | 'child';
  readonly ethnicity: readonly [code: string, display: string];
}
export interface Household {
  readonly line: string;
  readonly postcode: string;
  readonly phone: string;
  readonly residents: readonly Resident[];
}

const FAMILIES =
  'Abbott Ahmed Bailey Begum Brennan Chowdhury Cooper Dalton Edwards Farooq Foster Gill Griffiths Harris Hughes Iqbal Jackson Kaur Khan Lawson Marsh Mitchell Murphy Novak Okafor Osei Palmer Patel Quinn Reid Robinson Shah Singh Taylor Thompson Ueda Vasquez Walker Wright Young'.split(
    ' ',
  );
const WOMEN =
  'Abigail Aisha Barbara Catherine Deborah Eleanor Fatima Georgia Hannah Isla Jean Joan Katie Layla Margaret Nadia Olivia Patricia Priya Rebecca Sarah Sheila Sophie Tanya Valerie Yasmin'.split(
    ' ',
  );
const MEN =
  'Adam Brian Callum David Edward Francis George Harry Ibrahim Jack Kevin Leon Mohammed Michael Nathan Oliver Peter Raj Robert Samuel Stephen Thomas Victor William Yusuf Zachary'.split(
    ' ',
  );
const STREETS = [
  'Quay Street',
  'Mill Lane',
  'Orchard Close',
  'Station Road',
  'Heron Way',
  'Chapel Hill',
  'Lock Gardens',
  'Beacon Avenue',
  'Weir Terrace',
  'Ferry Road',
];
const LETTERS = 'ABDEFGHJLNPQRSTUWXYZ';
const ETHNICITIES: readonly (readonly [number, readonly [code: string, display: string]])[] = [
  [74, ['A', 'White - British']],
  [4, ['C', 'White - Any other White background']],
  [5, ['H', 'Asian or Asian British - Indian']],
  [5, ['J', 'Asian or Asian British - Pakistani']],
  [2, ['K', 'Asian or Asian British - Bangladeshi']],
  [3, ['N', 'Black or Black British - African']],
  [2, ['M', 'Black or Black British - Caribbean']],
  [2, ['D', 'Mixed - White and Black Caribbean']],
  [3, ['Z', 'Not stated']],
];

/** Ages are as of `today`; children may be born up to that day. */
export function buildHousehold(random: Random, today: number): Household {
  const family = random.pick(FAMILIES);
  const ethnicity = random.weighted(ETHNICITIES);
  const resident = (role: Resident['role'], age: number, female = random.chance(0.5)): Resident => ({
    given: random.pick(female ? WOMEN : MEN),
    family: role === 'adult' && random.chance(0.1) ? random.pick(FAMILIES) : family,
    female,
    born: dayOf(today - age * YEAR - random.whole(0, 364) * DAY),
    role,
    ethnicity,
  });
  const residents = random.weighted<() => Resident[]>([
    [26, () => [resident('adult', random.whole(20, 93))]],
    [22, () => couple(random.whole(60, 90))],
    [14, () => couple(random.whole(21, 59))],
    [34, () => parents(random.whole(24, 48))],
    [4, () => [resident('adult', random.whole(84, 98), true)]],
  ])();
  return {
    line: `${random.whole(1, 160)} ${random.pick(STREETS)}`,
    postcode: `ZZ99 ${random.whole(1, 8)}${random.pick([...LETTERS])}${random.pick([...LETTERS])}`,
    phone: `07700 900${random.whole(100, 999)}`,
    residents,
  };

  function couple(age: number): Resident[] {
    return [
      resident('adult', age, true),
      resident('adult', Math.max(18, age + random.whole(-4, 6)), random.chance(0.05)),
    ];
  }

  function parents(age: number): Resident[] {
    const grown = random.chance(0.75) ? couple(age) : [resident('adult', age, true)];
    const oldest = Math.min(17, age - 19);
    const children = Array.from(
      {
        length: random.weighted([
          [40, 1],
          [42, 2],
          [14, 3],
          [4, 4],
        ]),
      },
      () => resident('child', random.whole(0, oldest)),
    );
    return [...grown, ...children];
  }
}
