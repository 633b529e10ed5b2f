/** Which interaction a request is. One file for each interaction stands in `interactions/`. https://hl7.org/fhir/R4/http.html */
import { isResourceType } from '@carelog/fhir';
import { refuse, type FhirRequest, type Gateway, type Outcome, type Refusal } from './gateway.ts';
import { readAuditEvent, readsAccessLog, searchAuditEvents } from './interactions/audit-events.ts';
import { breakGlass } from './interactions/break-glass.ts';
import { bundle } from './interactions/bundle.ts';
import { capabilities } from './interactions/capabilities.ts';
import { everything } from './interactions/everything.ts';
import { history } from './interactions/history.ts';
import { asksForCatalogue, evaluateMeasure, measure, measures } from './interactions/measures.ts';
import { read, vread } from './interactions/read.ts';
import { search, searchCompartment } from './interactions/search.ts';
import { summary } from './interactions/summary.ts';
import { asksForWorklist, worklist } from './interactions/worklists.ts';
import { create, remove, update } from './interactions/write.ts';
import { createSubscription, readSubscription, removeSubscription, searchSubscriptions, updateSubscription } from './subscriptions/manage.ts'; // prettier-ignore
import { hookSecret, subscriptionEvents, subscriptionStatus, websocketToken } from './subscriptions/operations.ts'; // prettier-ignore
import type { Subscriptions } from './subscriptions/owned.ts';
import { readTopic, searchTopics } from './subscriptions/topics.ts';

type Answer = (gateway: Gateway, request: FhirRequest) => Outcome;
type Step = (gateway: Gateway, request: FhirRequest, ...steps: string[]) => Outcome;

export function interact(gateway: Gateway, request: FhirRequest): Outcome {
  const { path, method } = request;
  const [type] = path;
  const isMetadata = type === 'metadata' && path.length === 1;
  if (type !== undefined && !isMetadata && type !== 'SubscriptionTopic' && !isResourceType(type))
    return unknownType();
  const answers = PATHS[shapeOf(path)];
  if (answers === undefined) return nothingThere();
  const answer = Object.hasOwn(answers, method) ? answers[method] : undefined;
  return answer === undefined ? notAllowed(Object.keys(answers)) : answer(gateway, request);
}

/** Everything that is answered at the FHIR base, e.g. `GET [type]/[id]`: for tests, so that none is forgotten. */
export const fhirPaths = (): readonly string[] =>
  Object.entries(PATHS).flatMap(([path, answers]) =>
    Object.keys(answers).map((method) => `${method} ${path}`),
  );

/** The path with words in place of what differs; what is no path of ours gives none of theirs. */
function shapeOf(path: FhirRequest['path']): string {
  const [first, second, third, fourth] = path;
  if (first === undefined) return '';
  const named = OWN_PATHS.has(first) ? first : '[type]';
  if (second === undefined) return first === 'metadata' ? first : named;
  if (third === undefined) {
    if (second.startsWith('$')) return `${first}/${second}`;
    return second === '_search' ? `${named}/_search` : `${named}/[id]`;
  }
  const within = isResourceType(third) ? '[type]' : third;
  const type = third.startsWith('$') ? first : named;
  if (fourth === undefined) return `${type}/[id]/${within}`;
  const last = fourth === '_search' && within === '[type]' ? fourth : '[version]';
  return path.length === 4 ? `${type}/[id]/${within}/${last}` : 'too deep';
}

/** Not of the record, and asked in ways of their own. */
const OWN_PATHS: ReadonlySet<string> = new Set(['Subscription', 'SubscriptionTopic']);

const onType =
  (answer: Step): Answer =>
  (gateway, request) =>
    answer(gateway, request, request.path[0]!);
const onResource =
  (answer: Step): Answer =>
  (gateway, request) =>
    answer(gateway, request, request.path[0]!, request.path[1]!);
const onId =
  (answer: Step): Answer =>
  (gateway, request) =>
    answer(gateway, request, request.path[1]!);
type OfSubscriptions = (
  gateway: Gateway,
  subscriptions: Subscriptions,
  request: FhirRequest,
  id: string,
) => Outcome;
const onSubscription =
  (answer: OfSubscriptions): Answer =>
  (gateway, request) =>
    answer(gateway, gateway.subscriptions, request, request.path[1]!);
