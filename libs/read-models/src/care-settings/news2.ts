/**
 * The National Early Warning Score 2 of the Royal College of Physicians (2017): seven measurements, each scored 0 to 3, and
 * how fast somebody has to come. Not for people under 16 nor in pregnancy.
 * https://www.rcp.ac.uk/resources/national-early-warning-score-news-2/
 */

export type Part =
  'respiration' | 'saturation' | 'oxygen' | 'systolic' | 'pulse' | 'consciousness' | 'temperature';

/** In the order of the chart, in the words of the chart. */
export const PARTS: Readonly<Record<Part, string>> = {
  respiration: 'respiration rate',
  saturation: 'oxygen saturation',
  oxygen: 'air or oxygen',
  systolic: 'systolic blood pressure',
  pulse: 'pulse',
  consciousness: 'consciousness',
  temperature: 'temperature',
};
export const PART_NAMES = Object.keys(PARTS) as readonly Part[];

/**
 * What was measured: breaths and beats a minute, saturation in percent, millimetres of mercury, degrees Celsius; `oxygen`
 * 1 where any is given and 0 on air; `consciousness` 0 for alert and 1 for confusion that is new, voice, pain, unresponsive.
 */
export type Measurements = Readonly<Partial<Record<Part, number>>>;

/** Scale 2 is for those whose target is 88 to 92 % because of hypercapnic respiratory failure. */
export type SaturationScale = 1 | 2;

export interface Score {
  readonly parts: Readonly<Partial<Record<Part, number>>>;
  readonly missing: readonly Part[];
  /** Of what was measured: where parts are missing, at least this. */
  readonly total: number;
}

/** How the score is answered: by the ward's round, urgently by a clinician, at once by an emergency team. */
export type Response = 'routine' | 'urgent' | 'emergency';

const URGENT_FROM = 5;
const EMERGENCY_FROM = 7;

/** Five or a single three: urgent. Seven: emergency. */
export function responseTo(total: number, parts: Score['parts'] = {}): Response {
  if (total >= EMERGENCY_FROM) return 'emergency';
  return total >= URGENT_FROM || Object.values(parts).includes(3) ? 'urgent' : 'routine';
}

/** A measurement that no living person can have is as good as none. */
export function scoreOf(measured: Measurements, scale: SaturationScale): Score {
  const parts: Partial<Record<Part, number>> = {};
  for (const part of PART_NAMES) {
    const value = measured[part];
    if (value === undefined || !isPossible(part, value)) continue;
    parts[part] = partScore(part, value, scale, measured.oxygen);
  }
  const missing = PART_NAMES.filter((part) => parts[part] === undefined);
  return { parts, missing, total: sum(Object.values(parts)) };
}

/** Saturation of 93 % and more on scale 2 says too much oxygen, where oxygen is given. */
function partScore(part: Part, value: number, scale: SaturationScale, oxygen: number | undefined): number {
  if (part !== 'saturation' || scale === 1) return inBands(BANDS[part], value, part);
  return inBands(oxygen === 1 ? SCALE_2_ON_OXYGEN : SCALE_2_ON_AIR, value, part);
}

/** `[at most, score]`, ascending. */
type Bands = readonly (readonly [number, number])[];

const BANDS: Readonly<Record<Part, Bands>> = {
  respiration: [[8, 3], [11, 1], [20, 0], [24, 2], [Infinity, 3]], // prettier-ignore
  saturation: [[91, 3], [93, 2], [95, 1], [Infinity, 0]], // prettier-ignore
  oxygen: [[0, 0], [Infinity, 2]], // prettier-ignore
  systolic: [[90, 3], [100, 2], [110, 1], [219, 0], [Infinity, 3]], // prettier-ignore
  pulse: [[40, 3], [50, 1], [90, 0], [110, 1], [130, 2], [Infinity, 3]], // prettier-ignore
  consciousness: [[0, 0], [Infinity, 3]], // prettier-ignore
  temperature: [[35, 3], [36, 1], [38, 0], [39, 1], [Infinity, 2]], // prettier-ignore
};
const SCALE_2_ON_AIR: Bands = [[83, 3], [85, 2], [87, 1], [Infinity, 0]]; // prettier-ignore
const SCALE_2_ON_OXYGEN: Bands = [[83, 3], [85, 2], [87, 1], [92, 0], [94, 1], [96, 2], [Infinity, 3]]; // prettier-ignore

/** The chart has whole numbers, and tenths of a degree. */
function inBands(bands: Bands, value: number, part: Part): number {
  const charted = part === 'temperature' ? Math.round(value * 10) / 10 : Math.round(value);
  return bands.find(([atMost]) => charted <= atMost)![1];
}

const POSSIBLE: Readonly<Record<Part, readonly [number, number]>> = {
  respiration: [0, 120],
  saturation: [20, 100],
  oxygen: [0, 1],
  systolic: [0, 350],
  pulse: [0, 350],
  consciousness: [0, 1],
  temperature: [20, 46],
};
const isPossible = (part: Part, value: number) => value >= POSSIBLE[part][0] && value <= POSSIBLE[part][1];
const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
