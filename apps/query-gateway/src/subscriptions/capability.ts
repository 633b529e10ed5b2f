/** What the CapabilityStatement says of Subscription, which is not kept as other resources are. */
import { searchParametersOf } from '@carelog/fhir';
import { topics } from './event-filter.ts';
import { SEARCHED } from './manage.ts';
import { PROFILE } from './served.ts';

const GUIDE = 'http://hl7.org/fhir/uv/subscriptions-backport/';
const DEFINITION = `${GUIDE}OperationDefinition/backport-subscription-`;
const TOPIC = `${GUIDE}StructureDefinition/capabilitystatement-subscriptiontopic-canonical`;

const DOCUMENTATION =
  'Topic-based, by the backport of R5. Kept beside the record: it is in no transaction and has no history, and only its owner finds it. Topics are served in the shape of R5 at SubscriptionTopic.';

/** `CapabilityStatement.rest.resource`. */
export function subscriptionCapability() {
  return {
    extension: [...topics.values()].map(({ url }) => ({ url: TOPIC, valueCanonical: url })),
    type: 'Subscription',
    supportedProfile: [PROFILE],
    documentation: DOCUMENTATION,
    interaction: ['read', 'update', 'delete', 'create', 'search-type'].map((code) => ({ code })),
    versioning: 'versioned-update',
    readHistory: false,
    updateCreate: false,
    conditionalCreate: false,
    conditionalRead: 'not-supported',
    conditionalUpdate: false,
    conditionalDelete: 'not-supported',
    searchParam: searchParametersOf('Subscription')
      .filter(({ code }) => SEARCHED.some((name) => name === code))
      .map(({ code, type, url }) => ({ name: code, definition: url, type })),
    operation: [
      { name: 'status', definition: `${DEFINITION}status` },
      { name: 'events', definition: `${DEFINITION}events` },
      { name: 'get-ws-binding-token', definition: `${DEFINITION}get-ws-binding-token` },
      {
        name: 'hook-secret',
        definition: 'https://fhir.carelog.example/OperationDefinition/Subscription-hook-secret',
        documentation:
          'What notifications of a rest-hook are signed with, by Standard Webhooks. With renew=true it is another from then on.',
      },
    ],
  };
}
