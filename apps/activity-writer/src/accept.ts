/**
 * received → accepted: the part that needs no log. Parses, validates, checks ids and identifiers, and says everything
 * that is wrong with every entry at once.
 */
import {
  noCallerFacts,
  restrictionOf,
  type AccessAction,
  type AccessBasis,
  type AccessRefusal,
  type Caller,
  type Policy,
} from '@carelog/access';
import {
  canonicalContent,
  type ParsedResource,
  type RecordEntry,
  type RecordRequest,
  type Withheld,
} from '@carelog/activity';
import {
  isNhsNumber,
  isNhsNumberSystem,
  isResourceType,
  looksLikeNhsNumber,
  parseJson,
  validateResource,
  type Problem,
} from '@carelog/fhir';
import { referencesOf, type References } from './references.ts';

/** An entry that is right by itself; whether it fits the record is decided with the log. */
export interface AcceptedEntry {
  readonly entry: RecordEntry;
  readonly type: string;
  /** Why the caller may write this type at all; where they may not write everything of it, more is asked. */
  readonly basis: AccessBasis;
  /** Absent for DELETE. */
  readonly parsed?: ParsedResource;
  /** Found once, as they were received: a plan that is made again resolves them again. */
  readonly references: References;
  /**
   * Its content as it was received, before references are resolved; only where the event id can come again. Canonical where a
   * client sends it again; what a gateway named is sent again letter by letter.
   */
  readonly receivedContent?: string;
  readonly eventId?: string;
  /** Valid NHS numbers of a Patient that are in use. */
  readonly nhsNumbers: readonly string[];
}

export type Acceptance =
  | { readonly kind: 'accepted'; readonly entries: readonly AcceptedEntry[] }
  | { readonly kind: 'refused'; readonly problems: readonly Problem[]; readonly withheld?: Withheld };

export const ENTRIES_MAX = 5_000;

/** `eventIdOf` derives the event id of the entry at an index, where the request or the entry asks for one. */
export function accept(
  request: RecordRequest,
  policy: Policy,
  eventIdOf: (entry: RecordEntry, index: number) => string | undefined,
): Acceptance {
  if (request.entries.length > ENTRIES_MAX) {
    const message = `A Bundle may have at most ${ENTRIES_MAX} entries that write. Send it in parts.`;
    return refused([{ category: 'too-large', code: 'too-costly', message, expression: 'Bundle.entry' }]);
  }
  const problems: Problem[] = [];
  const entries: AcceptedEntry[] = [];
  let withheld: Withheld | undefined;
  const fullUrls = new Set(
    request.entries.flatMap(({ fullUrl }) => (fullUrl === undefined ? [] : [fullUrl])),
  );
  const mayWrite = decisionsFor(request.caller, policy);
  for (const [index, entry] of request.entries.entries()) {
    const decision = mayWrite(entry);
    if (!decision.permit) withheld ??= { reason: decision.code };
    const outcome = decision.permit
      ? acceptEntry(entry, decision.basis, fullUrls, eventIdOf(entry, index))
      : { problems: [forbidden(decision)] };
    for (const problem of outcome.problems) problems.push(placed(problem, entry));
    if (outcome.accepted !== undefined) entries.push(outcome.accepted);
  }
  if (problems.length === 0) problems.push(...writtenTwice(entries));
  return problems.length > 0 ? refused(problems, withheld) : { kind: 'accepted', entries };
}

/** Puts a problem of one entry into the place that its sender knows: `Bundle.entry[3].resource.status`. */
export function placed(problem: Problem, entry: RecordEntry): Problem {
  if (entry.expression === undefined) return problem;
  const within = problem.expression?.replace(/^[A-Za-z]+/, '') ?? '';
  return { ...problem, expression: `${entry.expression}${within}` };
}

const NO_REFERENCES: References = { toEntries: [], conditional: [], literal: [] };

type EntryOutcome =
  | { readonly problems: readonly []; readonly accepted: AcceptedEntry }
  | { readonly problems: readonly Problem[]; readonly accepted?: never };

function acceptEntry(
  entry: RecordEntry,
  basis: AccessBasis,
  fullUrls: ReadonlySet<string>,
  eventId: string | undefined,
): EntryOutcome {
  const addressed = addressProblems(entry);
  if (addressed.length > 0) return { problems: addressed };
  if (entry.method === 'DELETE') {
    return {
      problems: [],
      accepted: {
        entry,
        type: entry.type,
        basis,
        nhsNumbers: [],
        references: NO_REFERENCES,
        ...(eventId && { eventId }),
      },
    };
  }
  const parsed = parse(entry);
  if ('problems' in parsed) return parsed;
  const mistaken = identityProblems(entry, parsed.value);
  if (mistaken.length > 0) return { problems: mistaken };
  const problems = validateResource(parsed.value).filter((it) => (it.severity ?? 'error') === 'error');
  if (problems.length > 0) return { problems };
  const { valid, invalid } = nhsNumbersOf(parsed.value);
  if (invalid.length > 0) return { problems: invalid };
  const isNamed = entry.eventId !== undefined && typeof entry.resource === 'string';
  const received = () => (isNamed ? entry.resource : canonicalContent(parsed.value, parsed.exact));
  const receivedContent = eventId === undefined ? {} : { eventId, receivedContent: received() };
  return {
    problems: [],
    accepted: {
      entry,
      type: entry.type,
      basis,
      parsed,
      references: referencesOf(parsed, fullUrls),
      nhsNumbers: valid,
      ...receivedContent,
    },
  };
}

