/** How much one caller may ask: so many requests a second, and so many at a time. In bounded memory. On the hot path. */
import type { Caller } from '@carelog/access';

export interface Allowance {
  /** Requests a second in the long run. */
  readonly perSecond: number;
  /** Requests at once after a rest. */
  readonly burst: number;
  /** Requests that are being answered at the same time. */
  readonly atOnce: number;
}

export interface Allowances {
  readonly systems: Allowance;
  /** Staff, auditors and operators. */
  readonly staff: Allowance;
  readonly patients: Allowance;
  /** Requests without a token that is known here, for each network address. */
  readonly strangers: Allowance;
}

/** Far above what a machine answers for systems and staff; a person's app needs little, and a stranger nearly nothing. */
export const defaultAllowances: Allowances = {
  systems: { perSecond: 100_000, burst: 300_000, atOnce: 1024 },
  staff: { perSecond: 50_000, burst: 150_000, atOnce: 128 },
  patients: { perSecond: 20, burst: 60, atOnce: 8 },
  strangers: { perSecond: 50, burst: 200, atOnce: 32 },
};

/** What one caller is using. Every `begin` that gives 0 is followed by one `end`. */
export class Usage {
  readonly #interval: number;
  readonly #slack: number;
  readonly #atOnce: number;
  #running = 0;
  // The generic cell rate algorithm: when all that was taken so far will have been earned, milliseconds.
  #earnedAt = 0;

  constructor({ perSecond, burst, atOnce }: Allowance) {
    this.#interval = 1000 / perSecond;
    this.#slack = (burst - 1) * this.#interval;
    this.#atOnce = atOnce;
  }

  /** 0 where the request may go on; otherwise whole seconds after which it is worth another try. */
  begin(now: number): number {
    const earnedAt = this.#earnedAt > now ? this.#earnedAt : now;
    const early = earnedAt - this.#slack - now;
    if (early > 0) return Math.ceil(early / 1000);
    if (this.#running >= this.#atOnce) return 1;
    this.#earnedAt = earnedAt + this.#interval;
    this.#running += 1;
    return 0;
  }

  end(): void {
    this.#running -= 1;
  }

  /** Gives back what the last `begin` took of the rate. */
  forgive(): void {
    this.#earnedAt -= this.#interval;
  }

  /** Whether forgetting it changes nothing. */
  isAtRest(now: number): boolean {
    return this.#running === 0 && this.#earnedAt <= now;
  }
}

export class RequestLimits {
  readonly #allowances: Allowances;
  readonly #capacity: number;
  readonly #now: () => number;
  // The same token gives the same object, so that a request costs one look-up and builds no key.
  #byCaller = new WeakMap<Caller, Usage>();
  readonly #byKey = new Map<string, Usage>();

  constructor(allowances: Allowances, capacity = 10_000, now = () => performance.now()) {
    this.#allowances = allowances;
    this.#capacity = capacity;
    this.#now = now;
  }

  /** One and the same for all tokens of one person or system in one application. */
  of(caller: Caller): Usage {
    let usage = this.#byCaller.get(caller);
    if (usage === undefined) {
      const { kind, subject, system } = caller;
      usage = this.#under(JSON.stringify([kind, subject, system]), this.#allowances[GROUPS[kind]]);
      this.#byCaller.set(caller, usage);
    }
    return usage;
  }

  ofAddress(address: string): Usage {
    return this.#under(network(address), this.#allowances.strangers);
  }

  /** How many callers and addresses are remembered. */
  get size(): number {
    return this.#byKey.size;
  }

  #under(key: string, allowance: Allowance): Usage {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    if (this.#byKey.size >= this.#capacity) this.#makeRoom();
    const usage = new Usage(allowance);
    this.#byKey.set(key, usage);
    return usage;
  }

  /** Forgets those at rest, and the longest known where that is not a quarter of all. */
  #makeRoom(): void {
    const now = this.#now();
    for (const [key, usage] of this.#byKey) if (usage.isAtRest(now)) this.#byKey.delete(key);
    const wanted = Math.floor(this.#capacity * 0.75);
    for (const key of this.#byKey.keys()) {
      if (this.#byKey.size <= wanted) break;
      this.#byKey.delete(key);
    }
    this.#byCaller = new WeakMap();
  }
}

const GROUPS: Readonly<Record<Caller['kind'], keyof Allowances>> = {
  system: 'systems',
  staff: 'staff',
  auditor: 'staff',
  operator: 'staff',
  patient: 'patients',
};

/** Whoever has one IPv6 address has the other 2⁶⁴ of its network too. */
function network(address: string): string {
  if (!address.includes(':') || address.includes('.')) return address.replace(/^::ffff:/i, '');
  const [head = '', tail] = address.split('%')[0]!.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  return [...before, ...Array<string>(zeros).fill('0'), ...after].slice(0, 4).join(':');
}
