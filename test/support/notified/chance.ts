/** What happens by chance in a test, and again in the same way with the same seed. */
export type Chance = () => number;

/** Mulberry32. Numbers from 0 up to 1. */
export function chanceOf(seed: number): Chance {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const below = (chance: Chance, limit: number): number => Math.floor(chance() * limit);

export const oneOf = <Item>(chance: Chance, items: readonly Item[]): Item =>
  items[below(chance, items.length)]!;