const ACTIONS: Record<RecordEntry['method'], AccessAction> = {
  POST: 'create',
  PUT: 'update',
  DELETE: 'delete',
};

/** Entries of a Bundle are often of one kind, of which is decided once. */
function decisionsFor(caller: Caller, policy: Policy) {
  const made = new Map<string, ReturnType<typeof restrictionOf>>();
  return ({ method, type }: RecordEntry) => {
    const kind = `${method} ${type}`;
    const known = made.get(kind);
    if (known !== undefined) return known;
    const decision = restrictionOf(caller, ACTIONS[method], type, noCallerFacts, policy);
    made.set(kind, decision);
    return decision;
  };
}

function forbidden({ reason, remedy }: AccessRefusal): Problem {
  return { category: 'forbidden', code: 'forbidden', message: `${reason} ${remedy}` };
}

function parse(entry: RecordEntry): ParsedResource | { readonly problems: readonly Problem[] } {
  if (typeof entry.resource === 'object') return entry.resource;
  const outcome = parseJson(entry.resource ?? '');
  if (outcome.kind === 'malformed') return { problems: outcome.problems };
  const { value } = outcome;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const message = `The body is not a JSON object. Send one ${entry.type} resource.`;
    return { problems: [{ category: 'incorrect', code: 'structure', message, expression: entry.type }] };
  }
  const resource = value as Record<string, unknown>;
  return outcome.exact === undefined ? { value: resource } : { value: resource, exact: outcome.exact };
}

const FHIR_ID = /^[A-Za-z0-9\-.]{1,64}$/;

function addressProblems(entry: RecordEntry): readonly Problem[] {
  if (!isResourceType(entry.type)) {
    const message =
      'This is not a resource type of FHIR R4. Names are case-sensitive, for example Observation.';
    return [{ category: 'not-found', code: 'not-supported', message }];
  }
  if (entry.type === 'Subscription') return [BESIDE_THE_RECORD];
  if (entry.method === 'POST') return [];
  if (entry.id === undefined || !FHIR_ID.test(entry.id)) {
    const message = 'The id in the URL is not a FHIR id. Use 1 to 64 letters, digits, hyphens and dots.';
    return [{ category: 'incorrect', code: 'value', message }];
  }
  if (entry.method === 'PUT' && looksLikeNhsNumber(entry.id)) {
    const message =
      'The id has the shape of an NHS number, which must not stand in URLs. Choose another id, for example a UUID, and send the number as identifier.';
    return [{ category: 'rejected', code: 'business-rule', message, expression: `${entry.type}.id` }];
  }
  return [];
}

/** They hold addresses and secrets, and change with each delivery: nothing of that is an activity of care. */
const BESIDE_THE_RECORD: Problem = {
  category: 'rejected',
  code: 'not-supported',
  message:
    'A Subscription is not part of the record, so it is in no transaction, batch or import. Send it by itself: POST [base]/Subscription, or PUT and DELETE at [base]/Subscription/[id].',
  expression: 'Subscription',
};

function identityProblems(entry: RecordEntry, resource: Record<string, unknown>): readonly Problem[] {
  if (resource['resourceType'] !== entry.type) {
    const message = `The resource is not a ${entry.type}, but it was sent to ${entry.type}. Send it to the URL of its own type.`;
    return [{ category: 'incorrect', code: 'invalid', message, expression: `${entry.type}.resourceType` }];
  }
  if (entry.method === 'PUT' && resource['id'] !== entry.id) {
    const message = 'The id of the resource is not the id in the URL. Make both the same.';
    return [{ category: 'incorrect', code: 'value', message, expression: `${entry.type}.id` }];
  }
  return [];
}

function nhsNumbersOf(resource: Record<string, unknown>): {
  valid: readonly string[];
  invalid: readonly Problem[];
} {
  if (resource['resourceType'] !== 'Patient' || !Array.isArray(resource['identifier']))
    return { valid: [], invalid: [] };
  const valid: string[] = [];
  const invalid: Problem[] = [];
  for (const [index, identifier] of (resource['identifier'] as Identifier[]).entries()) {
    if (!isNhsNumberSystem(identifier.system) || identifier.value === undefined) continue;
    if (!isNhsNumber(identifier.value))
      invalid.push({ ...NOT_A_NUMBER, expression: `Patient.identifier[${index}].value` });
    else if (identifier.use !== 'old') valid.push(identifier.value);
  }
  return { valid: [...new Set(valid)], invalid };
}

interface Identifier {
  readonly system?: string;
  readonly value?: string;
  readonly use?: string;
}

const NOT_A_NUMBER: Problem = {
  category: 'rejected',
  code: 'value',
  message:
    'This is not an NHS number: it must be 10 digits without spaces, the last of which is the modulus 11 check digit of the others. Correct it, or leave the identifier out and send the reason as Extension-UKCore-NHSNumberUnavailableReason.',
};

function writtenTwice(entries: readonly AcceptedEntry[]): readonly Problem[] {
  const seen = new Set<string>();
  const problems: Problem[] = [];
  for (const { entry } of entries) {
    if (entry.id === undefined) continue;
    const name = `${entry.type}/${entry.id}`;
    if (seen.has(name)) {
      const message = 'A transaction may write a resource only once. Keep one of the entries for it.';
      problems.push(placed({ category: 'incorrect', code: 'duplicate', message }, entry));
    }
    seen.add(name);
  }
  return problems;
}

function refused(problems: readonly Problem[], withheld?: Withheld): Acceptance {
  return { kind: 'refused', problems, ...(withheld !== undefined && { withheld }) };
}
