/** `Subscription.criteria` with its filters: to which events of a topic a subscription listens. */
import { activityTypeOf, CATALOGUE } from '@carelog/activity';
import { isResourceType, looksLikeNhsNumber, resourceTypes, type Problem } from '@carelog/fhir';
import { topicNamed, TOPIC_BASE, type Filter, type Topic } from '@carelog/subscriptions';
import { extensionsOf, textIn, type Json } from './elements.ts';

export const FILTER_CRITERIA =
  'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-filter-criteria';
const FILTERS_MAX = 10;
const FILTER_LENGTH_MAX = 4_000;
const VALUES_MAX = 100;
const ALLOWED = 'patient (Patient/[id]), event (an activity, or its national name) and setting';

export type Topics = ReadonlyMap<string, Topic>;

/** Filters stand beside the topic as `Encounter?patient=Patient/1&event=encounter.started`. What is wrong is added to `problems`. */
export function filterIn(resource: Json, topics: Topics, problems: Problem[]): Filter {
  const named = textIn(resource, 'criteria') ?? '';
  const topic = named.startsWith(TOPIC_BASE) ? topicNamed(topics, named) : undefined;
  const wrong = (message: string): void =>
    void problems.push({ category: 'rejected', code: 'value', message, expression: 'Subscription.criteria' });
  if (topic === undefined)
    wrong('criteria is the canonical URL of a topic of this server, without a version. GET [base]/SubscriptionTopic lists them.'); // prettier-ignore
  const filter = readFilters(resource, topics, problems);
  if (topic?.needsPatient === true && filter.patients === undefined)
    wrong('This topic is of one person’s record. Say whose, by a filter like ?patient=Patient/[id].');
  return { ...filter, topics: topic === undefined ? [] : [topic] };
}

function readFilters(resource: Json, topics: Topics, problems: Problem[]): Filter {
  const found = new Map<string, readonly string[]>();
  let at = -1;
  for (const extension of extensionsOf(resource['_criteria'])) {
    at += 1;
    if (extension['url'] !== FILTER_CRITERIA) continue;
    const expression = `Subscription.criteria.extension[${at}].value`;
    const wrong = (message: string, code = 'value'): void =>
      void problems.push({ category: 'rejected', code, message, expression });
    if (at >= FILTERS_MAX) {
      wrong(`A subscription has at most ${FILTERS_MAX} filters. Join values with commas.`, 'too-costly');
      break;
    }
    readFilter(textIn(extension, 'valueString') ?? '', topics, found, wrong);
  }
  const resources = found.get('type');
  const patients = found.get('patient');
  const events = found.get('event');
  const careSettings = found.get('setting');
  return {
    ...(resources && { resources }),
    ...(patients && { patients }),
    ...(events && { events }),
    ...(careSettings && { careSettings }),
  };
}

function readFilter(
  text: string,
  topics: Topics,
  found: Map<string, readonly string[]>,
  wrong: (message: string, code?: string) => void,
): void {
  if (text === '' || text.length > FILTER_LENGTH_MAX)
    return wrong(`A filter is a valueString of 1 to ${FILTER_LENGTH_MAX} characters, like Encounter?patient=Patient/1.`); // prettier-ignore
  const mark = text.indexOf('?');
  const type = mark < 0 ? '' : text.slice(0, mark);
  if (type !== '') {
    const before = found.get('type');
    if (!isResourceType(type))
      wrong('Before the question mark stands a resource type of FHIR R4, or nothing.');
    else if (before !== undefined && before[0] !== type)
      wrong('Filters of two resource types never hold together. Make a subscription for each type.');
    found.set('type', [type]);
  }
  for (const [name, value] of new URLSearchParams(text.slice(mark + 1))) {
    const values = value.split(',').filter((it) => it !== '');
    if (!Object.hasOwn(PARAMETERS, name))
      wrong(`A filter may have ${ALLOWED}. Leave anything else out.`, 'not-supported'); // prettier-ignore
    else if (found.has(name))
      wrong(`${name} stands in the filters twice. Name it once, with commas between its values.`);
    else if (values.length === 0 || values.length > VALUES_MAX)
      wrong(`${name} has 1 to ${VALUES_MAX} values, with commas between them.`);
    else {
      const read = PARAMETERS[name as keyof typeof PARAMETERS](values, topics);
      if (typeof read === 'string') wrong(read);
      found.set(name, typeof read === 'string' ? [] : read);
    }
  }
}

/** The values as they are compared, or what is wrong with them. */
const PARAMETERS = {
  patient(values: readonly string[]): readonly string[] | string {
    const ids = values.map((it) => (it.startsWith('Patient/') ? it.slice('Patient/'.length) : it));
    const isFine = ids.every((id) => PATIENT_ID.test(id) && !looksLikeNhsNumber(id));
    return isFine
      ? ids
      : 'patient names Patients by their ids in this record, like Patient/[id]. Search for them, and do not put an NHS number here.';
  },
  event(values: readonly string[]): readonly string[] | string {
    return values.every((it) => everyEvent().has(it))
      ? values
      : 'event names no activity of the catalogue and no national event. The SubscriptionTopics list them: GET [base]/SubscriptionTopic.';
  },
  setting(values: readonly string[], topics: Topics): readonly string[] | string {
    const settings = [...topics.keys()].flatMap((name) => (name.startsWith(SETTING) ? name.slice(SETTING.length) : [])); // prettier-ignore
    return values.every((it) => settings.includes(it))
      ? values
      : `setting names no care setting. They are ${settings.join(', ')}.`;
  },
};

const SETTING = 'setting-';
const PATIENT_ID = /^[A-Za-z0-9\-.]{1,64}$/;

let events: ReadonlySet<string> | undefined;
/** Each activity that there can be, and what it is called nationally. */
export const everyEvent = (): ReadonlySet<string> =>
  (events ??= new Set([
    ...CATALOGUE.flatMap(({ type, nationalEvent }) => [type, ...(nationalEvent ? [nationalEvent] : [])]),
    ...resourceTypes().map((resourceType) => activityTypeOf({ resourceType })),
  ]));
