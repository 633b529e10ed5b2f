/**
 * The one way in. The gateway hands over what it received; the activity writer accepts and records it, or refuses with
 * everything that is wrong. Embedded it is a function call; in a cluster the same shape crosses a Nest microservice client.
 */
import type { AccessBasis, Caller } from '@carelog/access';
import type { Problem } from '@carelog/fhir';

export interface RecordRequest {
  readonly caller: Caller;
  /** `single` and `transaction` are all or nothing; `batch` takes each entry by itself. */
  readonly mode: 'single' | 'transaction' | 'batch';
  readonly entries: readonly RecordEntry[];
  /** Makes event ids: the same key from the same publisher is the same activity. */
  readonly idempotencyKey?: string;
  /** Look for references to resources that have not arrived yet, and report them in the notes. */
  readonly wantsNotes?: boolean;
  /**
   * Whether a writer may have seen these event ids before: `first`, none can; `again`, the answer of an earlier try was lost, and
   * what it recorded is answered as it would have been then. Unknown where it is absent.
   */
  readonly delivery?: 'first' | 'again';
  /** W3C `traceparent` of the span that received it, where requests are traced. */
  readonly trace?: string;
}

export interface RecordEntry {
  readonly method: 'POST' | 'PUT' | 'DELETE';
  readonly type: string;
  /** PUT and DELETE: the id in the URL. */
  readonly id?: string;
  /** POST and PUT: JSON text of the resource, or a resource that was parsed with it. */
  readonly resource?: string | ParsedResource;
  /** `urn:uuid:…` that other entries of a transaction refer to this one by. */
  readonly fullUrl?: string;
  /** From `If-Match`: the version the client saw. */
  readonly ifMatch?: number;
  /** From `If-None-Match: *` on PUT: create only. */
  readonly ifNoneMatch?: boolean;
  /** From `If-None-Exist`: the search criteria as sent. */
  readonly ifNoneExist?: string;
  /** Where problems are reported from, e.g. `Bundle.entry[3].resource`; the resource type when absent. */
  readonly expression?: string;
  /** Event id chosen by an importer from content and place. */
  readonly eventId?: string;
  /**
   * What its publisher calls the activity, e.g. by `source` and `id` of a CloudEvent. Makes the event id: the same name from the
   * same publisher is the same activity, whichever gateway and in whatever company it comes.
   */
  readonly publishedAs?: string;
}

/** A resource as JSON value, beside what a JSON value cannot keep (exact decimals). See `parseJson` of `@carelog/fhir`. */
export interface ParsedResource {
  readonly value: Record<string, unknown>;
  readonly exact?: WeakMap<object, Map<string, string>>;
}

export interface RecordedEntry {
  /** `existing`: nothing new was recorded, because the same was recorded before; it stands at `id` and `versionId`. */
  readonly kind: 'created' | 'updated' | 'deleted' | 'existing';
  readonly type: string;
  readonly id: string;
  readonly versionId: number;
  readonly lastUpdated: string;
  readonly position: number;
  /** JSON text as served, with server `meta`; absent for `deleted`. */
  readonly body?: string;
  /** Why the caller may record it. */
  readonly basis: AccessBasis;
  /** Warnings and notes, e.g. references to resources that have not arrived yet. */
  readonly notes: readonly Problem[];
}

export type RecordOutcome =
  | { readonly kind: 'recorded'; readonly entries: readonly RecordedEntry[]; readonly position: number }
  | {
      readonly kind: 'refused';
      readonly problems: readonly Problem[];
      readonly location?: string;
      /** Set where the decision point refused, also where the answer looks like that to something unknown. */
      readonly withheld?: Withheld;
    };

export interface Withheld {
  /** One word of the decision point. */
  readonly reason: string;
  /** Whose record it was about, where that is known. */
  readonly patients?: readonly string[];
}

export interface RecordActivity {
  /** One outcome for `single` and `transaction`; one for each entry, in order, for `batch`. Throws only on faults. */
  record(request: RecordRequest): Promise<readonly RecordOutcome[]>;
}
