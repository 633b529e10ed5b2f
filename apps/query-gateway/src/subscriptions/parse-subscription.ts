/**
 * An R4 Subscription of the profile backport-subscription: read, and refused with all that is wrong with it.
 * https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/StructureDefinition-backport-subscription.html
 */
import { parseJson, validateResource, type Problem } from '@carelog/fhir';
import type { Filter } from '@carelog/subscriptions';
import { objectIn, textIn, type Json } from './elements.ts';
import { channelIn, headersIn, type Channel } from './parse-channel.ts';
import { filterIn, type Topics } from './parse-filter.ts';

/** What a subscriber is told of, and how. */
export interface Terms {
  /** Canonical URL of the topic. */
  readonly topic: string;
  /** With the topic in it; with none that matches where there is no such topic any more. */
  readonly filter: Filter;
  readonly channel: Channel;
  /** Milliseconds UTC: when it ends even if its owner keeps coming by. */
  readonly end?: number;
}

export interface Parsed {
  readonly kind: 'parsed';
  /** The resource as it is kept, JSON: without id, meta, status, error and headers. */
  readonly kept: string;
  /** Secret. */
  readonly headers: readonly string[];
  readonly status: 'requested' | 'off';
  readonly terms: Terms;
}

export type ParsedSubscription = Parsed | { readonly kind: 'refused'; readonly problems: readonly Problem[] };

const KEPT_LENGTH_MAX = 32 * 1024;

export interface Expected {
  readonly now: number;
  /** Milliseconds UTC: to when it may last at most. */
  readonly until: number;
  readonly topics: Topics;
  /** Of one that is there already. */
  readonly id?: string | undefined;
}

export function parseSubscription(body: string, { now, until, topics, id }: Expected): ParsedSubscription {
  const parsed = parseJson(body);
  if (parsed.kind === 'malformed') return { kind: 'refused', problems: parsed.problems };
  const resource = parsed.value as Json | null;
  if (resource === null || typeof resource !== 'object' || resource['resourceType'] !== 'Subscription') {
    const message = 'The body is not a Subscription. Send one, as a JSON object.';
    return { kind: 'refused', problems: [{ category: 'incorrect', code: 'structure', message, expression: 'Subscription' }] }; // prettier-ignore
  }
  const problems = validateResource(resource).filter(({ severity = 'error' }) => severity === 'error');
  const wrong = (element: string, message: string, code = 'value'): void =>
    void problems.push({ category: 'rejected', code, message, expression: `Subscription.${element}` });
  const terms = readTerms(resource, topics, problems);
  const headers = headersIn(resource, problems);
  if (id !== undefined && resource['id'] !== id)
    wrong('id', 'The id of the resource is not the id in the URL. Make both the same.');
  const { status } = resource;
  if (status !== 'requested' && status !== 'off')
    wrong('status', 'A client asks for a subscription with status requested, or keeps it still with off.');
  for (const [element, place] of [
    ['', resource],
    ['channel.', objectIn(resource, 'channel')],
  ] as const) {
    if (place?.['modifierExtension'] !== undefined)
      wrong(`${element}modifierExtension`, 'No extension that changes the meaning is understood here. Leave it out.', 'extension'); // prettier-ignore
  }
  if (terms.end !== undefined && !(terms.end > now && terms.end <= until))
    wrong('end', `A subscription of yours ends in the future, at the latest on ${new Date(until).toISOString()}. Leave end out to have it go on as long as you come by.`); // prettier-ignore
  const kept = keptOf(resource);
  if (kept.length > KEPT_LENGTH_MAX)
    problems.push({ category: 'too-large', code: 'too-long', message: `A Subscription may have ${KEPT_LENGTH_MAX} characters. Leave out what is only for people to read.`, expression: 'Subscription' }); // prettier-ignore
  if (problems.length > 0) return { kind: 'refused', problems };
  return { kind: 'parsed', kept, headers, status: status as Parsed['status'], terms };
}

/** Of what was accepted before. */
export function termsOf(kept: string, topics: Topics): Terms {
  return readTerms(JSON.parse(kept) as Json, topics, []);
}

function readTerms(resource: Json, topics: Topics, problems: Problem[]): Terms {
  const filter = filterIn(resource, topics, problems);
  const channel = channelIn(resource, problems);
  const end = textIn(resource, 'end');
  const topic = textIn(resource, 'criteria') ?? '';
  return { topic, filter, channel, ...(end !== undefined && { end: Date.parse(end) }) };
}

function keptOf(resource: Json): string {
  const { id: _, meta: __, status: ___, error: ____, text: _____, channel, ...rest } = resource;
  const { header: ______, _header: _______, ...open } = (channel ?? {}) as Json;
  return JSON.stringify({ ...rest, channel: open });
}
