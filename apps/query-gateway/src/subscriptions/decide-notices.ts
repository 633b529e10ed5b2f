/**
 * What of these notices one subscriber may be told, decided now: when it was asked for, or recorded, counts for nothing. Asked in
 * bulk, by whichever way they are told.
 */
import { decideAccess, type AccessBasis, type Caller, type CallerFacts } from '@carelog/access';
import type { Shown, ShownVersion } from '@carelog/read-models';
import { resourceTypeOf, type Notice } from '@carelog/subscriptions';
import { decide, standingOf, type Standing } from '../access.ts';
import { recordReached } from '../consistency.ts';
import type { Gateway } from '../gateway.ts';

export type NoticeOutcome =
  | {
      readonly kind: 'shown';
      /** As a read would show that version; only where bodies were asked for. */
      readonly body?: string;
      /** Where the person lives or is seen is kept from the subscriber: nothing may tell of who published it. */
      readonly hidesPlaces: boolean;
    }
  /** The resource ended, and the subscriber might have known of it. */
  | { readonly kind: 'ended'; readonly hidesPlaces: boolean }
  | { readonly kind: 'withheld' };

export interface DecidedNotices {
  /** One for each notice, in order. */
  readonly outcomes: readonly NoticeOutcome[];
  /** For the access record: positions and patients of what is told. */
  readonly shown: Shown;
  /** Why it is permitted; empty where nothing is told. */
  readonly basis: AccessBasis | '';
}

type Asked = Standing & Pick<Gateway, 'projected'>;

const WITHHELD: NoticeOutcome = { kind: 'withheld' };

/** Rejects as unavailable while the record does not reflect them. */
export async function decideNotices(
  gateway: Asked,
  caller: Caller,
  notices: readonly Notice[],
  wantsBodies: boolean,
): Promise<DecidedNotices> {
  await recordReached(
    gateway,
    notices.reduce((newest, { position }) => Math.max(newest, position), 0),
  );
  const standing = await standingOf(gateway, caller);
  const outcomes = new Map<Notice, NoticeOutcome>();
  let basis: DecidedNotices['basis'] = '';
  let isConcealed = false;
  for (const [type, ofType] of Map.groupBy(notices, resourceTypeOf)) {
    const allowed = decide(gateway, caller, 'read', type, standing);
    if (!allowed.permit) continue;
    basis ||= allowed.basis;
    for (const round of eachStreamOnce(ofType)) {
      const live = round.filter(({ action }) => action !== 'retract');
      const isOpen = allowed.seesAll && !wantsBodies;
      const found = isOpen ? undefined : await gateway.record.theseVersions(live, allowed.viewer);
      isConcealed ||= found?.shown.isConcealed === true;
      for (const notice of live) outcomes.set(notice, found === undefined ? OPEN : shown(found.bodies.get(notice.stream), wantsBodies)); // prettier-ignore
      for (const notice of round) {
        if (notice.action !== 'retract') continue;
        outcomes.set(notice, allowed.seesAll ? ENDED : await ended(gateway, caller, standing, notice));
      }
    }
  }
  const told = notices.filter((it) => (outcomes.get(it) ?? WITHHELD).kind !== 'withheld');
  return {
    outcomes: notices.map((it) => outcomes.get(it) ?? WITHHELD),
    shown: {
      versions: told.map(({ position }) => position).join(','),
      patients: [...new Set(told.flatMap(({ patients }) => patients))],
      ...(isConcealed && { isConcealed }),
    },
    basis: told.length === 0 ? '' : basis,
  };
}

const OPEN: NoticeOutcome = { kind: 'shown', hidesPlaces: false };
const ENDED: NoticeOutcome = { kind: 'ended', hidesPlaces: false };

function shown(version: ShownVersion | undefined, wantsBodies: boolean): NoticeOutcome {
  if (version === undefined) return WITHHELD;
  const { body, hidesPlaces } = version;
  return { kind: 'shown', hidesPlaces, ...(wantsBodies && { body }) };
}

/** By what was known of it at its end. */
async function ended(
  { record, policy }: Asked,
  caller: Caller,
  standing: CallerFacts,
  { stream }: Notice,
): Promise<NoticeOutcome> {
  const slash = stream.indexOf('/');
  const facts = await record.resourceFacts(stream.slice(0, slash), stream.slice(slash + 1), caller.scopes ?? []); // prettier-ignore
  if (facts === undefined) return WITHHELD;
  const patients = await record.patientFacts(caller, standing, facts.patients);
  const decision = decideAccess(caller, 'read', facts, patients, policy);
  // Whether the place is hidden is not to be read off what has ended.
  return decision.permit ? { kind: 'ended', hidesPlaces: true } : WITHHELD;
}

/** The record is asked for one version of each resource at a time; there are seldom more. */
function eachStreamOnce(notices: readonly Notice[]): Notice[][] {
  const rounds: Notice[][] = [];
  const counts = new Map<string, number>();
  for (const notice of notices) {
    const round = counts.get(notice.stream) ?? 0;
    counts.set(notice.stream, round + 1);
    (rounds[round] ??= []).push(notice);
  }
  return rounds;
}