/** Of all that the caller has. */
const onSubscriptions = (
  answer: (gateway: Gateway, subscriptions: Subscriptions, request: FhirRequest) => Outcome,
) => onSubscription((gateway, subscriptions, request) => answer(gateway, subscriptions, request));
const compartment: Answer = (gateway, request) => {
  const [type, id, third] = request.path as [string, string, string];
  return type === 'Patient' && third === 'AuditEvent' && readsAccessLog(request)
    ? searchAuditEvents(gateway, request, id)
    : searchCompartment(gateway, request, { type, id }, third);
};
const searchType: Answer = (gateway, request) => {
  const type = request.path[0]!;
  if (type === 'List' && asksForWorklist(request)) return worklist(gateway, request);
  if (type === 'Measure' && asksForCatalogue(gateway, request)) return measures(gateway, request);
  return type === 'AuditEvent' && readsAccessLog(request)
    ? searchAuditEvents(gateway, request)
    : search(gateway, request, type);
};
const readResource: Answer = (gateway, request) => {
  const [type, id] = request.path as [string, string];
  if (type === 'Measure' && asksForCatalogue(gateway, request)) return measure(gateway, request, id);
  return type === 'AuditEvent' && readsAccessLog(request)
    ? readAuditEvent(gateway, request, id)
    : read(gateway, request, type, id);
};

const both = (answer: Answer) => ({ GET: answer, POST: answer });

const PATHS: Readonly<Record<string, Readonly<Record<string, Answer>>>> = Object.assign(Object.create(null), {
  '': { POST: (gateway, request) => bundle(gateway, request, (part) => interact(gateway, part)) },
  metadata: { GET: capabilities },
  '[type]': { GET: searchType, POST: onType(create) },
  '[type]/_search': { POST: searchType },
  '[type]/[id]': { GET: readResource, PUT: onResource(update), DELETE: onResource(remove) },
  '[type]/[id]/_history': { GET: onResource(history) },
  '[type]/[id]/_history/[version]': {
    GET: (gateway, request) => {
      const [type, id, , version] = request.path as [string, string, string, string];
      return vread(gateway, request, type, id, version);
    },
  },
  '[type]/[id]/[type]': { GET: compartment },
  '[type]/[id]/[type]/_search': { POST: compartment },
  'Patient/[id]/$everything': { GET: onId(everything) },
  'Patient/[id]/$summary': { GET: onId(summary) },
  'Patient/[id]/$break-glass': { POST: onId(breakGlass) },
  Subscription: { GET: onSubscriptions(searchSubscriptions), POST: onSubscriptions(createSubscription) },
  'Subscription/_search': { POST: onSubscriptions(searchSubscriptions) },
  'Subscription/[id]': {
    GET: onSubscription(readSubscription),
    PUT: onSubscription(updateSubscription),
    DELETE: onSubscription(removeSubscription),
  },
  'Subscription/$status': both(onSubscriptions(subscriptionStatus)),
  'Subscription/$get-ws-binding-token': both(onSubscriptions(websocketToken)),
  'Subscription/[id]/$status': both(onSubscription(subscriptionStatus)),
  'Subscription/[id]/$events': both(onSubscription(subscriptionEvents)),
  'Subscription/[id]/$get-ws-binding-token': both(onSubscription(websocketToken)),
  'Subscription/[id]/$hook-secret': { POST: onSubscription(hookSecret) },
  SubscriptionTopic: { GET: searchTopics },
  'SubscriptionTopic/[id]': { GET: onId(readTopic) },
  'Measure/[id]/$evaluate-measure': { GET: onId(evaluateMeasure), POST: onId(evaluateMeasure) },
} satisfies Record<string, Record<string, Answer>>);

function notAllowed(methods: readonly string[]): Refusal {
  const allow = methods.join(', ');
  const message = `This address takes ${methods.join(' and ')} only. metadata lists what each can be asked.`;
  return refuse({ category: 'method', code: 'not-supported', message }, { allow });
}

function nothingThere(): Refusal {
  const message = 'No interaction of this server has this address. metadata lists those that there are.';
  return refuse({ category: 'not-found', code: 'not-supported', message });
}

function unknownType(): Refusal {
  const message =
    'This is not a resource type of FHIR R4. Names are case-sensitive, for example Observation.';
  return refuse({ category: 'not-found', code: 'not-supported', message });
}
