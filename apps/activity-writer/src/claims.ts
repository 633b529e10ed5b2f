/** The aliases that one plan is about to take: what makes a person, a criterion or a content unique without a second mechanism. */
import type { AliasHead, Known } from './known.ts';

export interface Claim {
  readonly alias: AliasHead;
  /** `<Type>/<id>` that will hold it. */
  readonly target: string;
}

export interface Claims {
  /** Who holds an NHS number, in the log or in this plan; `undefined` once it is claimed for `target`. */
  number(number: string, target: string): Promise<string | undefined>;
  /** Who in this plan has claimed the alias already. */
  takenBy(alias: AliasHead): string | undefined;
  take(alias: AliasHead, target: string): void;
  /** The resource that holds an alias in the log, unless it has ended. */
  holder(alias: AliasHead): Promise<string | undefined>;
  hasTarget(stream: string): boolean;
  all(): Iterable<Claim>;
}

export function createClaims(known: Known): Claims {
  const claims = new Map<string, Claim>();
  const takenBy = (alias: AliasHead): string | undefined => claims.get(alias.stream)?.target;
  const take = (alias: AliasHead, target: string): void => {
    claims.set(alias.stream, { alias, target });
  };
  const holder = async (alias: AliasHead): Promise<string | undefined> => {
    if (alias.target === undefined) return undefined;
    const head = await known.head(alias.target);
    return head === undefined || head.ended ? undefined : alias.target;
  };
  return {
    takenBy,
    take,
    holder,
    hasTarget: (stream) => claims.values().some((claim) => claim.target === stream),
    all: () => claims.values(),
    async number(number, target) {
      const alias = await known.alias('nhs-number', number);
      const held = takenBy(alias) ?? (await holder(alias));
      if (held === undefined) take(alias, target);
      return held === target ? undefined : held;
    },
  };
}
