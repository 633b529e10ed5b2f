/** Where an accepted entry points: at other entries of its transaction, at people, at resources by a condition. */
import type { ParsedResource } from '@carelog/activity';
import { forEachReference, type Problem } from '@carelog/fhir';

/** One place in a parsed resource that holds a reference as text. */
export interface ReferencePlace {
  readonly holder: Record<string, unknown>;
  readonly key: string;
  /** As it was received; the place itself is rewritten when its target is known. */
  readonly asReceived: string;
  readonly expression: string;
}

export interface References {
  /** Places that name an entry of the same transaction by its `fullUrl`. */
  readonly toEntries: readonly ReferencePlace[];
  /** `Patient?identifier=…`: to be replaced by the one resource that matches. */
  readonly conditional: readonly ReferencePlace[];
  /** `Type/id`, without a version. */
  readonly literal: readonly ReferencePlace[];
}

const LITERAL = /^([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})(\/_history\/[A-Za-z0-9\-.]{1,64})?$/;
const CONDITIONAL = /^[A-Z][A-Za-z]+\?/;

/** `<Type>/<id>` of a literal relative reference, without its version. */
export function literalTarget(reference: string): string | undefined {
  const match = LITERAL.exec(reference);
  return match === null ? undefined : `${match[1]}/${match[2]}`;
}

/** `fullUrls`: of the entries of the transaction. Also finds them in elements that hold a bare uri, as the specification asks. */
export function referencesOf(parsed: ParsedResource, fullUrls: ReadonlySet<string>): References {
  const toEntries: ReferencePlace[] = [];
  const conditional: ReferencePlace[] = [];
  const literal: ReferencePlace[] = [];
  forEachReference(parsed.value, (holder, expression) => {
    if (typeof holder.reference !== 'string') return;
    const asReceived = holder.reference;
    const place = { holder: holder as Record<string, unknown>, key: 'reference', asReceived, expression };
    if (fullUrls.has(asReceived)) toEntries.push(place);
    else if (CONDITIONAL.test(asReceived)) conditional.push(place);
    else if (LITERAL.test(asReceived)) literal.push(place);
  });
  if (fullUrls.size > 0) collectUris(parsed.value, fullUrls, toEntries);
  return { toEntries, conditional, literal };
}

const URI_KEYS = new Set(['url', 'uri', 'valueUri', 'valueUrl', 'valueUuid', 'valueOid', 'valueCanonical']);

// https://hl7.org/fhir/R4/http.html#trules: links in elements of type uri, url, oid and uuid are replaced too.
function collectUris(value: unknown, fullUrls: ReadonlySet<string>, found: ReferencePlace[]): void {
  if (Array.isArray(value)) {
    for (const item of value) collectUris(item, fullUrls, found);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  const holder = value as Record<string, unknown>;
  for (const [key, member] of Object.entries(holder)) {
    if (typeof member === 'object') collectUris(member, fullUrls, found);
    else if (typeof member === 'string' && URI_KEYS.has(key) && fullUrls.has(member)) {
      found.push({ holder, key, asReceived: member, expression: key });
    }
  }
}

/** Puts what a reference turned out to mean into its place. */
export function rewrite({ holder, key }: ReferencePlace, target: string): void {
  holder[key] = target;
}

export function unknownPatient(expression: string): Problem {
  return {
    category: 'rejected',
    code: 'not-found',
    message:
      'Nobody is registered under this reference. Register the person first (PUT or POST Patient), send both in one transaction, or name the person by NHS number in `identifier` instead of `reference`.',
    expression,
  };
}

export function notArrived(expression: string): Problem {
  return {
    category: 'not-found',
    code: 'not-found',
    severity: 'information',
    message:
      'What this refers to has not been recorded yet. It was accepted; nothing needs to be sent again once it arrives.',
    expression,
  };
}
