/** `RecordActivity` as it crosses from a gateway to a writer in another process: what is asked, and what may come back. */
import { stringify } from '@carelog/fhir';
import type { RecordOutcome, RecordRequest } from './record-activity.ts';

/** Asks a writer to record; takes a `RecordRequest` that `toMessage` made, and gives a `WriterAnswer`. */
export const RECORD_PATTERN = 'carelog.record';
/** Asks whether it is there; gives `true`. */
export const ALIVE_PATTERN = 'carelog.alive';

/** Characters of all resources of one request; as JSON within JSON none of them takes more than two. */
export const MESSAGE_CHARACTERS_MAX = 60_000_000;

/** `ending`, `fault`: it has no outcome. When it is ending nothing was recorded; after a fault that is not known. */
export type WriterAnswer =
  | { readonly kind: 'outcomes'; readonly outcomes: readonly RecordOutcome[] }
  | { readonly kind: 'ending' }
  | { readonly kind: 'fault' };

/** The same request with every resource as text, exact decimals as they were written. */
export function toMessage(request: RecordRequest): RecordRequest {
  const entries = request.entries.map((entry) => {
    const { resource } = entry;
    return typeof resource === 'object'
      ? { ...entry, resource: stringify(resource.value, resource.exact) }
      : entry;
  });
  return { ...request, entries };
}

export function charactersOf({ entries }: Pick<RecordRequest, 'entries'>): number {
  return entries.reduce((sum, { resource }) => sum + (typeof resource === 'string' ? resource.length : 0), 0);
}
