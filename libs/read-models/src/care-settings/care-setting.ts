/** What a care setting is: which facts its page of a person is made from, how, and which lists of work it keeps. */
import type { Code, Fact, Kind } from './fact.ts';

/** Where a version came from, as its event says. */
export interface Source {
  /** Its id, and its place in the log. */
  readonly event: string;
  readonly position: number;
  /** Of the publisher; an ODS code where there is one. */
  readonly organisation: string;
  readonly system: string;
  readonly author?: string;
  readonly careSetting: string;
  /** ISO 8601. */
  readonly occurredAt: string;
  readonly recordedAt: string;
}

/** A fact with its place: the version of the resource that says it, whose it is, and where it came from. */
export interface Placed {
  readonly stream: string;
  readonly version: number;
  /** `Patient/id`. */
  readonly patient: string;
  readonly fact: Fact;
  readonly source: Source;
}

/** One thing on a page, however many sources tell of it. */
export interface Item {
  readonly text: string;
  /** Who tells of it: first the one that is shown. Never empty. */
  readonly sources: readonly [Placed, ...Placed[]];
  /** Dose, value, conclusion: what stands beside the name. */
  readonly detail?: string;
  /** In words, where sources do not agree. */
  readonly differs?: string;
  /** Against what went before. */
  readonly change?: 'started' | 'stopped' | 'changed' | 'unexplained';
  /** A result that is not final, a letter that is not signed: more is to come. */
  readonly inTransit?: true;
  /** Wants to be seen first. */
  readonly urgent?: true;
}

export interface Section {
  /** A PRSB heading in SNOMED CT. https://theprsb.org/standards/coreinformationstandard/ */
  readonly code: Code;
  readonly title: string;
  readonly items: readonly Item[];
  /**
   * Why there is nothing: nobody said anything. That somebody said that there is nothing is an item.
   * https://hl7.org/fhir/R4/valueset-list-empty-reason.html
   */
  readonly empty?: 'unavailable';
}

export interface WorkItem {
  /** Of the resource that is waited about. */
  readonly stream: string;
  /** ISO 8601: since when it waits. */
  readonly since: string;
  /** ISO 8601: when it is overdue. */
  readonly due?: string;
  /** ISO 8601: on the list from then on, and until then; what is not told sets no end to it. */
  readonly opens?: string;
  readonly until?: string;
  /** Whose work it is: `Organization/id` or an ODS code, where the facts tell. */
  readonly owner?: string;
  /** A code of the list's own: a state, a score. */
  readonly state: string;
  readonly text: string;
  /** Waits without an alert: who must know was told of it, or of something worse. */
  readonly isQuiet?: true;
  /** Streams of what it rests on besides: its alert is for nobody who may not know of them. */
  readonly because?: readonly string[];
  /** What names the cause of an alert, where `stream` may come to be another before it is raised; bookkeeping. */
  readonly cause?: string;
  /** ISO 8601: from then on it alerts nobody any more, though it waits. */
  readonly alertsUntil?: string;
}

/** Whether the item is on its list at `now` (milliseconds UTC). */
export function isOpenAt({ opens, until }: WorkItem, now: number): boolean {
  return (
    (opens === undefined || Date.parse(opens) <= now) && (until === undefined || Date.parse(until) > now)
  );
}

export interface Worklist {
  /** In kebab case; unique over all settings. */
  readonly name: string;
  readonly title: string;
  /** Only facts of these kinds change it. */
  readonly kinds: ReadonlySet<Kind>;
  /** Of those kinds only facts of which this is true; all of them unless told. What is much and says nothing here costs nothing here. */
  readonly concerns?: (fact: Fact) => boolean;
  /** Of one person. Pure: the same facts in any order give the same items, whatever the time is. */
  readonly items: (facts: readonly Placed[]) => readonly WorkItem[];
  /** Each item of this list raises a Task, once. One that opens later than it comes is found where the list alerts `whenDue`. */
  readonly alert?: Alert;
  /** Nobody's list: its items are Tasks of alerts that the platform takes back. */
  readonly withdraws?: true;
}

/** What is put on the worklist of those who must know. */
export interface Alert {
  readonly code: Code;
  readonly priority: 'urgent' | 'asap' | 'stat';
  /** Not for the patient, nor for who stands for them. */
  readonly isHiddenFromPatient: boolean;
  /** Raised when the item is due rather than when it comes. */
  readonly whenDue?: true;
  /**
   * So long ago (milliseconds) it may have begun and still be told of, its Task saying that it is late; seven days unless told,
   * without a word. What began before is history that was loaded.
   */
  readonly lateWithinMs?: number;
}

export type CareSettingName =
  | 'general-practice'
  | 'acute'
  | 'urgent-care'
  | 'community'
  | 'mental-health'
  | 'social-care'
  | 'pharmacy'
  | 'patient'
  | 'population';

export interface CareSetting extends KeptByCareSetting {
  readonly name: CareSettingName;
  /** Changes when `kinds`, the worklists or the tables change: the read model is built anew. */
  readonly version: number;
  readonly title: string;
  /** The first page of a person, as of `now` (milliseconds UTC). Pure; the order of the facts means nothing. */
  readonly page: (facts: readonly Placed[], now: number) => readonly Section[];
}

/** Of one care setting, or of several together. */
export interface KeptByCareSetting {
  /** What is kept; anything else never reaches its tables. */
  readonly kinds: ReadonlySet<Kind>;
  /** Each of kinds that are kept. */
  readonly worklists: readonly Worklist[];
}
