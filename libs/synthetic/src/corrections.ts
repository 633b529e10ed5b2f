/** What goes wrong in life and is put right: wrong values, wrong patients, records made twice. */
import type { Chart, Written } from './chart.ts';
import type { Home } from './registration.ts';
import { DAY, MINUTE, stamp } from './calendar.ts';
import { BLOOD, snomed } from './codes.ts';
import { encounter } from './statements.ts';
import { nhsNumberIdentifier, patientResource } from './registration.ts';

/** A result that the laboratory corrects an hour or a day later. */
export function correctResult(chart: Chart, at: number): void {
  const { person, random } = chart;
  const result = chart.activity(person.practice, at, (activity) =>
    activity.observe(BLOOD.creatinine, random.whole(180, 380), undefined, 'laboratory'),
  );
  if (!result) return;
  chart.activity(person.practice, at + DAY, (activity) => {
    const quantity = result.resource['valueQuantity'] as object;
    activity.amend(result, {
      status: 'corrected',
      valueQuantity: { ...quantity, value: random.whole(65, 110) },
    });
  });
}

/** A measurement taken of somebody else: withdrawn when that is noticed. */
export function retractObservation(chart: Chart, at: number): void {
  const { person, random } = chart;
  const wrong = chart.activity(person.practice, at, (activity) =>
    activity.observe(BLOOD.haemoglobin, random.whole(70, 90), undefined, 'laboratory'),
  );
  if (!wrong) return;
  chart.activity(person.practice, at + 3 * DAY, (activity) =>
    activity.amend(wrong, { status: 'entered-in-error' }),
  );
}

/**
 * The hospital registers somebody it does not recognise, treats them under that record, and later links it to the right
 * one. Nothing is moved: the old record stays, marked as replaced.
 */
export function registerTwice(
  chart: Chart,
  right: Written,
  home: Home,
  secondNumber: string,
  at: number,
): Written {
  const { area } = chart;
  const known = chart.patient;
  chart.patient = `Patient/${chart.newId()}`;
  const double = chart.activity(area.acute, at, (activity) => {
    const patient = activity.amend(patientResource(chart, home, secondNumber), {
      identifier: [
        nhsNumberIdentifier(secondNumber, '02', 'Number present but not traced'),
        activity.identifier('Patient'),
      ],
    });
    encounter(activity, ['EMER', 'emergency'], snomed('4525004', 'Emergency department patient visit'), 140);
    return patient;
  });
  chart.patient = known;
  if (!double) return right;
  const linked = chart.activity(area.acute, at + 12 * DAY + 7 * MINUTE, (activity) => {
    activity.amend(double, {
      active: false,
      link: [{ other: { reference: right.reference }, type: 'replaced-by' }],
    });
    return activity.amend(right, { link: [{ other: { reference: double.reference }, type: 'replaces' }] });
  });
  return linked ?? right;
}

/** The family moves: a later version of the Patient, sent by the practice. */
export function moveHouse(chart: Chart, patient: Written, home: Home, at: number): Written {
  const { person, random } = chart;
  const moved = chart.activity(person.practice, at, (activity) =>
    activity.amend(patient, {
      address: [
        {
          use: 'home',
          line: [`${random.whole(1, 90)} New Street`],
          city: 'Aldermere',
          postalCode: 'ZZ99 4WW',
          period: { start: stamp(at) },
        },
        {
          use: 'old',
          line: [home.line],
          city: 'Aldermere',
          postalCode: home.postcode,
          period: { end: stamp(at) },
        },
      ],
    }),
  );
  return moved ?? patient;
}
