/**
 * May the caller write to this id at all? Asked before anything else that the log knows: an id that is kept from them and one
 * that nobody ever had are answered in the same words, whatever the conditions and the content.
 */
import { decideAccess, type Caller, type Policy } from '@carelog/access';
import type { RecordEntry } from '@carelog/activity';
import type { Problem } from '@carelog/fhir';
import type { AccessFacts } from './permit.ts';

export interface Address {
  readonly type: string;
  readonly method: RecordEntry['method'];
  /** `Type/id`. */
  readonly stream: string;
  /** Whether anything was recorded there before. */
  readonly stands: boolean;
}

export interface AddressRefusal {
  readonly problem: Problem;
  /** For the access record: one word, and whose record it is. */
  readonly reason: string;
  readonly patients: readonly string[];
}

/**
 * Undefined where the caller may write there, as far as it depends on what stands there. Whoever does not see all of a type
 * cannot begin a resource of it under an id of their own choosing: that it went well would tell which ids are taken.
 */
export async function refusedAddress(
  caller: Caller,
  facts: AccessFacts,
  policy: Policy,
  { type, method, stream, stands }: Address,
): Promise<AddressRefusal | undefined> {
  const standing = stands ? await facts.standing(stream) : undefined;
  if (standing === undefined) {
    return facts.seesAllOf(type) ? undefined : unknown(type, 'not-known', []);
  }
  const known = await facts.patients([...new Set(standing.patients)]);
  const decision = decideAccess(caller, method === 'DELETE' ? 'delete' : 'update', standing, known, policy);
  if (decision.permit) return undefined;
  const { code, reason, remedy, asUnknown } = decision;
  if (asUnknown || !(await facts.sees(stream))) return unknown(type, code, standing.patients);
  const problem = { category: 'forbidden', code: 'forbidden', message: `${reason} ${remedy}` } as const;
  return { problem, reason: code, patients: standing.patients };
}

function unknown(type: string, reason: string, patients: readonly string[]): AddressRefusal {
  const message = `This ${type} is not known here. Check the type and the id, or search for it; a new one is sent by POST, and gets an id.`;
  return { problem: { category: 'not-found', code: 'not-found', message }, reason, patients };
}
