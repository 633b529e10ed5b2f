/** How the population is sent: FHIR R4 transactions (https://hl7.org/fhir/R4/http.html#transaction) with ids that repeat. */
import type { Random } from './random.ts';
import { stamp } from './calendar.ts';

export interface Resource {
  readonly resourceType: string;
  readonly id?: string;
  readonly [element: string]: unknown;
}
export interface Entry {
  readonly fullUrl: string;
  readonly resource: Resource;
  readonly request: { readonly method: 'PUT' | 'POST'; readonly url: string };
}
export interface Identifier {
  readonly system: string;
  readonly value: string;
}
/** One message of one organisation: recorded as a whole or not at all. */
export interface TransactionBundle {
  readonly resourceType: 'Bundle';
  readonly type: 'transaction';
  readonly identifier: Identifier;
  readonly timestamp: string;
  readonly entry: readonly Entry[];
}

export function transaction(
  entry: readonly Entry[],
  identifier: Identifier,
  moment: number,
): TransactionBundle {
  return { resourceType: 'Bundle', type: 'transaction', identifier, timestamp: stamp(moment), entry };
}

/** Sent to the id it has, so that sending it again changes nothing. */
export function put(resource: Resource & { readonly id: string }): Entry {
  return {
    fullUrl: `urn:uuid:${resource.id}`,
    resource,
    request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` },
  };
}

/** Sent without an id, as a system that keeps none would; `messageId` is known within this transaction only. */
export function post(resource: Resource, messageId: string): Entry {
  return {
    fullUrl: `urn:uuid:${messageId}`,
    resource,
    request: { method: 'POST', url: resource.resourceType },
  };
}

export function ukCore(profile: string): { readonly profile: readonly string[] } {
  return { profile: [`https://fhir.hl7.org.uk/StructureDefinition/UKCore-${profile}`] };
}

const FIRST_ID_AT = Date.UTC(2016, 0, 1);
const IDS_PER_OWNER = 4096;

/**
 * UUIDs of version 7 that repeat with the seed. Their time is a count, not a clock: the ids of owner 0 sort before those
 * of owner 1, so that a store that receives them in this order writes at the end of its indexes.
 */
export function orderedIds(random: Random, owner: number): () => string {
  let next = FIRST_ID_AT + owner * IDS_PER_OWNER;
  return () => {
    const time = (next++).toString(16).padStart(12, '0');
    const variant = '89ab'[random.whole(0, 3)];
    return `${time.slice(0, 8)}-${time.slice(8)}-7${random.hex(3)}-${variant}${random.hex(3)}-${random.hex(8)}${random.hex(4)}`;
  };
}
