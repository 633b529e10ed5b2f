/** Which interaction a request is. One file for each interaction stands in `interactions/`. https://hl7.org/fhir/R4/http.html */
import { isResourceType } from '@carelog/fhir';
import { refuse, type FhirRequest, type Gateway, type Outcome, type Refusal } from './gateway.ts';
import { readAuditEvent, readsAccessLog, searchAuditEvents } from './interactions/audit-events.ts';
import { breakGlass } from './interactions/break-glass.ts';
import { bundle } from './interactions/bundle.ts';
import { capabilities } from './interactions/capabilities.ts';
import { everything } from './interactions/everything.ts';
import { history } from './interactions/history.ts';
import { read, vread } from './interactions/read.ts';
import { search, searchCompartment } from './interactions/search.ts';
import { create, remove, update } from './interactions/write.ts';

export function interact(gateway: Gateway, request: FhirRequest): Outcome {
  const [type, id, third, fourth] = request.path;
  const depth = request.path.length;
  const { method } = request;
  if (type === undefined) {
    if (method !== 'POST')
      return notAllowed('The FHIR base takes POST with a transaction or batch Bundle.', 'POST');
    return bundle(gateway, request, (part) => interact(gateway, part));
  }
  if (type === 'metadata' && depth === 1) {
    return method === 'GET'
      ? capabilities(gateway, request)
      : notAllowed('metadata can only be read.', 'GET');
  }
  if (!isResourceType(type)) return unknownType();
  if (depth === 1) {
    if (method === 'GET' && type === 'AuditEvent' && readsAccessLog(request))
      return searchAuditEvents(gateway, request);
    if (method === 'GET') return search(gateway, request, type);
    if (method === 'POST') return create(gateway, request, type);
    return notAllowed('A resource type takes GET to search and POST to create.', 'GET, POST');
  }
  if (depth === 2 && id === '_search') {
    if (method === 'POST' && type === 'AuditEvent' && readsAccessLog(request))
      return searchAuditEvents(gateway, request);
    return method === 'POST'
      ? search(gateway, request, type)
      : notAllowed('_search takes POST with a form.', 'POST');
  }
  if (depth === 2) {
    if (method === 'GET' && type === 'AuditEvent' && readsAccessLog(request))
      return readAuditEvent(gateway, request, id!);
    if (method === 'GET') return read(gateway, request, type, id!);
    if (method === 'PUT') return update(gateway, request, type, id!);
    if (method === 'DELETE') return remove(gateway, request, type, id!);
    return notAllowed('A resource takes GET, PUT and DELETE.', 'GET, PUT, DELETE');
  }
  if (isResourceType(third) && (depth === 3 || (depth === 4 && fourth === '_search'))) {
    const allowed = depth === 3 ? 'GET' : 'POST';
    if (method === allowed && type === 'Patient' && third === 'AuditEvent' && readsAccessLog(request))
      return searchAuditEvents(gateway, request, id);
    return method === allowed
      ? searchCompartment(gateway, request, { type, id: id! }, third)
      : notAllowed('A compartment takes GET, or POST to _search with a form.', allowed);
  }
  if (depth === 3 && third === '$everything' && type === 'Patient') {
    return method === 'GET' ? everything(gateway, request, id!) : notAllowed('$everything takes GET.', 'GET');
  }
  if (depth === 3 && third === '$break-glass' && type === 'Patient') {
    return method === 'POST'
      ? breakGlass(gateway, request, id!)
      : notAllowed('$break-glass takes POST.', 'POST');
  }
  if (third === '_history' && depth <= 4) {
    if (method !== 'GET') return notAllowed('History can only be read.', 'GET');
    return fourth === undefined
      ? history(gateway, request, type, id!)
      : vread(gateway, request, type, id!, fourth);
  }
  const message = 'No interaction of this server has this address. metadata lists those that there are.';
  return refuse({ category: 'not-found', code: 'not-supported', message });
}

function notAllowed(message: string, allow: string): Refusal {
  return refuse({ category: 'method', code: 'not-supported', message }, { allow });
}

function unknownType(): Refusal {
  const message =
    'This is not a resource type of FHIR R4. Names are case-sensitive, for example Observation.';
  return refuse({ category: 'not-found', code: 'not-supported', message });
}
