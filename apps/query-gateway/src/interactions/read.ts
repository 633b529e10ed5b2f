/** FHIR read and vread. https://hl7.org/fhir/R4/http.html#read, #vread, #cread */
import type { AccessBasis } from '@carelog/access';
import type { VersionAnswer } from '@carelog/read-models';
import { allow, decide, standingOf, unknown, unknownTo } from '../access.ts';
import { caughtUp, isCaughtUp } from '../consistency.ts';
import {
  refuse,
  Refusal,
  versionOfETag,
  type FhirAnswer,
  type FhirRequest,
  type Gateway,
  type Outcome,
} from '../gateway.ts';
import { setAside } from './set-aside.ts';

export interface FoundVersion {
  readonly version: VersionAnswer & { readonly kind: 'found' };
  readonly answer: FhirAnswer;
}

/** An answer at once where the same was read before and has not moved since. */
export function read(gateway: Gateway, request: FhirRequest, type: string, id: string): Outcome {
  const reads = gateway.recent?.reads;
  if (reads !== undefined && isCaughtUp(gateway)) {
    const recent = reads.get(`${type}/${id}`);
    const decision = recent && decide(gateway, request.caller, 'read', type);
    if (recent !== undefined && decision?.permit === true && decision.seesAll) {
      return unlessKnown(request, recent, decision.basis);
    }
  }
  return answerVersion(gateway, request, { type, id });
}

export function vread(
  gateway: Gateway,
  request: FhirRequest,
  type: string,
  id: string,
  version: string,
): Outcome {
  if (!/^[1-9]\d{0,14}$/.test(version)) return unknown('version');
  return answerVersion(gateway, request, { type, id, version: Number(version) });
}

interface Asked {
  readonly type: string;
  readonly id: string;
  readonly version?: number;
}

async function answerVersion(
  gateway: Gateway,
  request: FhirRequest,
  { type, id, version }: Asked,
): Promise<FhirAnswer | Refusal> {
  const behind = await caughtUp(gateway);
  if (behind !== undefined) return behind;
  const facts = await standingOf(gateway, request.caller);
  const action = version === undefined ? 'read' : 'vread';
  const allowed = allow(gateway, request.caller, action, type, facts);
  if (allowed instanceof Refusal) return allowed;
  const { record, recent } = gateway;
  const stream = `${type}/${id}`;
  const keep = recent?.reads.keeper(stream, [stream]);
  const answer =
    version === undefined
      ? await record.read(type, id, allowed.viewer)
      : await record.vread(type, id, version, allowed.viewer);
  const parked = await record.parkedPartitionOf(type, id, allowed.viewer);
  if (answer.kind !== 'found') {
    if (parked !== undefined && answer.kind === 'unknown') return setAside();
    if (answer.kind === 'unknown') return unknownTo(gateway, request.caller, action, type, id);
    return missing(answer, type, id);
  }
  const found = { version: answer, answer: answerWith(answer, parked?.position) };
  if (version === undefined && parked === undefined && allowed.seesAll) keep?.(found, 2 * answer.body.length);
  return unlessKnown(request, found, allowed.basis);
}

/** `incompleteFrom`: position of the first event of this person that was set aside. */
function answerWith(version: FoundVersion['version'], incompleteFrom: number | undefined): FhirAnswer {
  const headers = {
    etag: `W/"${version.versionId}"`,
    'last-modified': new Date(version.lastUpdated).toUTCString(),
    ...(incompleteFrom !== undefined && { 'carelog-incomplete': String(incompleteFrom) }),
  };
  const { body, shown } = version;
  return { status: 200, headers, body, shown };
}

/** 304 instead, where the client says that it has this version. */
function unlessKnown(
  request: FhirRequest,
  { version, answer }: FoundVersion,
  basis: AccessBasis,
): FhirAnswer {
  const { body, ...rest } = answer;
  return isKnown(request, version) ? { ...rest, status: 304, basis } : { ...answer, basis };
}

function isKnown({ headers }: FhirRequest, { versionId, lastUpdated }: FoundVersion['version']): boolean {
  const tag = headers['if-none-match'];
  if (tag !== undefined) return tag.split(',').some((one) => versionOfETag(one) === versionId);
  const since = headers['if-modified-since'];
  return since !== undefined && Math.floor(Date.parse(lastUpdated) / 1_000) * 1_000 <= Date.parse(since);
}

function missing(answer: VersionAnswer & { kind: 'deleted' | 'erased' }, type: string, id: string): Refusal {
  const message =
    answer.kind === 'erased'
      ? `The content of ${type}/${id} was erased and cannot be read by anybody any more.`
      : `${type}/${id} was deleted. Its versions before that are at ${type}/${id}/_history.`;
  return refuse({ category: 'gone', code: 'deleted', message }, { etag: `W/"${answer.versionId}"` });
}
