/**
 * `SubscriptionTopic`, the catalogue of what can be subscribed to. It is a resource of R5, which R4 has no word for, and is served in the
 * shape of R5: https://hl7.org/fhir/R5/subscriptiontopic.html
 */
import { CATALOGUE } from '@carelog/activity';
import type { Topic } from '@carelog/subscriptions';
import { decide, unknown } from '../access.ts';
import { Refusal, type FhirAnswer, type FhirRequest, type Gateway } from '../gateway.ts';
import { refuseUnknown } from '../interactions/search.ts';
import { topics } from './event-filter.ts';

/** Every topic; `url` finds one. They are few, so that there is one page. */
export function searchTopics(gateway: Gateway, request: FhirRequest): FhirAnswer | Refusal {
  const lenient = refuseUnknown(request, ['url']);
  if (lenient instanceof Refusal) return lenient;
  const urls = request.query.getAll('url');
  const found = [...topics.values()].filter(({ url }) =>
    urls.every((asked) => asked.split(',').includes(url)),
  );
  const entry = found.map((topic) => ({
    fullUrl: `${request.base}/SubscriptionTopic/${topic.name}`,
    resource: resourceOf(topic),
    search: { mode: 'match' },
  }));
  const query = lenient.used.size === 0 ? '' : `?${lenient.used}`;
  const link = [{ relation: 'self', url: `${request.base}/SubscriptionTopic${query}` }];
  const body = { resourceType: 'Bundle', type: 'searchset', total: found.length, link, ...(entry.length > 0 && { entry }) }; // prettier-ignore
  return { status: 200, body: JSON.stringify(body), ...basisOf(gateway, request) };
}

export function readTopic(gateway: Gateway, request: FhirRequest, name: string): FhirAnswer | Refusal {
  const topic = topics.get(name);
  if (topic === undefined) return unknown('SubscriptionTopic');
  return { status: 200, body: JSON.stringify(resourceOf(topic)), ...basisOf(gateway, request) };
}

// Whoever may read what the server can do may read what it can tell of.
function basisOf(gateway: Gateway, { caller }: FhirRequest): Pick<FhirAnswer, 'basis'> {
  const allowed = decide(gateway, caller, 'metadata');
  return allowed.permit ? { basis: allowed.basis } : {};
}

const DEFINITION = 'http://hl7.org/fhir/StructureDefinition/';

function resourceOf({ name, url, title, description, resources, needsPatient }: Topic) {
  const types = resources.length > 0 ? resources : ['Resource'];
  return {
    resourceType: 'SubscriptionTopic',
    id: name,
    url,
    title,
    status: 'active',
    description,
    resourceTrigger: types.map((type) => ({
      description: `A ${type} is recorded, changed or taken back.`,
      resource: `${DEFINITION}${type}`,
      supportedInteraction: ['create', 'update', 'delete'],
    })),
    canFilterBy: [
      { description: `Whose record it is of: Patient/[id].${needsPatient ? ' Has to be there.' : ''}`, filterParameter: 'patient' }, // prettier-ignore
      { description: `What happened, or what it is called nationally: ${eventsOf(resources).join(', ')}.`, filterParameter: 'event' }, // prettier-ignore
      { description: 'A care setting that it concerns, or was recorded in.', filterParameter: 'setting' },
    ],
    ...(resources.length > 0 && { notificationShape: resources.map((resource) => ({ resource })) }),
  };
}

function eventsOf(resources: readonly string[]): readonly string[] {
  const rows = CATALOGUE.filter(({ resource }) => resources.length === 0 || resources.includes(resource));
  return [...new Set(rows.flatMap(({ type, nationalEvent }) => [type, ...(nationalEvent ? [nationalEvent] : [])]))]; // prettier-ignore
}
