/** Mental health care: an episode, a crisis plan, a flag for risk, and contacts in crisis. */
import type { Chart } from './chart.ts';
import { DAY, HOUR, YEAR, date, stamp } from './calendar.ts';
import { encounter, paper } from './statements.ts';
import { hl7, snomed } from './codes.ts';
import { ukCore } from './resource.ts';

const CRISIS_PLAN = snomed('736253002', 'Mental health crisis plan');
const RISK = snomed('225444004', 'At risk for suicide');
const CRISIS_TEAM = snomed('92151000000102', 'Mental health crisis resolution team');
/** Seen by those who give care, not by everybody who may see the record. */
const RESTRICTED = {
  system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality',
  code: 'R',
  display: 'restricted',
};

/** From the first contact until the person leaves. */
export function careForMind(chart: Chart, from: number): void {
  const { area, person, random } = chart;
  const begun = chart.activity(area.mentalHealth, from, (activity) => {
    activity.add('EpisodeOfCare', {
      status: 'active',
      type: [snomed('788002001', 'Adult mental health service')],
      patient: { reference: chart.patient },
      managingOrganization: { reference: area.mentalHealth.reference },
      period: { start: date(from) },
    });
    const flag = activity.add('Flag', {
      meta: { ...ukCore('Flag'), security: [RESTRICTED] },
      status: 'active',
      category: [hl7('flag-category', 'clinical', 'Clinical')],
      code: RISK,
      subject: { reference: chart.patient },
      period: { start: date(from) },
      author: { reference: area.mentalHealth.reference },
    });
    const plan = activity.add('CarePlan', {
      meta: { ...ukCore('CarePlan'), security: [RESTRICTED] },
      status: 'active',
      intent: 'plan',
      category: [CRISIS_PLAN],
      title: 'Crisis plan',
      description:
        'What helps: a quiet room, one person speaking. Call the crisis team before changing medicines.',
      subject: { reference: chart.patient },
      period: { start: date(from) },
      created: stamp(from),
      author: { reference: area.mentalHealth.reference },
    });
    return { flag, plan };
  });
  if (!begun) return;
  for (let at = from + 60 * DAY; at < person.until; at += 1.5 * YEAR) {
    chart.activity(area.mentalHealth, at + random.whole(0, 200) * DAY + 21 * HOUR, (activity) => {
      const contact = encounter(activity, ['AMB', 'ambulatory'], CRISIS_TEAM, 50);
      activity.send('DocumentReference', {
        meta: { ...ukCore('DocumentReference'), security: [RESTRICTED] },
        type: CRISIS_PLAN,
        ...paper(activity, 'Crisis plan, reviewed', 'The plan was gone through and holds.'),
      });
      return contact;
    });
  }
  chart.activity(area.mentalHealth, from + 2 * YEAR, (activity) => {
    activity.amend(begun.flag, { status: 'inactive', period: { start: date(from), end: date(activity.at) } });
  });
}
