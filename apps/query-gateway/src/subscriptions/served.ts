/** A subscription as it is served: what its owner sent, with what became of it, and without what is secret. */
import type { StoredSubscription, SubscriptionStatus } from '@carelog/subscriptions';
import type { FhirAnswer, FhirRequest } from '../gateway.ts';
import type { Json } from './elements.ts';
import type { Told } from './notification.ts';
import { termsOf } from './parse-subscription.ts';
import { topics } from './event-filter.ts';

export const PROFILE =
  'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription';

/** What is over is off, before anybody noted it. */
export const statusOf = ({
  status,
  endsAt,
}: Pick<StoredSubscription, 'status' | 'endsAt'>): SubscriptionStatus =>
  endsAt <= Date.now() ? 'off' : status;

export function servedText(stored: StoredSubscription): string {
  const { resourceType, ...rest } = JSON.parse(stored.resource) as Json;
  const status = statusOf(stored);
  return JSON.stringify({
    resourceType,
    id: stored.id,
    meta: { versionId: String(stored.version), lastUpdated: stored.lastUpdated, profile: [PROFILE] },
    ...rest,
    status,
    end: new Date(stored.endsAt).toISOString(),
    ...(status === 'error' && stored.reason !== '' && { error: stored.reason }),
  });
}

export const toldOf = (stored: StoredSubscription): Told => ({
  id: stored.id,
  status: statusOf(stored),
  reason: stored.reason,
  events: stored.events,
  topic: termsOf(stored.resource, topics).topic,
});

export function answerOf(
  { base }: FhirRequest,
  status: 200 | 201,
  stored: StoredSubscription,
): Pick<FhirAnswer, 'status' | 'headers'> & { readonly body: string } {
  const headers = {
    etag: `W/"${stored.version}"`,
    'last-modified': new Date(stored.lastUpdated).toUTCString(),
    ...(status === 201 && { location: `${base}/Subscription/${stored.id}` }),
  };
  return { status, headers, body: servedText(stored) };
}
