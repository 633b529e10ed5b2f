/**
 * What can be subscribed to: one topic for each family of activities, each care setting, each worklist, one person's record, and
 * everything. https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/components.html#subscription-topics
 */
import { CATALOGUE } from '@carelog/activity';
import { resourceTypeOf, type Notice } from './notice.ts';

export interface Topic {
  readonly name: string;
  /** Canonical URL, by which a FHIR Subscription names it. */
  readonly url: string;
  readonly title: string;
  readonly description: string;
  /** FHIR resource types that a notification may be of; empty for any. */
  readonly resources: readonly string[];
  /** A subscription to it has to name whose record. */
  readonly needsPatient: boolean;
  matches(notice: Notice): boolean;
}

/** A worklist, as the read models name it. */
export interface NamedWorklist {
  readonly name: string;
  readonly title: string;
}

export const TOPIC_BASE = 'https://fhir.carelog.example/SubscriptionTopic/';

export const PATIENT_RECORD = 'patient-record';

/** `worklists`: those that there are. */
export function topicsWith(worklists: readonly NamedWorklist[]): ReadonlyMap<string, Topic> {
  const topics = [...WHOLE, ...families(), ...settings(), ...worklists.map(ofWorklist)];
  return new Map(topics.map((topic) => [topic.name, topic]));
}

/** By its name or its canonical URL. */
export function topicNamed(topics: ReadonlyMap<string, Topic>, named: string): Topic | undefined {
  return topics.get(named.startsWith(TOPIC_BASE) ? named.slice(TOPIC_BASE.length) : named);
}

/** `encounter` of `encounter.started`. */
export const familyOf = (activity: string): string => activity.slice(0, activity.indexOf('.'));

const topic = (name: string, rest: Omit<Topic, 'name' | 'url' | 'needsPatient'>): Topic => ({
  name,
  url: `${TOPIC_BASE}${name}`,
  needsPatient: name === PATIENT_RECORD,
  ...rest,
});

const WHOLE: readonly Topic[] = [
  topic('everything', {
    title: 'Everything',
    description: 'Every activity that is recorded.',
    resources: [],
    matches: () => true,
  }),
  topic(PATIENT_RECORD, {
    title: 'One record',
    description: 'Every activity of one person. A subscription to it names the Patient.',
    resources: [],
    matches: ({ patients }) => patients.length > 0,
  }),
];

function families(): readonly Topic[] {
  const resources = new Map<string, Set<string>>();
  for (const { type, resource } of CATALOGUE) {
    const family = familyOf(type);
    resources.set(family, (resources.get(family) ?? new Set()).add(resource));
  }
  return [...resources].map(([family, types]) => {
    const activities = [
      ...new Set(CATALOGUE.map(({ type }) => type).filter((it) => familyOf(it) === family)),
    ];
    return topic(family, {
      title: `Activities: ${family}`,
      description: `Activities called ${activities.join(', ')}.`,
      resources: [...types],
      matches: ({ activity }) => familyOf(activity) === family,
    });
  });
}

function settings(): readonly Topic[] {
  const names = new Set(CATALOGUE.flatMap(({ careSettings }) => careSettings));
  return [...names.values().filter((name) => name !== 'any')].map((name) =>
    topic(`setting-${name}`, {
      title: `Care setting: ${name}`,
      description: `Activities that concern ${name} first, or that were recorded there.`,
      resources: [],
      matches: ({ careSettings }) => careSettings.includes(name),
    }),
  );
}

function ofWorklist({ name, title }: NamedWorklist): Topic {
  return topic(`worklist-${name}`, {
    title: `Worklist: ${title}`,
    description: `What is put on the worklist "${title}", or changes on it.`,
    resources: [],
    matches: ({ worklists }) => worklists?.includes(name) === true,
  });
}

/** What a subscriber asked for. What is absent limits nothing; several values are alternatives. */
export interface Filter {
  readonly topics?: readonly Topic[];
  /** Ids of Patients. */
  readonly patients?: readonly string[];
  readonly careSettings?: readonly string[];
  /** Activities, or what MNS or NEMS calls them. */
  readonly events?: readonly string[];
  readonly resources?: readonly string[];
}

export function isWanted(notice: Notice, filter: Filter): boolean {
  const { topics, patients, careSettings, events, resources } = filter;
  return (
    (topics === undefined || topics.some((it) => it.matches(notice))) &&
    (patients === undefined || notice.patients.some((id) => patients.includes(id))) &&
    (careSettings === undefined || notice.careSettings.some((name) => careSettings.includes(name))) &&
    (events === undefined ||
      events.includes(notice.activity) ||
      events.includes(notice.nationalEvent ?? '')) &&
    (resources === undefined || resources.includes(resourceTypeOf(notice)))
  );
}
