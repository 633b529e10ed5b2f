/**
 * What a FHIR search asks, after its parameters were read: the shapes that a read model answers.
 * https://hl7.org/fhir/R4/search.html
 */

/** Conditions are joined by AND; the values inside one condition by OR. */
export interface SearchQuery {
  readonly type: string;
  readonly conditions: readonly SearchCondition[];
  /** First key first; none leaves the order to the view. */
  readonly sort?: readonly SortKey[];
}

export type SearchCondition =
  | { readonly kind: 'id'; readonly parameter: '_id'; readonly values: readonly string[] }
  | {
      readonly kind: 'last-updated';
      readonly parameter: '_lastUpdated';
      readonly values: readonly DateComparison[];
    }
  /** `not`: no value of the element is one of these; a resource without the element matches too. */
  | {
      readonly kind: 'token';
      readonly parameter: string;
      readonly values: readonly TokenValue[];
      readonly not?: true;
    }
  /** `:text`: the words that go with a code begin with one of these, compared as strings are. Normalised. */
  | { readonly kind: 'token-text'; readonly parameter: string; readonly values: readonly string[] }
  | { readonly kind: 'reference'; readonly parameter: string; readonly values: readonly ReferenceValue[] }
  /** `:identifier`: the reference carries this identifier, whether or not it carries an address too. */
  | { readonly kind: 'identifier'; readonly parameter: string; readonly values: readonly TokenValue[] }
  | { readonly kind: 'date'; readonly parameter: string; readonly values: readonly DateComparison[] }
  /** Normalised (`normaliseString`), but for `exact`, which compares every character. */
  | {
      readonly kind: 'string';
      readonly parameter: string;
      readonly match: 'prefix' | 'exact' | 'contains';
      readonly values: readonly string[];
    }
  | { readonly kind: 'number'; readonly parameter: string; readonly values: readonly NumberComparison[] }
  | { readonly kind: 'quantity'; readonly parameter: string; readonly values: readonly QuantityComparison[] }
  | { readonly kind: 'uri'; readonly parameter: string; readonly values: readonly string[] }
  /** `:missing`: whether the resource has no value that the parameter reads. */
  | { readonly kind: 'missing'; readonly parameter: string; readonly missing: boolean }
  /** `/Patient/1/Observation`: in this compartment for any reason that the CompartmentDefinition names. */
  | {
      readonly kind: 'compartment';
      /** `Type/id` whose compartment it is. */
      readonly of: string;
      /** The reference parameters of the type, any of which puts a resource into it. */
      readonly parameters: readonly string[];
    };

/**
 * `code`, `system|code`, `system|` (any code of it) and `|code` (a code without system): `system` is undefined where any
 * will do and null where there must be none; `code` is undefined where any will do.
 */
export interface TokenValue {
  readonly system: string | null | undefined;
  readonly code: string | undefined;
}

/**
 * `target` is `Type/id` for a resource of this server, else the absolute URL as sent; with `/_history/n` at its end it
 * means references to just that version.
 */
export interface ReferenceValue {
  readonly target: string;
}

export type Prefix = 'eq' | 'ne' | 'gt' | 'lt' | 'ge' | 'le' | 'sa' | 'eb' | 'ap';

/** The value's implicit range in milliseconds UTC, both ends inside it. */
export interface DateComparison {
  readonly prefix: Prefix;
  readonly low: number;
  readonly high: number;
}

/**
 * `value` is the number itself; `low` (inside) and `high` (outside) the range that its precision implies: `100` is 99.5 up
 * to 100.5, `5.40` is 5.395 up to 5.405. `ap` has its own wider range there already. https://hl7.org/fhir/R4/search.html#number
 */
export interface NumberComparison {
  readonly prefix: Prefix;
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** As sent: `5.4|system|code`, `5.4||unit`, or `5.4` in any unit. `system` and `unit` are undefined where none was sent. */
export interface QuantityComparison extends NumberComparison {
  readonly system: string | undefined;
  /** The code where a system was sent; else what is a code or a written unit. */
  readonly unit: string | undefined;
}

export interface SortKey {
  /** `_id`, `_lastUpdated`, or a parameter of type token, reference, date, string, number, quantity or uri. */
  readonly parameter: string;
  readonly descending: boolean;
}

/** `_include=Observation:subject:Patient`, `_revinclude=Provenance:target`, `:iterate`, and `*` for every reference. */
export interface Include {
  readonly direction: 'forward' | 'reverse';
  /** Where the reference is; a wildcard (`*`) only forward, and then `parameter` is `*` too. */
  readonly source: string;
  /** A reference parameter of `source`, or `*`. */
  readonly parameter: string;
  readonly target?: string;
  readonly iterate: boolean;
}
