import { describe, expect, it } from 'vitest';
import { maskOf } from './facts.ts';
import { patientFactsOf, type Asker, type PatientStatements } from './patient-facts.ts';
import { defaultPolicy } from './policy.ts';
import { DAY } from './times.ts';

const NOW = Date.parse('2026-06-01');
const patient = 'Patient/p';
const nothing: PatientStatements = { relationships: [], decisions: [], proxies: [] };
const asker: Asker = {
  isParty: (party) => ['Organization/o', 'ods:Y90001', 'setting:general-practice'].includes(party),
  isPerson: (who) => who === 'nhs:9990000018',
  isPatient: false,
  brokeGlass: false,
};
const unknown = { relationships: [], sFlag: false, withheld: 0, reviewPending: false, optedOut: false };

describe('facts of a patient', () => {
  const encounter = { patient, basis: 'encounter', from: NOW - 10 * DAY, until: NOW - 9 * DAY } as const;
  const review = (from: number, pending: boolean) => ({ kind: 'review', patient, from, pending }) as const;
  const proxy = { patient, who: 'nhs:9990000018', from: NOW - DAY };
  it.each<[string, Partial<PatientStatements>, Partial<Asker>, object]>([
    ['of whom nothing was recorded', {}, {}, {}],
    [
      'related, once for each basis',
      {
        relationships: [
          { ...encounter, party: 'Organization/o' },
          { ...encounter, party: 'ods:Y90001' },
          { patient, basis: 'registered', from: 0, party: 'ods:Y90001' },
        ],
      },
      {},
      { relationships: ['recent-encounter', 'registered'] },
    ],
    ['not related to another organisation', { relationships: [{ ...encounter, party: 'ods:RZZ' }] }, {}, {}],
    [
      'not related any more',
      { relationships: [{ ...encounter, until: NOW - 90 * DAY, party: 'ods:Y90001' }] },
      {},
      {},
    ],
    ['with an S-flag', { decisions: [{ kind: 's-flag', patient }] }, {}, { sFlag: true }],
    [
      'who withholds from the setting',
      {
        decisions: [
          {
            kind: 'sharing',
            patient,
            keptBy: [],
            rules: [
              { denies: true, parties: ['setting:general-practice'], about: maskOf(['results']), from: 0 },
            ],
          },
        ],
      },
      {},
      { withheld: maskOf(['results']) },
    ],
    ['who opted out', { decisions: [{ kind: 'opt-out', patient, from: 0 }] }, {}, { optedOut: true }],
    ['who did not yet', { decisions: [{ kind: 'opt-out', patient, from: NOW + 1 }] }, {}, {}],
    ['who does no more', { decisions: [{ kind: 'opt-out', patient, from: 0, until: NOW }] }, {}, {}],
    ['whose review is pending', { decisions: [review(1, true)] }, {}, { reviewPending: true }],
    ['whose review was lifted', { decisions: [review(2, false), review(1, true)] }, {}, {}],
    [
      'whose review came back',
      { decisions: [review(1, true), review(2, false), review(3, true)] },
      {},
      { reviewPending: true },
    ],
    [
      'whose review is both at once',
      { decisions: [review(1, true), review(1, false)] },
      {},
      { reviewPending: true },
    ],
    ['whose review is yet to come', { decisions: [review(NOW + 1, true)] }, {}, {}],
    ['who asks', {}, { isPatient: true }, { ownOrProxy: 'own' }],
    ['for whom the caller is a proxy', { proxies: [proxy] }, {}, { ownOrProxy: 'proxy' }],
    ['for whom another is', { proxies: [{ ...proxy, who: 'RelatedPerson/x' }] }, {}, {}],
    ['for whom they were', { proxies: [{ ...proxy, until: NOW }] }, {}, {}],
    ['for whom the glass was broken', {}, { brokeGlass: true }, { brokenGlass: true }],
  ])('%s', (_, statements, more, expected) => {
    const facts = patientFactsOf({ ...nothing, ...statements }, { ...asker, ...more }, NOW, defaultPolicy());
    expect(facts).toEqual({ ...unknown, ...expected });
  });
});
