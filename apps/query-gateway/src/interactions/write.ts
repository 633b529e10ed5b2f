/** Create, update and delete, handed to the activity writer. https://hl7.org/fhir/R4/http.html#create, #update, #delete */
import type { RecordEntry, RecordedEntry, RecordOutcome } from '@carelog/activity';
import { operationOutcome, type Problem } from '@carelog/fhir';
import type { Shown } from '@carelog/read-models';
import { decide, standingOf } from '../access.ts';
import { caughtUp, room } from '../consistency.ts';
import {
  preference,
  refuse,
  Refusal,
  versionOfETag,
  type FhirAnswer,
  type FhirRequest,
  type Gateway,
} from '../gateway.ts';
import { scopeChallenge } from '../scope-challenge.ts';

export async function create(
  gateway: Gateway,
  request: FhirRequest,
  type: string,
): Promise<FhirAnswer | Refusal> {
  const ifNoneExist = request.headers['if-none-exist'];
  const entry = {
    method: 'POST',
    type,
    resource: request.body,
    ...(ifNoneExist !== undefined && { ifNoneExist }),
  } as const;
  return write(gateway, request, entry);
}

export async function update(
  gateway: Gateway,
  request: FhirRequest,
  type: string,
  id: string,
): Promise<FhirAnswer | Refusal> {
  const conditions = conditionsOf(request.headers['if-match'], request.headers['if-none-match']);
  if (conditions instanceof Refusal) return conditions;
  return write(gateway, request, { method: 'PUT', type, id, resource: request.body, ...conditions });
}

export async function remove(
  gateway: Gateway,
  request: FhirRequest,
  type: string,
  id: string,
): Promise<FhirAnswer | Refusal> {
  const conditions = conditionsOf(request.headers['if-match'], undefined);
  if (conditions instanceof Refusal) return conditions;
  return write(gateway, request, { method: 'DELETE', type, id, ...conditions });
}

/** `If-Match` and `If-None-Match` as an entry states them; a refusal where they cannot be meant for an update. */
export function conditionsOf(
  ifMatch: string | undefined,
  ifNoneMatch: string | undefined,
): { ifMatch?: number; ifNoneMatch?: boolean } | Refusal {
  const version = ifMatch === undefined || ifMatch.trim() === '*' ? undefined : versionOfETag(ifMatch);
  if (ifMatch !== undefined && ifMatch.trim() !== '*' && version === undefined) {
    const message =
      'If-Match is not an ETag of a version. Send it as you read it, for example If-Match: W/"3".';
    return refuse({ category: 'incorrect', code: 'value', message });
  }
  if (ifNoneMatch !== undefined && ifNoneMatch.trim() !== '*') {
    const message =
      'On an update, If-None-Match can only be *, which asks to create and never to change. Leave it out, or send If-Match.';
    return refuse({ category: 'incorrect', code: 'value', message });
  }
  return {
    ...(version !== undefined && { ifMatch: version }),
    ...(ifNoneMatch !== undefined && { ifNoneMatch: true }),
  };
}

async function write(
  gateway: Gateway,
  request: FhirRequest,
  entry: RecordEntry,
): Promise<FhirAnswer | Refusal> {
  const full = await room(gateway);
  if (full !== undefined) return full;
  const idempotencyKey = idempotencyKeyOf(request);
  if (idempotencyKey instanceof Refusal) return idempotencyKey;
  const [outcome] = await gateway.recordActivity.record({
    caller: request.caller,
    mode: 'single',
    entries: [entry],
    wantsNotes: preference(request, 'return') === 'OperationOutcome',
    ...(idempotencyKey !== undefined && { idempotencyKey }),
    ...(request.trace !== undefined && { trace: request.trace }),
  });
  return answerOf(gateway, request, entry, outcome!);
}

/** The header of that name, at most 255 visible characters. */
export function idempotencyKeyOf(request: FhirRequest): string | Refusal | undefined {
  const key = request.headers['idempotency-key'];
  if (key === undefined || /^[\x21-\x7e]{1,255}$/.test(key)) return key;
  const message =
    'The Idempotency-Key is not 1 to 255 visible ASCII characters without spaces. A UUID is a good key.';
  return refuse({ category: 'incorrect', code: 'value', message });
}

