/** Stays and attendances as lines of a page and of a worklist. */
import type { Item, Worklist, WorkItem } from './care-setting.ts';
import type { Kind } from './fact.ts';
import { organisationOf } from './attendances.ts';
import { isOverdue, spells, type Spell } from './discharge-clock.ts';

/** What it was for, since when, and how far its discharge summary is at `now` (milliseconds UTC). */
export function spellLine(spell: Spell, now: number): Item {
  const { sources, startedAt, endedAt, differs } = spell;
  const isLate = isOverdue(spell, now);
  const times = endedAt === undefined ? `since ${minute(startedAt)}` : `${minute(startedAt)} to ${minute(endedAt)}`; // prettier-ignore
  return {
    text: sources[0].fact.text === '' ? spell.kind : sources[0].fact.text,
    sources: spell.summary === undefined ? sources : [...sources, spell.summary],
    detail: [`${spell.kind} ${times}`, paper(spell, now)].filter((it) => it !== '').join('; '),
    ...(differs !== undefined && { differs }),
    ...(spell.state === 'ended' && { inTransit: true as const }),
    ...(isLate && { urgent: true as const }),
  };
}

function paper(spell: Spell, now: number): string {
  if (spell.state === 'admitted') return '';
  if (spell.state === 'summary-recorded') return 'discharge summary on record';
  if (spell.state === 'handed-on') return 'admitted from there';
  const due = `${isOverdue(spell, now) ? 'was due' : 'due'} ${minute(spell.dueAt!)}`;
  return spell.draft === undefined ? `no discharge summary yet, ${due}` : `discharge summary not signed, ${due}`; // prettier-ignore
}

const KINDS: ReadonlySet<Kind> = new Set(['encounter', 'document']);

/** Who is in a bed, a chair or the department now. */
export const inPatients: Worklist = {
  name: 'in-patients',
  title: 'In hospital now',
  kinds: KINDS,
  items: (facts) =>
    spells(facts)
      .filter(({ state }) => state === 'admitted')
      .map((spell) => workItem(spell, IN[spell.kind])),
};

const IN: Readonly<Record<Spell['kind'], string>> = {
  'in-patient': 'in-patient',
  'day case': 'day-case',
  attendance: 'in-department',
};

/** Who has left, and whose discharge summary is not on record. Due a day after the end; overdue from then on. */
export const dischargeClock: Worklist = {
  name: 'discharge-clock',
  title: 'Discharge summaries to write',
  kinds: KINDS,
  items: (facts) =>
    spells(facts)
      .filter(({ state }) => state === 'ended')
      .map((spell) => workItem(spell, spell.draft === undefined ? 'awaiting-summary' : 'awaiting-signature')),
  alert: {
    code: {
      system: 'https://fhir.carelog.example/CodeSystem/task',
      code: 'discharge-summary-overdue',
      display: 'Write the discharge summary that is overdue',
    },
    priority: 'asap',
    isHiddenFromPatient: false,
    whenDue: true,
  },
};

function workItem({ sources: [shown], kind, startedAt, endedAt, dueAt }: Spell, state: string): WorkItem {
  return {
    stream: shown.stream,
    since: new Date(endedAt ?? startedAt).toISOString(),
    ...(dueAt !== undefined && { due: new Date(dueAt).toISOString() }),
    owner: organisationOf(shown),
    state,
    text: shown.fact.text === '' ? kind : shown.fact.text,
  };
}

const minute = (at: number) => new Date(at).toISOString().slice(0, 16).replace('T', ' ');
