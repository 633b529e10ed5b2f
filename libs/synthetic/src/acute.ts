/** Acute care: a stay on a ward with its observations, the procedure if there is one, and the discharge summary. */
import type { Activity, Chart, Written } from './chart.ts';
import type { Emergency } from './codes.ts';
import { MEDICINE, hl7, snomed } from './codes.ts';
import { DAY, HOUR, stamp } from './calendar.ts';
import { diagnose, encounter, finish, news2, paper, prescribe } from './statements.ts';

const INPATIENT = snomed('394802001', 'General medicine');
const DISCHARGE_SUMMARY = snomed('373942005', 'Discharge summary');

/** Left out when it would not end in the person's time here. */
export function stayInHospital(chart: Chart, illness: Emergency, gravity: number, at: number): void {
  const { area, person, random } = chart;
  const days = random.whole(1, chart.age(at) > 75 ? 9 : 4);
  if (at + days * DAY >= person.until) return;
  const admission = chart.activity(area.acute, at, (activity) => {
    const stay = encounter(activity, ['IMP', 'inpatient encounter'], INPATIENT, undefined, {
      reasonCode: [illness.code],
    });
    const diagnosis = diagnose(activity, illness.code, at, stay);
    news2(activity, gravity, stay);
    return { stay, diagnosis };
  });
  if (!admission) return;
  if (illness.procedure) operate(chart, illness, admission.stay, at + 6 * HOUR);
  for (let day = 1; day < Math.min(days, 3); day++) {
    chart.activity(area.acute, at + day * DAY, (activity) =>
      news2(activity, gravity * (1 - day / days), admission.stay),
    );
  }
  chart.activity(area.acute, at + days * DAY - 2 * HOUR, (activity) =>
    discharge(activity, illness, admission, days),
  );
}

function operate(chart: Chart, illness: Emergency, stay: Written, at: number): void {
  chart.activity(chart.area.acute, at, (activity) => {
    activity.add('Procedure', {
      status: 'completed',
      code: illness.procedure,
      ...activity.about(stay),
      performedPeriod: { start: stamp(at), end: stamp(at + HOUR) },
      performer: [{ actor: activity.professional() }],
    });
  });
}

function discharge(
  activity: Activity,
  illness: Emergency,
  admission: { stay: Written; diagnosis: Written },
  days: number,
): void {
  const stay = finish(activity, admission.stay, {
    hospitalization: { dischargeDisposition: hl7('discharge-disposition', 'home', 'Home') },
  });
  const medicine = prescribe(activity, illness.medicine ?? MEDICINE.paracetamol, {
    reason: admission.diagnosis,
    encounter: stay,
  });
  const words = `In hospital for ${days} ${days === 1 ? 'day' : 'days'} because of: ${illness.code.coding[0]?.display}.`;
  activity.add('Composition', {
    // The only type whose business identifier is single.
    identifier: activity.identifier('Composition'),
    status: 'final',
    type: DISCHARGE_SUMMARY,
    ...activity.about(stay),
    date: stamp(activity.at),
    author: [activity.professional()],
    title: 'Discharge summary',
    custodian: { reference: activity.provider.reference },
    section: [
      section('Diagnoses', snomed('887161000000102', 'Diagnoses'), admission.diagnosis),
      section(
        'Medications and medical devices',
        snomed('933361000000108', 'Medications and medical devices'),
        medicine,
      ),
      {
        title: 'Clinical summary',
        code: snomed('887181000000106', 'Clinical summary'),
        text: { status: 'additional', div: `<div xmlns="http://www.w3.org/1999/xhtml">${words}</div>` },
      },
    ],
  });
  activity.add('DocumentReference', {
    type: DISCHARGE_SUMMARY,
    ...paper(activity, 'Discharge summary', words, stay),
  });
}

function section(title: string, code: ReturnType<typeof snomed>, entry: Written): Record<string, unknown> {
  return { title, code, entry: [{ reference: entry.reference }] };
}
