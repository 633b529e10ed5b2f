/**
 * Who sends when: nobody's endpoints, however slow, keep those of others waiting. Owners take turns, and so do the origins of
 * each; an origin that fails or is slow again and again is tried once at a time for that owner, in a part of the room for all.
 */
export const LIMITS = {
  atOnce: 64,
  ofOwner: 8,
  ofOriginOfOwner: 4,
  /** Of all, with origins in trouble. */
  inTrouble: 16,
  /** In a row, after which an origin is in trouble for an owner. */
  strikes: 5,
  waitingOfOwner: 2_000,
  /** Origins of owners of which strikes are remembered; the one that failed longest ago is forgotten. */
  remembered: 10_000,
} as const;

export type Limits = { readonly [Name in keyof typeof LIMITS]: number };

interface Origin {
  readonly key: string;
  /** Each is told whether it begins in trouble. */
  readonly waiting: ((isInTrouble: boolean) => void)[];
  active: number;
}
interface Owner {
  active: number;
  waiting: number;
  readonly origins: Map<string, Origin>;
}

export interface Worked<Outcome> {
  readonly outcome: Outcome;
  /** It failed, or its origin took long; undefined where it says nothing of the origin. */
  readonly isStrike: boolean | undefined;
}

export interface TurnsLoad {
  readonly sending: number;
  readonly waiting: number;
  /** Origins of owners that are in trouble. */
  readonly inTrouble: number;
}

export class Turns {
  readonly #limits: Limits;
  /** Those who send or wait, the one whose turn was longest ago first. */
  readonly #owners = new Map<string, Owner>();
  readonly #strikes = new Map<string, number>();
  #active = 0;
  #inTrouble = 0;
  #waiting = 0;

  constructor(limits: Limits = LIMITS) {
    this.#limits = limits;
  }

  /** Undefined where too many of this owner wait already. What `work` rejects with says nothing of the origin. */
  async run<Outcome>(
    ownerKey: string,
    originName: string,
    work: () => Promise<Worked<Outcome>>,
  ): Promise<Outcome | undefined> {
    const key = JSON.stringify([ownerKey, originName]);
    const owner = this.#owners.get(ownerKey) ?? { active: 0, waiting: 0, origins: new Map<string, Origin>() };
    if (owner.waiting >= this.#limits.waitingOfOwner) return undefined;
    const origin = owner.origins.get(originName) ?? { key, waiting: [], active: 0 };
    this.#owners.set(ownerKey, owner);
    owner.origins.set(originName, origin);
    owner.waiting += 1;
    this.#waiting += 1;
    const turn = new Promise<boolean>((begin) => origin.waiting.push(begin));
    this.#beginNext();
    // What room it takes is settled as it begins, whatever becomes of the origin meanwhile.
    const wasInTrouble = await turn;
    try {
      const { outcome, isStrike } = await work();
      if (isStrike !== undefined) this.#strike(key, isStrike);
      return outcome;
    } finally {
      this.#active -= 1;
      if (wasInTrouble) this.#inTrouble -= 1;
      owner.active -= 1;
      origin.active -= 1;
      if (origin.active === 0 && origin.waiting.length === 0) owner.origins.delete(originName);
      if (owner.origins.size === 0) this.#owners.delete(ownerKey);
      this.#beginNext();
    }
  }

  load(): TurnsLoad {
    const struck = [...this.#strikes.values()].filter((strikes) => strikes >= this.#limits.strikes);
    return { sending: this.#active, waiting: this.#waiting, inTrouble: struck.length };
  }

  #beginNext(): void {
    while (this.#waiting > 0 && this.#active < this.#limits.atOnce) {
      const next = this.#next();
      if (next === undefined) return;
      const [ownerKey, owner, originName, origin] = next;
      // To the end of both rings.
      this.#owners.delete(ownerKey);
      this.#owners.set(ownerKey, owner);
      owner.origins.delete(originName);
      owner.origins.set(originName, origin);
      this.#waiting -= 1;
      this.#active += 1;
      const isInTrouble = this.#isInTrouble(origin.key);
      if (isInTrouble) this.#inTrouble += 1;
      owner.waiting -= 1;
      owner.active += 1;
      origin.active += 1;
      origin.waiting.shift()!(isInTrouble);
    }
  }

  #next(): [string, Owner, string, Origin] | undefined {
    for (const [ownerKey, owner] of this.#owners) {
      if (owner.waiting === 0 || owner.active >= this.#limits.ofOwner) continue;
      for (const [name, origin] of owner.origins)
        if (origin.waiting.length > 0 && this.#mayBegin(origin)) return [ownerKey, owner, name, origin];
    }
    return undefined;
  }

  #mayBegin({ key, active }: Origin): boolean {
    if (!this.#isInTrouble(key)) return active < this.#limits.ofOriginOfOwner;
    return active === 0 && this.#inTrouble < this.#limits.inTrouble;
  }

  #isInTrouble(key: string): boolean {
    return (this.#strikes.get(key) ?? 0) >= this.#limits.strikes;
  }

  #strike(key: string, isStrike: boolean): void {
    const strikes = (this.#strikes.get(key) ?? 0) + 1;
    this.#strikes.delete(key);
    if (!isStrike) return;
    this.#strikes.set(key, strikes);
    const [oldest] = this.#strikes.keys();
    if (this.#strikes.size > this.#limits.remembered) this.#strikes.delete(oldest!);
  }
}
