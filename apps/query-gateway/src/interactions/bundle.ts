/** Batch and transaction. https://hl7.org/fhir/R4/http.html#transaction */
import type { ParsedResource, RecordEntry, RecordOutcome, RecordedEntry } from '@carelog/activity';
import { operationOutcome, parseJson, validateResource, type Problem } from '@carelog/fhir';
import type { Shown } from '@carelog/read-models';
import { allow } from '../access.ts';
import { room } from '../consistency.ts';
import {
  preference,
  Refusal,
  refuse,
  type FhirAnswer,
  type FhirRequest,
  type Gateway,
  type Outcome,
} from '../gateway.ts';
import { statusText, statusOfProblems } from '../status.ts';
import { recordRefusal, UNACCOUNTED } from '../account.ts';
import {
  asShown,
  conditionsOf,
  idempotencyKeyOf,
  locationOf,
  notesOf,
  refusalOf,
  shownByWriting,
} from './write.ts';

export const ENTRIES_MAX = 5_000;

/** Answers an entry that only reads; the same interactions that answer a request by itself. */
export type Interact = (request: FhirRequest) => Outcome;

type Json = Record<string, unknown>;
type Part =
  | { readonly kind: 'write'; readonly entry: RecordEntry }
  | { readonly kind: 'read'; readonly request: FhirRequest }
  | { readonly kind: 'wrong'; readonly problems: readonly Problem[] };

export async function bundle(
  gateway: Gateway,
  request: FhirRequest,
  interact: Interact,
): Promise<FhirAnswer | Refusal> {
  const parsed = parseBundle(request);
  if (parsed instanceof Refusal) return parsed;
  const { mode, exact } = parsed;
  const allowed = allow(gateway, request.caller, mode);
  if (allowed instanceof Refusal) return allowed;
  const idempotencyKey = idempotencyKeyOf(request);
  if (idempotencyKey instanceof Refusal) return idempotencyKey;
  const parts = parsed.entries.map((entry, index) => partOf(request, entry, index, exact));
  const wrong = parts.flatMap((part) => (part.kind === 'wrong' ? part.problems : []));
  if (wrong.length > 0 && mode === 'transaction') return new Refusal(wrong);
  const full = await room(gateway);
  if (full !== undefined) return full;

  const writes = parts.flatMap((part) => (part.kind === 'write' ? [part.entry] : []));
  const outcomes =
    writes.length === 0
      ? []
      : await gateway.recordActivity.record({
          caller: request.caller,
          mode,
          entries: writes,
          wantsNotes: preference(request, 'return') === 'OperationOutcome',
          ...(idempotencyKey !== undefined && { idempotencyKey }),
          ...(request.trace !== undefined && { trace: request.trace }),
        });
  const [whole] = outcomes;
  if (mode === 'transaction' && whole?.kind === 'refused') return refusalOf(request, writes, whole);
  const answer = await answerParts(gateway, request, mode, parts, outcomes, interact);
  const isRecorded = outcomes.some(({ kind }) => kind === 'recorded');
  return { ...answer, basis: allowed.basis, ...(isRecorded && { isRecorded }) };
}

interface ParsedBundle {
  readonly mode: 'transaction' | 'batch';
  readonly entries: readonly Json[];
  readonly exact?: ParsedResource['exact'];
}

function parseBundle(request: FhirRequest): ParsedBundle | Refusal {
  const outcome = parseJson(request.body);
  if (outcome.kind === 'malformed') return new Refusal(outcome.problems);
  const value = outcome.value as Json;
  if (
    typeof value !== 'object' ||
    value === null ||
    value['resourceType'] !== 'Bundle' ||
    !['transaction', 'batch'].includes(value['type'] as string)
  ) {
    const message =
      'The FHIR base takes a Bundle of type transaction or batch. Send any other resource to the URL of its type, for example /Bundle or /Patient.';
    return refuse({ category: 'incorrect', code: 'invalid', message, expression: 'Bundle.type' });
  }
  const entries = Array.isArray(value['entry']) ? (value['entry'] as Json[]) : [];
  if (entries.length > ENTRIES_MAX) {
    const message = `A Bundle may have at most ${ENTRIES_MAX} entries. Send it in parts.`;
    return refuse({ category: 'too-large', code: 'too-costly', message, expression: 'Bundle.entry' });
  }
  const problems = validateResource(frameOf(value)).filter(
    (problem) => (problem.severity ?? 'error') === 'error',
  );
  if (problems.length > 0) return new Refusal(problems);
  const mode = value['type'] as 'transaction' | 'batch';
  return { mode, entries, ...(outcome.exact !== undefined && { exact: outcome.exact }) };
}

