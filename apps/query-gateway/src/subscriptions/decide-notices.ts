/**
 * What may be shown of events to somebody who is told of them: decided when they are told, not when they subscribed, with the
 * record as it is then. Whatever is in doubt is withheld.
 */
import { decideAccess, type AccessBasis, type Caller, type CallerFacts } from '@carelog/access';
import type { Answered } from '@carelog/access-log';
import type { Shown } from '@carelog/read-models';
import { resourceTypeOf, type Notice } from '@carelog/subscriptions';
import { decide, standingOf } from '../access.ts';
import { answeredOf } from '../account.ts';
import { caughtUp } from '../consistency.ts';
import type { FhirRequest, Gateway, Refusal } from '../gateway.ts';
import { NOTIFICATION } from '../interaction-of.ts';

export type NoticeOutcome =
  /** With the version as they may see it, where bodies were asked for: JSON text as served. */
  | { readonly kind: 'shown'; readonly body?: string }
  /** The resource ended, and they knew of it. */
  | { readonly kind: 'ended' }
  /** Nothing but that there was an event, and when. */
  | { readonly kind: 'withheld' };

export interface ShownNotices {
  /** In the order of the notices. */
  readonly outcomes: readonly NoticeOutcome[];
  /** For the access record: what is shown of whom, and why that was permitted; no reason where nothing was. */
  readonly shown: Shown;
  readonly basis?: AccessBasis;
}

type Deciding = Pick<Gateway, 'record' | 'brokenGlass' | 'policy' | 'head' | 'projected'>;

const WITHHELD: NoticeOutcome = { kind: 'withheld' };

/**
 * Decides with everything that the log has when this is called, so that what was withdrawn before is not shown; refused, as
 * unavailable, where the record does not get there in time. A handful of questions, however many notices they are.
 */
export async function shownOf(
  gateway: Deciding,
  caller: Caller,
  notices: readonly Notice[],
  wantsBodies: boolean,
): Promise<ShownNotices | Refusal> {
  if (notices.length === 0) return { outcomes: [], shown: NOTHING };
  const behind = await caughtUp(gateway);
  if (behind !== undefined) return behind;
  const standing = await standingOf(gateway, caller);
  const allowed = decide(gateway, caller, 'read', undefined, standing);
  if (!allowed.permit) return { outcomes: notices.map(() => WITHHELD), shown: NOTHING };

  const [live, ended] = [notices.filter(isLive), notices.filter((notice) => !isLive(notice))];
  const [found, known] = await Promise.all([
    gateway.record.theseVersions(
      live.map(({ stream, version }) => ({ stream, version })),
      allowed.viewer,
    ),
    knownEnds(gateway, caller, standing, ended),
  ]);
  const bodies = found.each.values();
  const outcomes = notices.map((notice): NoticeOutcome => {
    if (!isLive(notice)) return known.has(notice.stream) ? { kind: 'ended' } : WITHHELD;
    const version = bodies.next().value;
    if (version === undefined) return WITHHELD;
    return wantsBodies ? { kind: 'shown', body: version.body } : { kind: 'shown' };
  });
  const shown = together(found.shown, ended, known);
  return { outcomes, shown, ...(shown.versions !== '' && { basis: allowed.basis }) };
}

const NOTHING: Shown = { versions: '', patients: [] };
const isLive = ({ action }: Notice): boolean => action !== 'retract';

/** By stream, the Patients of those resources, ended or not, that this caller may know of. */
async function knownEnds(
  { record, policy }: Deciding,
  caller: Caller,
  standing: CallerFacts,
  ended: readonly Notice[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const streams = [...new Map(ended.map((notice) => [notice.stream, notice])).values()];
  if (streams.length === 0) return new Map();
  const facts = await Promise.all(
    streams.map(({ stream }) => {
      const type = resourceTypeOf({ stream });
      return record.resourceFacts(type, stream.slice(type.length + 1), caller.scopes ?? [], policy.sFlag);
    }),
  );
  const ids = new Set(facts.flatMap((it) => it?.patients ?? []));
  const patients = await record.patientFacts(caller, standing, [...ids]);
  const known = new Map<string, readonly string[]>();
  for (const [at, resource] of facts.entries()) {
    const decision = resource && decideAccess(caller, 'read', resource, patients, policy);
    if (decision?.permit === true) known.set(streams[at]!.stream, resource!.patients);
  }
  return known;
}

function together(
  shown: Shown,
  ended: readonly Notice[],
  known: ReadonlyMap<string, readonly string[]>,
): Shown {
  const ends = ended.filter(({ stream }) => known.has(stream));
  if (ends.length === 0) return shown;
  const versions = [
    ...(shown.versions === '' ? [] : [shown.versions]),
    ...ends.map(({ position }) => position),
  ];
  const patients = new Set([...shown.patients, ...ends.flatMap(({ stream }) => known.get(stream)!)]);
  return { ...shown, versions: versions.join(','), patients: [...patients] };
}

/** Keeps account of a notification that is about to be sent to the owner of a subscription; false where none can be kept, and then nothing is sent. */
export function recordNotification(
  gateway: Pick<Gateway, 'projected' | 'digest' | 'accessLog' | 'brokenGlass'>,
  to: Pick<FhirRequest, 'caller' | 'correlation' | 'base'> & { readonly subscription: string },
  { shown, basis }: Pick<ShownNotices, 'shown' | 'basis'>,
): Promise<boolean> {
  const { caller } = to;
  const path = ['Subscription', to.subscription, '$events'];
  const request = { ...to, method: 'GET', path, query: new URLSearchParams(), headers: {}, body: '' };
  const answer = { status: 200, shown, ...(basis !== undefined && { basis }) };
  const sent = { interaction: NOTIFICATION, status: 200 };
  const answered: Answered = answeredOf(gateway, request, answer, sent);
  return new Promise((resolve) => gateway.accessLog.record(caller, answered, false, resolve));
}
