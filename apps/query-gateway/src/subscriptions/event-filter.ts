/** What of all events a subscriber asks for, out of the parameters of `GET /events`. */
import { looksLikeNhsNumber, type Problem } from '@carelog/fhir';
import { topicNamed, topicsWith, type Filter, type Topic } from '@carelog/subscriptions';
import { Refusal } from '../gateway.ts';
import { everyList, namedWorklists } from './feed-source.ts';

export interface EventFilter {
  readonly filter: Filter;
  /** Worklists among the topics. */
  readonly lists: readonly string[];
  /** Where to begin, where that is said. */
  readonly since?: string;
}

export const topics = topicsWith(namedWorklists);

const SETTINGS = [...topics.keys()].flatMap((name) => (name.startsWith('setting-') ? [name.slice('setting-'.length)] : [])); // prettier-ignore
const VALUES_MAX = 100;

/** `topic`, `patient` and `setting`, each as often as one likes, and `since`. All problems at once. */
export function eventFilterIn(query: URLSearchParams): EventFilter | Refusal {
  const problems: Problem[] = [];
  const wrong = (expression: string | undefined, message: string) => problems.push({ category: 'incorrect', code: 'value', message, ...(expression !== undefined && { expression }) }); // prettier-ignore
  const unknown = new Set([...query.keys()].filter((name) => !PARAMETERS.has(name)));
  if (unknown.size > 0)
    wrong(
      undefined,
      `There are parameters that are not known here. Known are ${[...PARAMETERS].join(', ')}.`,
    );
  const valuesOf = (name: string): readonly string[] => {
    const values = [...new Set(query.getAll(name).flatMap((it) => it.split(',')))].filter((it) => it !== '');
    if (values.length > VALUES_MAX) wrong(name, `${name} has more than ${VALUES_MAX} values. Open another stream for the rest.`); // prettier-ignore
    return values.slice(0, VALUES_MAX);
  };
  const asked = valuesOf('topic').flatMap((named): readonly Topic[] => {
    const topic = topicNamed(topics, named);
    if (topic === undefined) wrong('topic', 'topic names no topic of this server. GET /fhir/R4/SubscriptionTopic lists them.'); // prettier-ignore
    return topic === undefined ? [] : [topic];
  });
  const patients = valuesOf('patient').map((it) => (it.startsWith('Patient/') ? it.slice('Patient/'.length) : it)); // prettier-ignore
  if (patients.some((id) => !/^[A-Za-z0-9\-.]{1,64}$/.test(id) || looksLikeNhsNumber(id)))
    wrong('patient', 'patient is not the id of a Patient here. Search for the Patient, and send its id; never an NHS number.'); // prettier-ignore
  const settings = valuesOf('setting');
  if (settings.some((name) => !SETTINGS.includes(name)))
    wrong('setting', `setting names no care setting. There are ${SETTINGS.join(', ')}.`);
  if (asked.some(({ needsPatient }) => needsPatient) && patients.length === 0)
    wrong('patient', 'This topic is about one person. Send patient as well.');
  if (problems.length > 0) return new Refusal(problems);
  const since = query.get('since');
  return {
    filter: {
      ...(asked.length > 0 && { topics: asked }),
      ...(patients.length > 0 && { patients }),
      ...(settings.length > 0 && { careSettings: settings }),
    },
    lists: listsAmong(asked),
    ...(since !== null && { since }),
  };
}

/** Worklists that these topics are of. */
export function listsAmong(asked: readonly Topic[]): readonly string[] {
  const names = asked.map(({ name }) => name);
  return everyList.map(({ list }) => list.name).filter((name) => names.includes(`worklist-${name}`));
}

const PARAMETERS = new Set(['topic', 'patient', 'setting', 'since']);
