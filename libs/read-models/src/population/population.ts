/** The population as a read model: which facts are kept, under pseudonyms, and the version that says when it is built anew. */
import type { CareSetting } from '../care-settings/care-setting.ts';
import type { Fact } from '../care-settings/fact.ts';
import { protectionOf } from '../care-settings/protection.ts';
import { abnormalityOf } from '../care-settings/results.ts';
import type { Placed } from '../care-settings/care-setting.ts';
import { indicators } from './indicators.ts';

const KINDS = new Set(['person', 'consent', 'encounter', 'document', 'task', 'message', 'referral', 'result', 'observation', 'appointment', 'medicine', 'plan', 'team', 'flag', 'problem'] as const); // prettier-ignore

/** It has no page: nobody is in it. Its lists are what is counted. */
export const population: CareSetting = {
  name: 'population',
  version: 2,
  title: 'Population',
  kinds: KINDS,
  page: () => [],
  worklists: indicators.map(({ name, title, cases }) => ({
    name,
    title,
    kinds: KINDS,
    items: (facts) => cases(facts).map((it) => ({ ...it, text: '' })),
  })),
};

/** Whether an indicator needs it; of problems, flags and teams only what says that somebody is protected. */
export function isCounted(fact: Fact): boolean {
  switch (fact.kind) {
    case 'problem':
    case 'flag':
    case 'team':
      return protectionOf({ fact }) !== undefined;
    case 'observation':
      return abnormalityOf([{ fact } as Placed]) !== undefined;
    case 'task':
      return fact.refs['focus'] !== undefined;
    case 'message':
      return fact.refs['about'] !== undefined;
    default:
      return KINDS.has(fact.kind as never);
  }
}