// The resources are validated entry by entry when they are accepted, so here only what holds them.
function frameOf(bundle: Json): Json {
  if (!Array.isArray(bundle['entry'])) return bundle;
  const frame = (entry: unknown): unknown => {
    if (typeof entry !== 'object' || entry === null || !('resource' in entry)) return entry;
    const { resource, ...rest } = entry;
    return typeof resource === 'object' && resource !== null && 'resourceType' in resource ? rest : entry;
  };
  return { ...bundle, entry: bundle['entry'].map(frame) };
}

function partOf(request: FhirRequest, entry: Json, index: number, exact: ParsedResource['exact']): Part {
  const place = `Bundle.entry[${index}]`;
  const asked = entry['request'] as Json | undefined;
  const wrong = (message: string, element = 'request', code = 'invalid'): Part => ({
    kind: 'wrong',
    problems: [{ category: 'incorrect', code, message, expression: `${place}.${element}` }],
  });
  if (asked === undefined)
    return wrong(
      'An entry of a transaction or batch needs a request. Send its method and url.',
      'request',
      'required',
    );
  const { method, url: address } = asked;
  if (typeof address !== 'string')
    return wrong(
      'The request has no url. Send the one that the entry would go to.',
      'request.url',
      'required',
    );
  const url = address.replace(`${request.base}/`, '').replace(/^\//, '');
  const [path = '', query = ''] = splitOnce(url, '?');
  const steps = path.split('/').filter((step) => step !== '').map(decodeStep); // prettier-ignore
  if (method === 'GET' || method === 'HEAD') {
    const headers = { ...request.headers, 'if-none-match': asked['ifNoneMatch'] as string | undefined };
    return {
      kind: 'read',
      request: {
        ...request,
        method: 'GET',
        path: steps,
        query: new URLSearchParams(query),
        headers,
        body: '',
      },
    };
  }
  if (method !== 'POST' && method !== 'PUT' && method !== 'DELETE') {
    return wrong(
      'This method is not supported in a Bundle. Use GET, POST, PUT or DELETE.',
      'request.method',
      'not-supported',
    );
  }
  if (query !== '')
    return wrong(
      'Conditional update and delete are not supported. Name the resource by its id.',
      'request.url',
      'not-supported',
    );
  const [type = '', id, ...more] = steps;
  if (more.length > 0 || (method === 'POST') !== (id === undefined)) {
    return wrong(
      `The url does not fit the method. POST goes to <type>; PUT and DELETE go to <type>/<id>.`,
      'request.url',
    );
  }
  const resource = entry['resource'] as Json | undefined;
  if (resource === undefined && method !== 'DELETE')
    return wrong(`An entry with ${method} needs a resource.`, 'resource', 'required');
  const conditions = conditionsOf(
    asked['ifMatch'] as string | undefined,
    method === 'PUT' ? (asked['ifNoneMatch'] as string | undefined) : undefined,
  );
  if (conditions instanceof Refusal)
    return {
      kind: 'wrong',
      problems: conditions.problems.map((problem) => ({ ...problem, expression: `${place}.request` })),
    };
  const fullUrl = entry['fullUrl'] as string | undefined;
  const ifNoneExist = method === 'POST' ? (asked['ifNoneExist'] as string | undefined) : undefined;
  return {
    kind: 'write',
    entry: {
      method,
      type,
      expression: `${place}.resource`,
      ...(id !== undefined && { id }),
      ...(resource !== undefined &&
        method !== 'DELETE' && { resource: { value: resource, ...(exact && { exact }) } }),
      ...(fullUrl !== undefined && { fullUrl }),
      ...(ifNoneExist !== undefined && { ifNoneExist: ifNoneExist.replace(/^.*\?/, '') }),
      ...conditions,
    },
  };
}

/** Entries of the answer stand in the order of the request, as the specification asks. */
async function answerParts(
  gateway: Gateway,
  request: FhirRequest,
  mode: 'transaction' | 'batch',
  parts: readonly Part[],
  outcomes: readonly RecordOutcome[],
  interact: Interact,
): Promise<FhirAnswer> {
  let written = 0;
  let position = 0;
  const wanted = preference(request, 'return');
  const texts: string[] = [];
  const shown: Shown[] = [];
  for (const part of parts) {
    if (part.kind === 'read') {
      const answer = await interact(part.request);
      if (!(answer instanceof Refusal) && answer.shown !== undefined) shown.push(answer.shown);
      texts.push(readText(await accounted(gateway, part.request, answer)));
    } else if (part.kind === 'wrong') texts.push(refusedText(part.problems));
    else {
      const outcome = outcomes[mode === 'transaction' ? 0 : written]!;
      if (outcome.kind === 'recorded') {
        const recorded = await asShown(
          gateway,
          request,
          outcome.entries[mode === 'transaction' ? written : 0]!,
        );
        position = Math.max(position, outcome.position);
        shown.push(shownByWriting(recorded));
        texts.push(recordedText(recorded, wanted));
      } else {
        const refusal = new Refusal(outcome.problems, {}, outcome.withheld);
        texts.push(readText(await accounted(gateway, askedBy(request, part.entry), refusal)));
      }
      written += 1;
    }
  }
  const entries = texts.length === 0 ? '' : `,"entry":[${texts.join(',')}]`;
  const headers: Record<string, string> = position > 0 ? { 'carelog-position': String(position) } : {};
  const body = `{"resourceType":"Bundle","type":"${mode}-response"${entries}}`;
  return { status: 200, headers, body, shown: together(shown) };
}

/** Nobody is told of a refusal that no account could be kept of. */
export async function accounted(
  gateway: Gateway,
  part: FhirRequest,
  answer: FhirAnswer | Refusal,
): Promise<FhirAnswer | Refusal> {
  if (!(answer instanceof Refusal) || answer.withheld === undefined) return answer;
  return (await recordRefusal(gateway, part, answer)) ? answer : UNACCOUNTED;
}

/** The entry as the request that it would have been by itself. */
export function askedBy(request: FhirRequest, { method, type, id }: RecordEntry): FhirRequest {
  return { ...request, method, path: id === undefined ? [type] : [type, id], query: new URLSearchParams() };
}

export function together(parts: readonly Shown[]): Shown {
  return {
    versions: parts.flatMap(({ versions }) => (versions === '' ? [] : versions)).join(','),
    patients: [...new Set(parts.flatMap(({ patients }) => patients))],
    isConcealed: parts.some(({ isConcealed }) => isConcealed),
  };
}

function recordedText(recorded: RecordedEntry, wanted: string | undefined): string {
  const status = recorded.kind === 'created' ? 201 : recorded.kind === 'deleted' ? 204 : 200;
  const etag = recorded.versionId > 0 ? `,"etag":"W/\\"${recorded.versionId}\\""` : '';
  const modified = recorded.lastUpdated === '' ? '' : `,"lastModified":"${recorded.lastUpdated}"`;
  const location = recorded.kind === 'deleted' ? '' : `,"location":"${locationOf(recorded)}"`;
  // 200 is also the answer to a new version: only this tells that nothing new was recorded.
  const told = wanted === 'OperationOutcome' || recorded.kind === 'existing';
  const outcome = told ? `,"outcome":${JSON.stringify(operationOutcome(notesOf(recorded)))}` : '';
  const response = `"response":{"status":"${statusText(status)}"${location}${etag}${modified}${outcome}}`;
  const resource = wanted === undefined || wanted === 'representation' ? recorded.body : undefined;
  return resource === undefined ? `{${response}}` : `{"resource":${resource},${response}}`;
}

function refusedText(problems: readonly Problem[]): string {
  const outcome = JSON.stringify(operationOutcome(problems));
  return `{"response":{"status":"${statusText(statusOfProblems(problems))}","outcome":${outcome}}}`;
}

function readText(answer: FhirAnswer | Refusal): string {
  if (answer instanceof Refusal) return refusedText(answer.problems);
  const etag = answer.headers?.['etag'];
  const response = `"response":{"status":"${statusText(answer.status)}"${etag === undefined ? '' : `,"etag":${JSON.stringify(etag)}`}}`;
  if (answer.body === undefined) return `{${response}}`;
  const text = typeof answer.body === 'string' ? answer.body : Buffer.concat(answer.body).toString();
  return `{"resource":${text},${response}}`;
}

function splitOnce(text: string, at: string): [string, string] {
  const index = text.indexOf(at);
  return index < 0 ? [text, ''] : [text.slice(0, index), text.slice(index + 1)];
}

function decodeStep(step: string): string {
  try {
    return decodeURIComponent(step);
  } catch {
    return step;
  }
}
