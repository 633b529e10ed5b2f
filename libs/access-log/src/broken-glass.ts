/**
 * Who opened whose record without a relationship, and until when: one access record each, on disk before the glass counts as
 * broken. What is known here is read from the access log at the start, so it survives a restart.
 */
import type { Caller } from '@carelog/access';
import type { AccessLog } from './access-log.ts';
import type { Answered, RecordedAccess, Who } from './access-record.ts';
import type { AccessCursor } from './find-accesses.ts';

export interface Break {
  /** Id of the Patient. */
  readonly patient: string;
  /** A code of the policy, and the words that came with it. */
  readonly reason: string;
  readonly text: string;
  /** Milliseconds since 1970. */
  readonly until: number;
}

/** How it came to be known: as the record of any other answer. */
export type BreakAnswer = Pick<Answered, 'position' | 'correlation'>;

export interface BrokenGlass {
  /** Resolves when what others broke before this call is known here; undefined where nobody else breaks any. */
  noticed(): Promise<void> | undefined;
  /** Ids of the Patients whose glass this caller, in this role, broke, and whose time is not over. */
  patientsOf(caller: Caller): readonly string[];
  /**
   * Records it; true once the record is on disk, and from then on `patientsOf` has it. False where it cannot be recorded: then
   * nothing is broken.
   */
  break(caller: Caller, broken: Break, answer: BreakAnswer): Promise<boolean>;
  /** What was broken and whose time is not over, as it was recorded; for what has to follow from each. */
  standing(): readonly StandingBreak[];
}

export interface StandingBreak extends Break {
  readonly who: Who;
  readonly at: number;
  readonly correlation: string;
}

export const BREAK_GLASS = 'break-glass';
const PAGE = 500;
/** Longer than any policy lets a glass stay broken. */
export const LOOKED_BACK_MS = 8 * 24 * 60 * 60 * 1_000;

/** Reads what stands from the access log. Throws where that cannot be looked through: nobody should find a glass whole that they broke. */
export async function openBrokenGlass(log: AccessLog): Promise<BrokenGlass> {
  const breaks = new KnownBreaks();
  for await (const record of recordedBreaks(log)) breaks.note(breakIn(record));
  return {
    noticed: () => undefined,
    patientsOf: (caller) => breaks.patientsOf(caller),
    async break(caller, broken, answer) {
      const answered = answerOf(broken, answer);
      const kept = await new Promise<boolean>((leave) => log.record(caller, answered, true, leave));
      if (kept) breaks.note({ ...broken, who: caller, at: Date.now(), correlation: answer.correlation });
      return kept;
    },
    standing: () => breaks.standing(),
  };
}

/** What a break is kept as. */
export function answerOf({ patient, reason, text, until }: Break, answer: BreakAnswer): Answered {
  const asked = new URLSearchParams({ reason, text, until: String(until) });
  return {
    ...answer,
    interaction: BREAK_GLASS,
    query: `Patient/${patient}/$break-glass?${asked}`,
    status: 200,
    decision: 'permitted',
    basis: 'broken-glass',
    patients: [patient],
    shown: '',
  };
}

export function breakIn({ query, patients, who, at, correlation }: RecordedAccess): StandingBreak {
  const asked = new URLSearchParams(query.slice(query.indexOf('?') + 1));
  const [reason = '', text = ''] = [asked.get('reason') ?? '', asked.get('text') ?? ''];
  return { patient: patients[0]!, reason, text, until: Number(asked.get('until')), who, at, correlation };
}

/** Breaks by who made them; those whose time is over are forgotten. */
export class KnownBreaks {
  readonly #breaks = new Map<string, Map<string, StandingBreak>>();

  note(it: StandingBreak): void {
    const key = keyOf(it.who);
    const known = this.#breaks.get(key) ?? new Map<string, StandingBreak>();
    this.#breaks.set(key, known);
    if ((known.get(it.patient)?.until ?? 0) < it.until) known.set(it.patient, it);
  }

  patientsOf(caller: Caller): readonly string[] {
    const known = this.#breaks.get(keyOf(caller));
    if (known === undefined) return NONE;
    const now = Date.now();
    for (const [patient, { until }] of known) if (until <= now) known.delete(patient);
    if (known.size === 0) this.#breaks.delete(keyOf(caller));
    return [...known.keys()];
  }

  standing(): StandingBreak[] {
    const now = Date.now();
    return [...this.#breaks.values()].flatMap((known) =>
      [...known.values()].filter(({ until }) => until > now),
    );
  }
}

const NONE: readonly string[] = [];

/** Of another role the same person has to break it anew: why they may is another question. */
function keyOf({ kind, subject, organisation, roleProfile = '' }: Who): string {
  return JSON.stringify([kind, subject, organisation, roleProfile]);
}

async function* recordedBreaks(log: AccessLog): AsyncGenerator<RecordedAccess> {
  const since = Date.now() - LOOKED_BACK_MS;
  for (let after: AccessCursor | undefined, more = true; more;) {
    const page = await log.find({ interaction: BREAK_GLASS, since, hiddenToo: true, count: PAGE, ...(after !== undefined && { after }) }); // prettier-ignore
    if (page === undefined) throw new Error('The access log cannot be looked through for broken glass. See the warnings above.'); // prettier-ignore
    // A refused attempt is a record of the same interaction.
    for (const { record } of page.found) if (record.decision === 'permitted') yield record;
    after = page.next;
    more = after !== undefined;
  }
}
