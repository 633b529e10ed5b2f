/** Community nursing: a care plan for a leg wound, and the visits that dress it. */
import type { Chart } from './chart.ts';
import { DAY, HOUR, date, stamp } from './calendar.ts';
import { encounter, news2 } from './statements.ts';
import { hl7, snomed } from './codes.ts';

const WOUND = snomed('416462003', 'Wound');
const WOUND_LENGTH = snomed('401238003', 'Length of wound');
const HOME_VISIT = snomed('439708006', 'Home visit');
const DRESSING = snomed('182531007', 'Dressing of wound');

/** One course of visits from about this moment. */
export function dressWound(chart: Chart, from: number): void {
  const { area, random } = chart;
  const begun = chart.activity(area.community, from, (activity) => {
    const wound = activity.add('Condition', {
      clinicalStatus: hl7('condition-clinical', 'active', 'Active'),
      verificationStatus: hl7('condition-ver-status', 'confirmed', 'Confirmed'),
      category: [hl7('condition-category', 'problem-list-item', 'Problem List Item')],
      code: WOUND,
      bodySite: [snomed('30021000', 'Lower leg structure')],
      subject: { reference: chart.patient },
      onsetDateTime: date(from - 5 * DAY),
      recordedDate: stamp(from),
    });
    const plan = activity.add('CarePlan', {
      status: 'active',
      intent: 'plan',
      category: [snomed('734163000', 'Care plan')],
      title: 'Wound care at home',
      subject: { reference: chart.patient },
      period: { start: date(from) },
      created: stamp(from),
      author: { reference: activity.provider.reference },
      addresses: [{ reference: wound.reference }],
      activity: [
        {
          detail: {
            code: DRESSING,
            status: 'scheduled',
            description: 'Dress the wound twice a week and measure it',
          },
        },
      ],
    });
    return { wound, plan };
  });
  if (!begun) return;
  let millimetres = random.whole(20, 60);
  const visits = random.whole(3, 6);
  for (let visit = 1; visit <= visits; visit++) {
    millimetres = Math.max(2, Math.round(millimetres * random.around(0.75, 0.08)));
    chart.activity(area.community, from + visit * 4 * DAY + 3 * HOUR, (activity) => {
      const atHome = encounter(activity, ['HH', 'home health'], HOME_VISIT, 25);
      activity.add('Observation', {
        status: 'final',
        code: WOUND_LENGTH,
        ...activity.about(atHome),
        focus: [{ reference: begun.wound.reference }],
        effectiveDateTime: stamp(activity.at),
        performer: [activity.professional()],
        valueQuantity: {
          value: millimetres,
          unit: 'millimetre',
          system: 'http://unitsofmeasure.org',
          code: 'mm',
        },
      });
      if (visit === 1) news2(activity, 0.1, atHome);
    });
  }
  chart.activity(area.community, from + (visits + 1) * 4 * DAY, (activity) => {
    activity.amend(begun.plan, {
      status: 'completed',
      period: { start: date(from), end: date(activity.at) },
      activity: [
        {
          detail: {
            code: DRESSING,
            status: 'completed',
            description: 'Dress the wound twice a week and measure it',
          },
        },
      ],
    });
  });
}
