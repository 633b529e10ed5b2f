/** Subscriptions as clients send them. */
const BACKPORT = 'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-';

export interface Wanted {
  /** Name of a topic. */
  readonly topic?: string;
  /** Like `?patient=Patient/1`. */
  readonly filters?: readonly string[];
  readonly content?: 'empty' | 'id-only' | 'full-resource';
  readonly channel?: object;
  readonly end?: string;
  readonly status?: string;
  readonly id?: string;
}

const asked = ({ topic = 'everything', filters = [], end, status = 'requested', id }: Wanted) => ({
  resourceType: 'Subscription',
  ...(id !== undefined && { id }),
  status,
  reason: 'For a dashboard',
  criteria: `https://fhir.carelog.example/SubscriptionTopic/${topic}`,
  ...(filters.length > 0 && { _criteria: { extension: filters.map((valueString) => ({ url: `${BACKPORT}filter-criteria`, valueString })) } }), // prettier-ignore
  ...(end !== undefined && { end }),
});

const payload = ({ content = 'id-only' }: Wanted) => ({
  payload: 'application/fhir+json',
  _payload: { extension: [{ url: `${BACKPORT}payload-content`, valueCode: content }] },
});

export const websocket = (wanted: Wanted = {}) => ({
  ...asked(wanted),
  channel: { type: 'websocket', ...payload(wanted), ...wanted.channel },
});

/** To an address that nobody listens at, and that is no one's. */
export const restHook = (wanted: Wanted = {}) => ({
  ...asked(wanted),
  channel: {
    type: 'rest-hook',
    endpoint: 'https://hook.invalid/carelog',
    ...payload(wanted),
    ...wanted.channel,
  },
});
