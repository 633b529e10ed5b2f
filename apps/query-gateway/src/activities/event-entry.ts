/** What is right or wrong with one event, and what it asks to have recorded. */
import { isUtf8 } from 'node:buffer';
import { activityTypeOf, nationalEventOf, type ParsedResource, type RecordEntry } from '@carelog/activity';
import { isResourceType, parseJson, validateResource, type Problem } from '@carelog/fhir';
import { attributeProblems, LENGTH_MAX, textOf, type Attributes } from './attributes.ts';
import type { SentData, SentEvent } from './sent-events.ts';

/** `id` and `source` are there where they are text, so that a sender knows which event is meant. */
export type CheckedEvent = { readonly id?: string; readonly source?: string } & (
  | { readonly kind: 'entry'; readonly entry: RecordEntry }
  | { readonly kind: 'wrong'; readonly problems: readonly Problem[] }
);

/** `place`: of the event within the request, such as `[3].`; problems are reported from there. */
export function checkEvent(sent: SentEvent, place = ''): CheckedEvent {
  const at = (problem: Problem): Problem => {
    const whole = `${place}${problem.expression ?? ''}`;
    if (whole === '') return problem;
    return { ...problem, expression: whole.endsWith('.') ? whole.slice(0, -1) : whole };
  };
  if (sent.kind === 'wrong') return { kind: 'wrong', problems: sent.problems.map(at) };
  const { attributes } = sent;
  const [id, source] = [textOf(attributes, 'id'), textOf(attributes, 'source')];
  const known = { ...(isTold(id) && { id }), ...(isTold(source) && { source }) };
  const problems: Problem[] = [...attributeProblems(attributes)];
  const data = dataOf(sent);
  if ('problems' in data) problems.push(...data.problems);
  else problems.push(...typeProblems(attributes, data, problems.length > 0));
  if (problems.length > 0 || 'problems' in data)
    return { ...known, kind: 'wrong', problems: problems.map(at) };
  return { ...known, kind: 'entry', entry: entryOf(data, JSON.stringify([source, id]), `${place}data`) };
}

/** What is longer than it may be is not sent back. */
const isTold = (text: string | undefined): text is string => text !== undefined && text.length <= LENGTH_MAX;

function entryOf(resource: ParsedResource, publishedAs: string, expression: string): RecordEntry {
  const { resourceType, id } = resource.value as { resourceType: string; id?: unknown };
  const asked = { type: resourceType, resource, publishedAs, expression };
  // What is no text is no id, which the writer says along with everything else.
  return typeof id === 'string' ? { method: 'PUT', id, ...asked } : { method: 'POST', ...asked };
}

type Data = ParsedResource | { readonly problems: readonly Problem[] };

function dataOf({ data, base64 }: SentEvent & { readonly kind: 'event' }): Data {
  if (data !== undefined && base64 !== undefined) return { problems: [DATA_TWICE] };
  if (base64 !== undefined) return resourceIn(fromBase64(base64), 'data_base64');
  return data === undefined ? { problems: [NO_DATA] } : resourceIn(data, 'data');
}

function fromBase64(sent: unknown): SentData | { readonly problems: readonly Problem[] } {
  if (typeof sent !== 'string' || sent.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(sent)) {
    return { problems: [NOT_BASE64] };
  }
  const bytes = Buffer.from(sent, 'base64');
  return isUtf8(bytes) ? parsedData(bytes.toString()) : { problems: [NOT_BASE64] };
}

function parsedData(text: string): SentData | { readonly problems: readonly Problem[] } {
  const parsed = parseJson(text);
  if (parsed.kind === 'parsed') return parsed;
  return { problems: parsed.problems.map((it) => ({ ...it, expression: 'data_base64' })) };
}

function resourceIn(data: SentData | { readonly problems: readonly Problem[] }, expression: string): Data {
  // prettier-ignore
  if ('problems' in data) return data;
  const { value, exact } = data;
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  const resource = value as Record<string, unknown>;
  if (
    !isObject ||
    typeof resource['resourceType'] !== 'string' ||
    !isResourceType(resource['resourceType'])
  ) {
    return { problems: [{ ...NO_RESOURCE, expression }] };
  }
  const elsewhere = placeElsewhere(resource);
  if (elsewhere !== undefined) return { problems: [{ ...elsewhere, expression }] };
  return exact === undefined ? { value: resource } : { value: resource, exact };
}

/** Of what an event cannot carry, although it is a resource. */
function placeElsewhere({ resourceType, type }: Record<string, unknown>): Problem | undefined {
  if (resourceType === 'Subscription') return SUBSCRIPTION;
  const asks = resourceType === 'Bundle' && (type === 'transaction' || type === 'batch');
  return asks ? TRANSACTION : undefined;
}

/** Of an event whose publisher leaves it to the record what its resource is called. */
export const ANY_ACTIVITY = 'activity.published';

/** Where something else is wrong anyhow, what is wrong with the resource is said along with it. */
function typeProblems(
  attributes: Attributes,
  { value }: ParsedResource,
  isRefused: boolean,
): readonly Problem[] {
  const type = textOf(attributes, 'type');
  const [activity, national] = [activityTypeOf(value), nationalEventOf(value)];
  const isOther = type !== undefined && ![activity, national, ANY_ACTIVITY, ''].includes(type);
  if (!isOther && !isRefused) return [];
  const errors = validateResource(value).filter(({ severity = 'error' }) => severity === 'error');
  const within = errors.map((it) => ({
    ...it,
    expression: `data${(it.expression ?? '').replace(/^[A-Za-z]+/, '')}`,
  }));
  if (!isOther) return within;
  const names = national === undefined ? activity : `${activity} or ${national}`;
  const message = `The data is another activity than type says. Send type ${names}, or the resource that you mean.`;
  return [{ category: 'rejected', code: 'business-rule', message, expression: 'type' }, ...within];
}

const NO_DATA: Problem = {
  category: 'incorrect',
  code: 'required',
  message: 'The event has no data. Send the FHIR R4 resource that it tells of.',
  expression: 'data',
};
const DATA_TWICE: Problem = {
  category: 'incorrect',
  code: 'duplicate',
  message: 'The event has both data and data_base64. Send one of them.',
  expression: 'data_base64',
};
const NOT_BASE64: Problem = {
  category: 'incorrect',
  code: 'value',
  message:
    'data_base64 is not base64 of UTF-8. Encode the JSON of the resource as RFC 4648 section 4 says, or send it as data.',
  expression: 'data_base64',
};
const NO_RESOURCE: Problem = {
  category: 'incorrect',
  code: 'structure',
  message: 'The data is not a FHIR R4 resource. Send one as a JSON object with its resourceType.',
};
const SUBSCRIPTION: Problem = {
  category: 'rejected',
  code: 'business-rule',
  message: 'A Subscription is no activity. Make it with POST /fhir/R4/Subscription.',
};
const TRANSACTION: Problem = {
  category: 'rejected',
  code: 'business-rule',
  message: 'An event carries one resource. Send a Bundle of type transaction or batch to POST /fhir/R4.',
};
