/** How a wound goes: what was measured of it, by whom, and whether it heals. */
import type { Item, Placed } from './care-setting.ts';
import { isPast } from './problems.ts';
import { DAY_MS, isCoded, ofKind, timeOf } from './sections.ts';

/** A length in millimetres, or an area in square millimetres, at a time in milliseconds UTC. */
export interface Measured {
  readonly at: number;
  readonly size: number;
}

export type Trend = 'healing' | 'not healing' | 'growing';

const COMPARED_OVER_MS = 28 * DAY_MS;
/** For so long a wound may stay as it is before the page says that it does not heal. */
const PATIENCE_MS = 14 * DAY_MS;

/**
 * The newest size against the oldest of the four weeks before it (against the newest before that where there is none): a tenth
 * less is healing, a tenth more is growing; what is neither for two weeks does not heal. Undefined where that cannot be said.
 * Guidance reviews a wound's size at least every four weeks: https://www.nationalwoundcarestrategy.net/lower-limb/
 */
export function trendOf(measured: readonly Measured[]): Trend | undefined {
  const sizes = measured.toSorted((a, b) => a.at - b.at || a.size - b.size);
  const last = sizes.at(-1);
  const before = sizes.filter(({ at }) => at < (last?.at ?? 0));
  const base = before.find(({ at }) => at >= last!.at - COMPARED_OVER_MS) ?? before.at(-1);
  if (last === undefined || base === undefined) return undefined;
  if (last.size <= base.size * 0.9) return 'healing';
  if (last.size >= base.size * 1.1) return 'growing';
  return last.at - base.at >= PATIENCE_MS ? 'not healing' : undefined;
}

/** One line for each wound; what was measured without saying of which wound is a line of its own, of which no trend is told. */
export function woundItems(facts: readonly Placed[]): readonly Item[] {
  const measures = ofKind(facts, 'observation').filter((it) => sizeOf(it) !== undefined);
  const wounds = ofKind(facts, 'problem').filter(
    (it) => isCoded(it.fact.codes, WOUNDS) || measures.some((one) => isAbout(one, it)),
  );
  const known = wounds.map((wound) =>
    woundItem(
      wound,
      measures.filter((it) => isAbout(it, wound)),
    ),
  );
  const others = measures.filter((it) => !wounds.some((wound) => isAbout(it, wound)));
  return [...known, ...others.map((it): Item => ({ text: it.fact.text, detail: `${sizeText(it)}; of which wound is not said`, sources: [it] }))]; // prettier-ignore
}

function woundItem(wound: Placed, measures: readonly Placed[]): Item {
  const isOpen = !isPast(wound.fact);
  const site = wound.fact.parts?.map(({ text }) => text).find((it) => it !== '');
  const text = [wound.fact.text, site].filter((it) => it).join(', ');
  // One dimension is compared with itself only: that which was measured most often, else the first of the list.
  const series = [...Map.groupBy(measures, dimensionOf).values()].toSorted((a, b) => b.length - a.length || dimensionOf(a[0]!) - dimensionOf(b[0]!))[0] ?? []; // prettier-ignore
  const [newest] = series;
  const trend = trendOf(series.map((it) => ({ at: timeOf(it), size: sizeOf(it)! })));
  const first = series.at(-1);
  const detail = newest && [sizeText(newest), first !== newest && `at first ${sizeText(first!)}`, isOpen && trend].filter((it) => it).join('; '); // prettier-ignore
  return {
    text,
    sources: [wound, ...series],
    ...(detail !== undefined && { detail }),
    ...(!isOpen && { change: 'stopped' as const }),
    ...(isOpen && (trend === 'growing' || trend === 'not healing') && { urgent: true as const }),
  };
}

const isAbout = ({ fact }: Placed, wound: Placed): boolean => fact.refs['focus']?.includes(wound.stream) === true; // prettier-ignore

const sizeText = (placed: Placed): string => {
  const { value, from } = placed.fact;
  const size = value?.kind === 'quantity' ? `${value.number} ${value.unit}` : '';
  return from === undefined ? size : `${size} on ${from.slice(0, 10)}`;
};

/** SNOMED CT and LOINC: area, length, width and depth of a wound. */
const DIMENSIONS: readonly ReadonlySet<string>[] = [
  new Set(['89260-4']),
  new Set(['401238003', '39126-8']),
  new Set(['401239006', '39125-0']),
  new Set(['425094009', '39127-6']),
];

const dimensionOf = ({ fact }: Placed): number => DIMENSIONS.findIndex((it) => isCoded(fact.codes, it));

/** UCUM, in millimetres or square millimetres. */
const UNITS: Readonly<Record<string, number>> = { mm: 1, cm: 10, mm2: 1, cm2: 100 };

function sizeOf(placed: Placed): number | undefined {
  const { value } = placed.fact;
  if (value?.kind !== 'quantity' || dimensionOf(placed) < 0) return undefined;
  const unit = UNITS[value.unit];
  return unit === undefined ? undefined : value.number * unit;
}

/** SNOMED CT: wound, open wound, pressure injury, ulcer of the leg, diabetic foot ulcer. */
const WOUNDS = new Set(['416462003', '125643001', '399912005', '95344007', '371087003']);
