/** FHIR read and vread. https://hl7.org/fhir/R4/http.html#read, #vread, #cread */
import { decideAccess } from '@carelog/access';
import type { VersionAnswer } from '@carelog/read-models';
import { ownPatient, permitted } from '../access.ts';
import { caughtUp } from '../consistency.ts';
import {
  refuse,
  Refusal,
  versionOfETag,
  type FhirAnswer,
  type FhirRequest,
  type Gateway,
} from '../gateway.ts';

export async function read(
  gateway: Gateway,
  request: FhirRequest,
  type: string,
  id: string,
): Promise<FhirAnswer | Refusal> {
  return answerVersion(gateway, request, type, id);
}

export async function vread(
  gateway: Gateway,
  request: FhirRequest,
  type: string,
  id: string,
  version: string,
): Promise<FhirAnswer | Refusal> {
  if (!/^[1-9]\d{0,14}$/.test(version)) return unknown('This version');
  return answerVersion(gateway, request, type, id, Number(version));
}

async function answerVersion(
  gateway: Gateway,
  request: FhirRequest,
  type: string,
  id: string,
  version?: number,
): Promise<FhirAnswer | Refusal> {
  const behind = await caughtUp(gateway);
  if (behind !== undefined) return behind;
  const own = await ownPatient(gateway, request);
  const decision = decideAccess(request.caller, version === undefined ? 'read' : 'vread', { type, ...own });
  const allowed = permitted(decision);
  if (allowed instanceof Refusal) return allowed;
  const { record } = gateway;
  const answer =
    version === undefined
      ? await record.read(type, id, allowed.restrictTo)
      : await record.vread(type, id, version, allowed.restrictTo);
  const parked = await record.parkedPartitionOf(type, id);
  if (answer.kind !== 'found') {
    if (parked !== undefined && answer.kind === 'unknown') return setAside();
    return missing(answer, type, id);
  }
  const headers = {
    etag: `W/"${answer.versionId}"`,
    'last-modified': new Date(answer.lastUpdated).toUTCString(),
    ...(parked !== undefined && { 'carelog-incomplete': String(parked.position) }),
  };
  if (notModified(request, answer)) return { status: 304, headers };
  return { status: 200, headers, body: answer.body };
}

function notModified(request: FhirRequest, answer: VersionAnswer & { kind: 'found' }): boolean {
  const tag = request.headers['if-none-match'];
  if (tag !== undefined) return tag.split(',').some((one) => versionOfETag(one) === answer.versionId);
  const since = Date.parse(request.headers['if-modified-since'] ?? '');
  return !Number.isNaN(since) && Math.floor(Date.parse(answer.lastUpdated) / 1_000) * 1_000 <= since;
}

function missing(answer: Exclude<VersionAnswer, { kind: 'found' }>, type: string, id: string): Refusal {
  if (answer.kind === 'unknown') return unknown(`This ${type}`);
  const message =
    answer.kind === 'erased'
      ? `The content of ${type}/${id} was erased and cannot be read by anybody any more.`
      : `${type}/${id} was deleted. Its versions before that are at ${type}/${id}/_history.`;
  return refuse({ category: 'gone', code: 'deleted', message }, { etag: `W/"${answer.versionId}"` });
}

// What was asked for is not repeated: it may be an NHS number or a name in the place of an id.
function unknown(what: string): Refusal {
  const message = `${what} is not known here. Check the type and the id, or search for it.`;
  return refuse({ category: 'not-found', code: 'not-found', message });
}

function setAside(): Refusal {
  const message =
    'Events of this person were set aside because one could not be projected, so this cannot be answered yet. Operators see it in the status.';
  return refuse({ category: 'unavailable', code: 'incomplete', message }, { 'retry-after': '60' });
}
