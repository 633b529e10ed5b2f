/**
 * The text a resource is recorded as, and the splice that turns it into the text that is served:
 * `meta.versionId` and `meta.lastUpdated` belong to the server and are put in without parsing.
 * https://hl7.org/fhir/R4/resource.html#Meta
 */
import { type ExactNumbers, stringify } from './parse-json.ts';

export interface IdentifiedResource {
  readonly resourceType: string;
  readonly id: string;
}

/**
 * JSON text that begins exactly `{"resourceType":"…","id":"…"`, then the client's `meta` without `versionId` and
 * `lastUpdated` (left out when nothing remains), then the other members in the order received.
 * The type and the id must be valid; numbers keep the literals of `exact`.
 */
export function encodeContent(resource: IdentifiedResource, exact?: ExactNumbers): string {
  const { resourceType, id, meta, ...rest } = resource as IdentifiedResource & { meta?: unknown };
  if (!/^[A-Za-z]+$/.test(resourceType) || !/^[A-Za-z0-9\-.]{1,64}$/.test(id)) {
    throw new Error('Content is encoded only for a resource with a valid type and id.');
  }
  const literals = exact?.get(resource);
  if (literals !== undefined) exact?.set(rest, literals);
  const clientMeta = withoutServerMeta(meta);
  const metaMember = clientMeta === undefined ? '' : `,"meta":${stringify(clientMeta, exact)}`;
  const others = stringify(rest, exact);
  // Joined as text: an object would put names that are whole numbers first.
  const start = `{"resourceType":"${resourceType}","id":"${id}"${metaMember}`;
  return others === '{}' ? `${start}}` : `${start},${others.slice(1)}`;
}

/** The text to serve: content made by `encodeContent`, with the server's version and time in `meta`. */
export function toServed(content: string, version: { versionId: string; lastUpdated: string }): string {
  const afterType = content.indexOf('"', TYPE_START) + 1;
  const afterId = content.indexOf('"', afterType + ID_START) + 1;
  const members = `"versionId":${JSON.stringify(version.versionId)},"lastUpdated":${JSON.stringify(version.lastUpdated)}`;
  return content.startsWith(META_START, afterId)
    ? `${content.slice(0, afterId + META_START.length)}${members},${content.slice(afterId + META_START.length)}`
    : `${content.slice(0, afterId)}${META_START}${members}}${content.slice(afterId)}`;
}

const TYPE_START = '{"resourceType":"'.length;
const ID_START = ',"id":"'.length;
const META_START = ',"meta":{';
const SERVER_META = ['versionId', '_versionId', 'lastUpdated', '_lastUpdated'];

function withoutServerMeta(meta: unknown): object | undefined {
  if (typeof meta !== 'object' || meta === null) return undefined;
  const kept = Object.entries(meta).filter(([key]) => !SERVER_META.includes(key));
  return kept.length > 0 ? Object.fromEntries(kept) : undefined;
}
