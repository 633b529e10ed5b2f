/** Community care. */
import type { CareSetting } from './care-setting.ts';
import { HEADING, lineOf, ofKind, section } from './sections.ts';

export const community: CareSetting = {
  name: 'community',
  version: 1,
  title: 'Community care',
  kinds: new Set(['person', 'allergy', 'medicine', 'problem', 'immunisation', 'observation', 'result', 'document', 'encounter', 'referral', 'task', 'plan']), // prettier-ignore
  worklists: [],
  page: (facts) => [
    section(
      HEADING.allergies,
      'Allergies and adverse reactions',
      ofKind(facts, 'allergy').map((it) => lineOf(it)),
    ),
    section(
      HEADING.medicines,
      'Medicines',
      ofKind(facts, 'medicine').map((it) => lineOf(it)),
    ),
    section(
      HEADING.problems,
      'Problems',
      ofKind(facts, 'problem').map((it) => lineOf(it)),
    ),
    section(HEADING.documents, 'Letters and documents', ofKind(facts, 'document').slice(0, 20).map((it) => lineOf(it))), // prettier-ignore
  ],
};
