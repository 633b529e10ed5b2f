/**
 * Who is protected by whom: plans and flags of the Child Protection Information Sharing service and of adult safeguarding.
 * https://digital.nhs.uk/services/child-protection-information-sharing-project
 */
import type { Placed } from './care-setting.ts';
import { organisationOf } from './attendances.ts';
import { DAY_MS, timeOf } from './sections.ts';
import type { Code } from './fact.ts';

/** The coding by which a plan, team, flag or finding protects; undefined where it does not. */
export function protectionOf({ fact }: Pick<Placed, 'fact'>): Code | undefined {
  if (!PROTECTING_KINDS.has(fact.kind)) return undefined;
  return [...fact.codes, ...fact.categories].find(({ system, code }) => PROTECTION[system ?? '']?.has(code));
}

/** Whether it was so at that moment (milliseconds UTC), by its period and by whether it was ever ended. */
export function isInForce(placed: Placed, at: number): boolean {
  const { from, to, over, status } = placed.fact;
  if (from !== undefined && timeOf(placed) > at) return false;
  if (to !== undefined) return at <= endOf(to) && !NEVER_IN_FORCE.has(status);
  return status === 'active' || status === 'recurrence' || (status === 'unknown' && over === undefined);
}

/** `Organization/id` or ODS code of the team that has to know: who runs the plan's team, else who wrote it, else who published it. */
export function teamOf(protections: readonly Placed[], facts: readonly Placed[]): string | undefined {
  const [first] = protections.toSorted(nearestFirst);
  if (first === undefined) return undefined;
  const team = facts.find(({ stream }) => first.fact.refs['team']?.includes(stream) === true);
  return organisationOf(team ?? first);
}

const PROTECTING_KINDS = new Set(['team', 'plan', 'flag', 'problem']);

const PROTECTION: Readonly<Record<string, ReadonlySet<string>>> = {
  'http://snomed.info/sct': new Set([
    '342191000000101', // Subject to child protection plan
    '764841000000100', // Looked after child
    '818901000000100', // Unborn child subject to child protection plan
    '836881000000105', // Child is cause for safeguarding concern
    '878111000000109', // Unborn child is cause for safeguarding concern
    '766561000000109', // Adult safeguarding concern
  ]),
  // https://simplifier.net/guide/nhsbookingandreferralstandard
  'https://fhir.nhs.uk/CodeSystem/flag-categories-bars': new Set(['SG']),
};

const NEVER_IN_FORCE = new Set(['proposed', 'draft', 'refuted', 'entered-in-error']);

/** A day counts to its end. */
function endOf(time: string): number {
  const end = Date.parse(time);
  return Number.isNaN(end) ? Number.POSITIVE_INFINITY : end + (time.length <= 10 ? DAY_MS - 1 : 0);
}

/** Teams before plans before flags before findings: who has the person on their books comes first. */
const NEARNESS = ['team', 'plan', 'flag', 'problem'];
function nearestFirst(a: Placed, b: Placed): number {
  const nearer = NEARNESS.indexOf(a.fact.kind) - NEARNESS.indexOf(b.fact.kind);
  return nearer || timeOf(b) - timeOf(a) || (a.stream < b.stream ? -1 : 1);
}
