/** Social care: a child on a child protection plan, and care at home for those who need help to live there. */
import type { Chart } from './chart.ts';
import { YEAR, date, stamp } from './calendar.ts';
import { hl7, snomed } from './codes.ts';
import { ukCore } from './resource.ts';

const PROTECTION_PLAN = snomed('342191000000101', 'Subject to child protection plan');
const RESTRICTED = {
  system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality',
  code: 'R',
  display: 'restricted',
};

/** The plan as the child protection information system writes it (a CareTeam), and the flag that others see. */
export function protectChild(chart: Chart, from: number): void {
  const { area, random } = chart;
  const begun = chart.activity(area.socialCare, from, (activity) => ({
    team: activity.add('CareTeam', {
      meta: { ...ukCore('CareTeam'), security: [RESTRICTED] },
      status: 'active',
      category: [PROTECTION_PLAN],
      name: 'Child protection plan',
      subject: { reference: chart.patient },
      period: { start: date(from) },
      participant: [{ role: [snomed('106328005', 'Social worker')], member: activity.professional() }],
      managingOrganization: [{ reference: area.socialCare.reference }],
      telecom: [{ system: 'phone', value: '01632 960555', use: 'work' }],
    }),
    flag: activity.add('Flag', {
      meta: { ...ukCore('Flag'), security: [RESTRICTED] },
      status: 'active',
      category: [hl7('flag-category', 'safety', 'Safety')],
      code: PROTECTION_PLAN,
      subject: { reference: chart.patient },
      period: { start: date(from) },
      author: { reference: area.socialCare.reference },
    }),
  }));
  if (!begun || random.chance(0.5)) return;
  chart.activity(area.socialCare, from + YEAR, (activity) => {
    const period = { start: date(from), end: date(activity.at) };
    activity.amend(begun.team, { status: 'inactive', period });
    activity.amend(begun.flag, { status: 'inactive', period });
  });
}

/** Carers who come to the house. */
export function careAtHome(chart: Chart, from: number): void {
  const { area } = chart;
  chart.activity(area.socialCare, from, (activity) => {
    const team = activity.add('CareTeam', {
      status: 'active',
      name: 'Home care',
      subject: { reference: chart.patient },
      period: { start: date(from) },
      participant: [{ role: [snomed('106328005', 'Social worker')], member: activity.professional() }],
      managingOrganization: [{ reference: area.socialCare.reference }],
    });
    activity.add('CarePlan', {
      status: 'active',
      intent: 'plan',
      category: [snomed('734163000', 'Care plan')],
      title: 'Care and support at home',
      subject: { reference: chart.patient },
      period: { start: date(from) },
      created: stamp(from),
      careTeam: [{ reference: team.reference }],
      activity: [
        {
          detail: {
            status: 'in-progress',
            description: 'Help with washing, dressing and meals, morning and evening',
          },
        },
      ],
    });
  });
}
