/**
 * What staff may record about whom a patient shares with: nothing that lifts a denial of themselves, and who stands for a
 * patient only where the patient is registered with them. Asked besides `decideAccess`, which says whether they may record
 * Consents at all.
 */
import type { Caller } from './caller.ts';
import { decisionsIn, withheldFrom, type PatientDecision } from './decisions-in.ts';
import type { PatientFacts } from './facts.ts';
import { grantOf } from './grant.ts';
import type { Json, Party } from './parties.ts';
import type { Policy } from './policy.ts';
import { proxiesIn, type Proxy } from './proxies-in.ts';
import { refused, type AccessRefusal } from './refusals.ts';

/** A Consent (parsed JSON) as it stands and as it is to be recorded; absent where there is none, or it is to end. */
export interface ConsentChange {
  readonly standing?: Json;
  readonly recorded?: Json;
}

/** Undefined where nothing stands in the way. `isCaller`: as for `withheldFrom`; `now` in milliseconds UTC. Pure. */
export function decideSharing(
  caller: Caller,
  { standing, recorded }: ConsentChange,
  isCaller: (party: Party) => boolean,
  patients: ReadonlyMap<string, PatientFacts>,
  policy: Policy,
  now: number,
): AccessRefusal | undefined {
  if (caller.kind !== 'staff') return undefined;
  const [before, after] = [standing, recorded].map((it) => (it === undefined ? [] : decisionsIn(it, policy)));
  if (lifts(before!, after!, isCaller, now)) return refused('denies-you');
  const proxies = standing === undefined ? [] : proxiesIn(standing);
  const added = (recorded === undefined ? [] : proxiesIn(recorded)).filter(
    (it) => !proxies.some((other) => covers(other, it, now)),
  );
  const grant = grantOf(caller, policy);
  const may = ({ patient }: Proxy): boolean =>
    grant.permit &&
    grant.mayNameProxy &&
    patients.get(patient.slice(PATIENT.length))?.relationships.includes('registered') === true;
  return added.every(may) ? undefined : refused('proxy-not-permitted');
}

/** Everybody whom a Consent names, to whom it may apply, or who keeps it. */
export function partiesToSharing(consent: Json, policy: Policy): readonly Party[] {
  return decisionsIn(consent, policy).flatMap((it) =>
    it.kind === 'sharing' ? [...it.keptBy, ...it.rules.flatMap(({ parties = [] }) => parties)] : [],
  );
}

const PATIENT = 'Patient/';

/** Whether there is a moment from now on at which less is withheld from the caller than was to be. */
function lifts(
  before: readonly PatientDecision[],
  after: readonly PatientDecision[],
  isCaller: (party: Party) => boolean,
  now: number,
): boolean {
  // What holds changes at the edges of periods and nowhere else.
  const moments = [now, ...[...before, ...after].flatMap(edges).filter((it) => it > now)];
  return before.some(({ patient }) => {
    const of = (all: readonly PatientDecision[]) => all.filter((it) => it.patient === patient);
    const [was, is] = [of(before), of(after)];
    return moments.some((at) => (withheldFrom(was, isCaller, at) & ~withheldFrom(is, isCaller, at)) !== 0);
  });
}

function edges(decision: PatientDecision): number[] {
  if (decision.kind !== 'sharing') return [];
  return decision.rules.flatMap(({ from, until = from }) => [from, until]);
}

/** Whether from now on `other` stands for nobody at a time at which `proxy` does not. */
function covers(proxy: Proxy, other: Proxy, now: number): boolean {
  return (
    proxy.patient === other.patient &&
    proxy.who === other.who &&
    Math.max(proxy.from, now) <= Math.max(other.from, now) &&
    (other.until ?? Infinity) <= (proxy.until ?? Infinity)
  );
}