async function answerOf(
  gateway: Gateway,
  request: FhirRequest,
  entry: RecordEntry,
  outcome: RecordOutcome,
): Promise<FhirAnswer | Refusal> {
  if (outcome.kind === 'refused') return refusalOf(request, [entry], outcome);
  const recorded = await asShown(gateway, request, outcome.entries[0]!);
  const headers: Record<string, string> = { 'carelog-position': String(outcome.position) };
  const account = { shown: shownByWriting(recorded), basis: recorded.basis, isRecorded: true } as const;
  if (recorded.versionId > 0) headers['etag'] = `W/"${recorded.versionId}"`;
  if (recorded.lastUpdated !== '') headers['last-modified'] = new Date(recorded.lastUpdated).toUTCString();
  if (recorded.kind === 'deleted') return { status: 204, headers, ...account };
  headers['location'] = `${request.base}/${locationOf(recorded)}`;
  const status = recorded.kind === 'created' ? 201 : 200;
  const wanted = preference(request, 'return');
  if (wanted === 'minimal') return { status, headers, ...account };
  if (wanted === 'OperationOutcome')
    return { status, headers, ...account, body: JSON.stringify(operationOutcome(notesOf(recorded))) };
  return { status, headers, ...account, ...(recorded.body !== undefined && { body: recorded.body }) };
}

const WRITES = { POST: 'create', PUT: 'update', DELETE: 'delete' } as const;

/** Why none of the entries was recorded. */
export function refusalOf(
  { base, caller }: FhirRequest,
  entries: readonly RecordEntry[],
  { problems, location, withheld }: RecordOutcome & { readonly kind: 'refused' },
): Refusal {
  const needed = entries.map(({ method, type }) => ({ action: WRITES[method], type }));
  const headers = {
    ...(location !== undefined && { location: `${base}/${location}` }),
    ...(withheld?.reason === 'scope-missing' && scopeChallenge(caller, needed)),
  };
  return new Refusal(problems, headers, withheld);
}

/** What stood there before may hold what the caller is not shown, so it is given to them as a read gives it, or not at all. */
export async function asShown(
  gateway: Gateway,
  { caller }: FhirRequest,
  recorded: RecordedEntry,
): Promise<RecordedEntry> {
  const { body, ...rest } = recorded;
  if (recorded.kind !== 'existing' || body === undefined) return recorded;
  const decision = decide(gateway, caller, 'read', recorded.type, await standingOf(gateway, caller));
  if (decision.permit && decision.seesAll) return recorded;
  if (!decision.permit || (await caughtUp(gateway)) !== undefined) return rest;
  const { type, id, versionId } = recorded;
  const answer = await gateway.record.read(type, id, decision.viewer);
  return answer.kind === 'found' && answer.versionId === versionId ? { ...rest, body: answer.body } : rest;
}

/** What a client that recorded this was told, for the access record. */
export function shownByWriting({ type, id, position, body = '' }: RecordedEntry): Shown {
  const named = [...body.matchAll(PATIENT)].map(([, patient]) => patient!);
  const patients = new Set(type === 'Patient' ? [id, ...named] : named);
  return { versions: position > 0 ? String(position) : '', patients: [...patients] };
}
// Read off the text, as everywhere: inside a JSON string a quotation mark is escaped.
const PATIENT = /"reference":"Patient\/([A-Za-z0-9.-]{1,64})"/g;

export function locationOf({ type, id, versionId }: RecordedEntry): string {
  return `${type}/${id}/_history/${versionId}`;
}

export function notesOf(recorded: RecordedEntry): readonly Problem[] {
  if (recorded.notes.length > 0) return recorded.notes;
  const said = { created: 'Recorded as a new resource.', updated: 'Recorded as a new version.', existing: 'Recorded before with the same content; nothing new was recorded.', deleted: 'The end of the resource was recorded.' }; // prettier-ignore
  const code = recorded.kind === 'existing' ? 'duplicate' : 'informational';
  return [{ category: 'incorrect', code, severity: 'information', message: said[recorded.kind] }];
}
