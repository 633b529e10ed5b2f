/** The population as a read model: which facts are kept, under pseudonyms, and the version that says when it is built anew. */
import type { Policy } from '@carelog/access';
import { hash } from 'node:crypto';
import type { CareSetting } from '../care-settings/care-setting.ts';
import type { Fact } from '../care-settings/fact.ts';
import { protectionOf } from '../care-settings/protection.ts';
import { abnormalityOf } from '../care-settings/results.ts';
import type { Placed } from '../care-settings/care-setting.ts';
import { digestOfUse } from './beyond-care.ts';
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

/**
 * In eight hex digits, of these rules and of what a policy says of use beyond care: the population that another version made
 * is built anew, so that nobody is counted by a policy that is no more.
 */
export const populationVersion = (policy: Policy): string =>
  hash('sha256', `${population.version} ${digestOfUse(policy)}`).slice(0, 8);

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
