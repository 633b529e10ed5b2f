/** What the query gateway is given, and the shapes of a FHIR request and its answer inside it. */
import type { AccessBasis, Caller, Policy } from '@carelog/access';
import type { AccessLog, BrokenGlass } from '@carelog/access-log';
import type { RecordActivity, Withheld } from '@carelog/activity';
import type { EventStore } from '@carelog/event-store';
import type { Problem } from '@carelog/fhir';
import type { CareSettingQueries, PopulationQueries, RecordQueries, Shown } from '@carelog/read-models';
import type { Feed, SubscriptionStore } from '@carelog/subscriptions';
import type { FoundVersion } from './interactions/read.ts';
import type { FoundPage } from './interactions/search-again.ts';
import type { RecentAnswers } from './recent-answers.ts';

export interface Gateway {
  readonly recordActivity: RecordActivity;
  /** By which is decided. */
  readonly policy: Policy;
  readonly accessLog: AccessLog;
  readonly brokenGlass: BrokenGlass;
  /** What stands in an access record for a value that identifies somebody. */
  readonly digest: (value: string) => string;
  readonly record: RecordQueries;
  /** The activity log, for what an access record names by position. */
  readonly log: Pick<EventStore, 'readAll' | 'readStream'>;
  /** Position of the last event on disk, whoever recorded it; a promise where others record too and have to be asked. */
  readonly head: () => number | Promise<number>;
  /** How far the record view has come, and a bounded wait for it to come further. */
  readonly projected: {
    position(): number;
    /** False when the time ran out first. */
    waitFor(position: number, timeoutMs: number): Promise<boolean>;
  };
  /** The read model of each care setting by its name, and how far one of them has come, or all of them; absent where none are kept. */
  readonly careSettings?: {
    readonly of: ReadonlyMap<string, CareSettingQueries>;
    position(setting?: string): number;
    waitFor(position: number, timeoutMs: number, setting?: string): Promise<boolean>;
  };
  /** What is counted of the population, and how far it has come; absent where none is kept. */
  readonly population?: {
    readonly queries: PopulationQueries;
    position(): number;
    waitFor(position: number, timeoutMs: number): Promise<boolean>;
  };
  /** Where FHIR Subscriptions are kept. */
  readonly subscriptions: {
    readonly store: SubscriptionStore;
    /** 32 bytes that only this installation has: secrets are sealed under it, and derived from it. */
    readonly key: Uint8Array;
    /** Why nothing would ever be sent to this address; undefined where nothing speaks against it. */
    readonly refusalOf?: (endpoint: string) => string | undefined;
    /** Called when one was made, changed or ended here. */
    readonly changed?: () => void;
  };
  /**
   * Writers are held up while the record view is more than `lagMax` events behind: how many wait now, and how many were turned
   * away so far. Who reads right after a flood waits for as many.
   */
  readonly pressure: { readonly lagMax: number; waiting: number; turnedAway: number };
  /** Events that subscribers were told of so far, by channel. */
  readonly told: Record<'stream' | 'rest-hook' | 'websocket', number>;
  /** 32 bytes that only this installation has; what cursors are sealed with. */
  readonly cursorKey: Uint8Array;
  /** Given again at once, where this process alone hears first of everything that is recorded. */
  readonly recent?: {
    /** By `Type/id`. */
    readonly reads: RecentAnswers<FoundVersion>;
    /** First pages, by what was asked. */
    readonly pages: RecentAnswers<FoundPage>;
  };
  /** The log as subscribers are told of it. */
  readonly feed: Feed;
  readonly version: string;
  /** Where clients that know only the FHIR base, given here, get tokens; absent where that is not ours to say. */
  readonly tokensFrom?: (base: string) => {
    readonly authorize: string;
    readonly token: string;
    readonly introspect: string;
    readonly revoke: string;
  };
}

export interface FhirRequest {
  readonly method: string;
  /** Below the FHIR base, decoded: `['Patient', '1']`. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: string;
  readonly caller: Caller;
  /** Id of the HTTP request that it came with. */
  readonly correlation: string;
  /** W3C `traceparent` of its span, where it is traced. */
  readonly trace?: string;
  /** Absolute URL of the FHIR base as the client knows it, without a slash at its end. */
  readonly base: string;
}

export interface FhirAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON text of a resource, or its UTF-8 in parts; absent where there is none to give. Of another type, where the headers say so. */
  readonly body?: string | readonly Uint8Array[];
  /** For the access record: what is shown and whose it is, and why that was permitted. */
  readonly shown?: Shown;
  readonly basis?: AccessBasis;
  /** Something was recorded for it, and stays so whether or not it can be shown. */
  readonly isRecorded?: true;
  /** Its record is kept already. */
  readonly isAccounted?: true;
  /** The parts of the body are given again to whoever asks next. */
  readonly isKept?: true;
}

/** What an interaction gives: at once where it has no need to wait. */
export type Outcome = FhirAnswer | Refusal | Promise<FhirAnswer | Refusal>;

/** Expected refusals travel as this; whoever answers turns them into one OperationOutcome. */
export class Refusal {
  readonly problems: readonly Problem[];
  readonly headers: Readonly<Record<string, string>>;
  /** Set where the decision point refused, also where the answer looks like that to something unknown. */
  readonly withheld: Withheld | undefined;
  constructor(
    problems: readonly Problem[],
    headers: Readonly<Record<string, string>> = {},
    withheld?: Withheld,
  ) {
    this.problems = problems;
    this.headers = headers;
    this.withheld = withheld;
  }
}

export function refuse(problem: Problem, headers?: Readonly<Record<string, string>>): Refusal {
  return new Refusal([problem], headers);
}

/** `Prefer: return=…` (https://hl7.org/fhir/R4/http.html#ops) and `handling=…`. */
export function preference(request: FhirRequest, name: 'return' | 'handling'): string | undefined {
  const { prefer } = request.headers;
  return prefer === undefined ? undefined : PREFERENCES[name].exec(prefer)?.[1];
}

const PREFERENCES = {
  return: /(?:^|[,;\s])return=([A-Za-z]+)/,
  handling: /(?:^|[,;\s])handling=([A-Za-z]+)/,
};

/** The version in an entity tag, `W/"3"` or `"3"`; `undefined` for anything else. */
export function versionOfETag(tag: string): number | undefined {
  const digits = /^(?:W\/)?"([1-9]\d{0,14})"$/.exec(tag.trim())?.[1];
  return digits === undefined ? undefined : Number(digits);
}
