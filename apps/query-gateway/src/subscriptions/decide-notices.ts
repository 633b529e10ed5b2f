/**
 * What of these notices one subscriber may be told, decided now: when it was asked for, or recorded, counts for nothing. Asked in
 * bulk, by whichever way they are told. Whatever is in doubt is withheld.
 */
import { decideAccess, type AccessBasis, type Caller, type CallerFacts } from '@carelog/access';
import type { Shown, ShownVersion } from '@carelog/read-models';
import { resourceTypeOf, type Notice } from '@carelog/subscriptions';
import { decide, standingOf, type Standing } from '../access.ts';
import { answeredOf } from '../account.ts';
import { recordCaughtUp } from '../consistency.ts';
import type { FhirRequest, Gateway } from '../gateway.ts';
import { NOTIFICATION } from '../interaction-of.ts';

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

type Asked = Standing & Pick<Gateway, 'head' | 'projected'>;

const WITHHELD: NoticeOutcome = { kind: 'withheld' };

/**
 * Rejects as unavailable while the record does not reflect all that the log has: what somebody withdrew before this was called
 * is heeded. A few questions, however many notices they are.
 */
export async function decideNotices(
  gateway: Asked,
  caller: Caller,
  notices: readonly Notice[],
  wantsBodies: boolean,
): Promise<DecidedNotices> {
  if (notices.length === 0) return NOTHING;
  await recordCaughtUp(gateway);
  const standing = await standingOf(gateway, caller);
  const allowed = decide(gateway, caller, 'read', undefined, standing);
  if (!allowed.permit) return { ...NOTHING, outcomes: notices.map(() => WITHHELD) };
  const { seesAll, viewer } = allowed;
  const live = notices.filter(isLive);
  const ended = notices.filter((notice) => !isLive(notice));
  const [versions, known] = await Promise.all([
    seesAll && !wantsBodies ? undefined : gateway.record.theseVersions(live, viewer),
    seesAll ? undefined : knownEnds(gateway, caller, standing, ended),
  ]);
  const each = versions?.each.values();
  const outcomes = notices.map((notice) => {
    if (isLive(notice)) return each === undefined ? OPEN : shown(each.next().value, wantsBodies);
    if (known === undefined) return ENDED;
    return known.has(notice.stream) ? ENDED_SOMEWHERE : WITHHELD;
  });
  const told = notices.filter((_, at) => outcomes[at]!.kind !== 'withheld');
  return {
    outcomes,
    shown: {
      versions: told.map(({ position }) => position).join(','),
      patients: [...new Set(told.flatMap(({ patients }) => patients))],
      ...(versions?.shown.isConcealed === true && { isConcealed: true }),
    },
    basis: told.length === 0 ? '' : allowed.basis,
  };
}

const NOTHING: DecidedNotices = { outcomes: [], shown: { versions: '', patients: [] }, basis: '' };
const OPEN: NoticeOutcome = { kind: 'shown', hidesPlaces: false };
const ENDED: NoticeOutcome = { kind: 'ended', hidesPlaces: false };
// Whether the place is hidden is not to be read off what has ended.
const ENDED_SOMEWHERE: NoticeOutcome = { kind: 'ended', hidesPlaces: true };

const isLive = ({ action }: Notice): boolean => action !== 'retract';

function shown(version: ShownVersion | undefined, wantsBodies: boolean): NoticeOutcome {
  if (version === undefined) return WITHHELD;
  const { body, hidesPlaces } = version;
  return { kind: 'shown', hidesPlaces, ...(wantsBodies && { body }) };
}

/** Those of these resources that the caller may know of, by what was known of each at its end. */
async function knownEnds(
  { record, policy }: Asked,
  caller: Caller,
  standing: CallerFacts,
  ended: readonly Notice[],
): Promise<ReadonlySet<string>> {
  const streams = [...new Set(ended.map(({ stream }) => stream))];
  const facts = await Promise.all(
    streams.map((stream) => {
      const type = resourceTypeOf({ stream });
      return record.resourceFacts(type, stream.slice(type.length + 1), caller.scopes ?? []);
    }),
  );
  const ids = new Set(facts.flatMap((it) => it?.patients ?? []));
  if (ids.size === 0 && facts.every((it) => it === undefined)) return new Set();
  const patients = await record.patientFacts(caller, standing, [...ids]);
  const isKnown = (resource: (typeof facts)[number]): boolean =>
    resource !== undefined && decideAccess(caller, 'read', resource, patients, policy).permit;
  return new Set(streams.filter((_, at) => isKnown(facts[at])));
}

/** Keeps account of a notification to the owner of a subscription, before it is sent; false where none can be kept, and then it is not sent. */
export function recordNotification(
  gateway: Pick<Gateway, 'projected' | 'digest' | 'accessLog' | 'brokenGlass'>,
  to: Pick<FhirRequest, 'caller' | 'correlation' | 'base'> & { readonly subscription: string },
  { shown: told, basis }: Pick<DecidedNotices, 'shown' | 'basis'>,
): Promise<boolean> {
  const { caller, correlation, base, subscription } = to;
  const path = ['Subscription', subscription, '$events'];
  const request = { method: 'GET', path, query: new URLSearchParams(), headers: {}, body: '', caller, correlation, base }; // prettier-ignore
  const answer = { status: 200, shown: told, ...(basis !== '' && { basis }) };
  const answered = answeredOf(gateway, request, answer, { interaction: NOTIFICATION, status: 200 });
  return new Promise((resolve) => gateway.accessLog.record(caller, answered, false, resolve));
}
