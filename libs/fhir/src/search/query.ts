/**
 * What a FHIR search asks, after its parameters were read: the shapes that a read model answers.
 * https://hl7.org/fhir/R4/search.html
 */

/** Conditions are joined by AND; the values inside one condition by OR. */
export interface SearchQuery {
  readonly type: string;
  readonly conditions: readonly SearchCondition[];
}

export type SearchCondition =
  | { readonly kind: 'id'; readonly parameter: '_id'; readonly values: readonly string[] }
  | {
      readonly kind: 'last-updated';
      readonly parameter: '_lastUpdated';
      readonly values: readonly DateComparison[];
    }
  | { readonly kind: 'token'; readonly parameter: string; readonly values: readonly TokenValue[] }
  | { readonly kind: 'reference'; readonly parameter: string; readonly values: readonly ReferenceValue[] }
  | { readonly kind: 'date'; readonly parameter: string; readonly values: readonly DateComparison[] };

/**
 * `code`, `system|code`, `system|` (any code of it) and `|code` (a code without system): `system` is undefined where any
 * will do and null where there must be none; `code` is undefined where any will do.
 */
export interface TokenValue {
  readonly system: string | null | undefined;
  readonly code: string | undefined;
}

/** `target` is `Type/id` for a resource of this server, else the absolute URL as sent. */
export interface ReferenceValue {
  readonly target: string;
}

export type DatePrefix = 'eq' | 'ne' | 'gt' | 'lt' | 'ge' | 'le' | 'sa' | 'eb' | 'ap';

/** The value's implicit range in milliseconds UTC, both ends inside it. */
export interface DateComparison {
  readonly prefix: DatePrefix;
  readonly low: number;
  readonly high: number;
}
