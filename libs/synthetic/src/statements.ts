/** What more than one care setting writes: problems, prescriptions, blood pressure, NEWS2 observation sets, letters. */
import type { Activity, Written } from './chart.ts';
import type { CodeableConcept, Medicine } from './codes.ts';
import { ACVPU, MENTALLY_ALERT, NEWS2_PARTS, NEWS2_TOTAL, RESPONDS_TO_VOICE, VITAL, hl7 } from './codes.ts';
import { VITAL_SIGNS, quantity } from './chart.ts';
import { DAY, date, stamp } from './calendar.ts';

const ACTIVE = hl7('condition-clinical', 'active', 'Active');
const RESOLVED = hl7('condition-clinical', 'resolved', 'Resolved');
const CONFIRMED = hl7('condition-ver-status', 'confirmed', 'Confirmed');

export const ENTERED_IN_ERROR = hl7('condition-ver-status', 'entered-in-error', 'Entered in Error');

/** A problem of the list that stays, or the diagnosis of one encounter. */
export function diagnose(
  activity: Activity,
  code: CodeableConcept,
  onset: number,
  encounter?: Written,
): Written {
  return activity.add('Condition', {
    clinicalStatus: ACTIVE,
    verificationStatus: CONFIRMED,
    category: [
      encounter
        ? hl7('condition-category', 'encounter-diagnosis', 'Encounter Diagnosis')
        : hl7('condition-category', 'problem-list-item', 'Problem List Item'),
    ],
    code,
    ...activity.about(encounter),
    onsetDateTime: date(onset),
    recordedDate: stamp(activity.at),
    recorder: activity.professional(),
  });
}

export function resolve(activity: Activity, condition: Written): Written {
  return activity.amend(condition, { clinicalStatus: RESOLVED, abatementDateTime: date(activity.at) });
}

export function encounter(
  activity: Activity,
  kind: readonly [code: string, display: string],
  type: CodeableConcept,
  minutes: number | undefined,
  more: Record<string, unknown> = {},
): Written {
  return activity.add('Encounter', {
    status: minutes === undefined ? 'in-progress' : 'finished',
    class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: kind[0], display: kind[1] },
    type: [type],
    subject: { reference: activity.chart.patient },
    participant: [{ individual: activity.professional() }],
    period: {
      start: stamp(activity.at),
      ...(minutes === undefined ? {} : { end: stamp(activity.at + minutes * 60_000) }),
    },
    location: [{ location: { reference: activity.provider.place } }],
    serviceProvider: { reference: activity.provider.reference, display: activity.provider.name },
    ...more,
  });
}

export function finish(activity: Activity, visit: Written, more: Record<string, unknown> = {}): Written {
  const period = visit.resource['period'] as { start: string };
  return activity.amend(visit, {
    status: 'finished',
    period: { start: period.start, end: stamp(activity.at) },
    ...more,
  });
}

export function prescribe(
  activity: Activity,
  medicine: Medicine,
  options: { readonly repeats?: number; readonly reason?: Written; readonly encounter?: Written } = {},
): Written {
  const { repeats = 0, reason, encounter } = options;
  return activity.add('MedicationRequest', {
    status: 'active',
    intent: 'order',
    category: [hl7('medicationrequest-category', 'community', 'Community')],
    medicationCodeableConcept: medicine.code,
    ...activity.about(encounter),
    authoredOn: stamp(activity.at),
    requester: activity.professional(),
    ...(reason ? { reasonReference: [{ reference: reason.reference }] } : {}),
    dosageInstruction: [{ text: medicine.dose }],
    dispenseRequest: {
      validityPeriod: { start: date(activity.at), end: date(activity.at + (repeats ? 365 : 28) * DAY) },
      ...(repeats ? { numberOfRepeatsAllowed: repeats } : {}),
      quantity: { value: medicine.quantity, unit: medicine.unit },
    },
  });
}

export function bloodPressure(activity: Activity, systolic: number, visit?: Written): Written {
  const diastolic = Math.round(systolic * 0.6 + activity.chart.random.whole(-4, 6));
  return activity.add('Observation', {
    status: 'final',
    category: [VITAL_SIGNS],
    code: VITAL.bloodPressure.code,
    ...activity.about(visit),
    effectiveDateTime: stamp(activity.at),
    performer: [{ reference: activity.provider.reference }],
    component: [
      { code: VITAL.systolic.code, valueQuantity: quantity(VITAL.systolic, systolic) },
      { code: VITAL.diastolic.code, valueQuantity: quantity(VITAL.diastolic, diastolic) },
    ],
  });
}

/**
 * The measurements of the National Early Warning Score 2 and its total with the parts of which it is the sum.
 * `illness` from 0 (well) to 1 (gravely ill). Answers the total.
 */
export function news2(activity: Activity, illness: number, visit?: Written): number {
  const random = activity.chart.random;
  const respiration = Math.round(random.around(15 + 11 * illness, 1.5));
  const saturation = Math.min(100, Math.round(random.around(97 - 6 * illness, 1)));
  const systolic = Math.round(random.around(128 - 30 * illness, 9));
  const pulse = Math.round(random.around(76 + 45 * illness, 8));
  const temperature = Math.round(random.around(36.8 + 1.7 * illness, 0.3) * 10) / 10;
  const oxygen = illness > 0.6;
  const alert = illness < 0.9;
  const scores = {
    respiration:
      respiration <= 8 ? 3 : respiration <= 11 ? 1 : respiration <= 20 ? 0 : respiration <= 24 ? 2 : 3,
    saturation: saturation <= 91 ? 3 : saturation <= 93 ? 2 : saturation <= 95 ? 1 : 0,
    airOrOxygen: oxygen ? 2 : 0,
    systolic: systolic <= 90 ? 3 : systolic <= 100 ? 2 : systolic <= 110 ? 1 : systolic <= 219 ? 0 : 3,
    pulse: pulse <= 40 ? 3 : pulse <= 50 ? 1 : pulse <= 90 ? 0 : pulse <= 110 ? 1 : pulse <= 130 ? 2 : 3,
    consciousness: alert ? 0 : 3,
    temperature:
      temperature <= 35 ? 3 : temperature <= 36 ? 1 : temperature <= 38 ? 0 : temperature <= 39 ? 1 : 2,
  };
  const measured = [
    activity.observe(VITAL.respiratoryRate, respiration, visit),
    activity.observe(VITAL.oxygenSaturation, saturation, visit),
    bloodPressure(activity, systolic, visit),
    activity.observe(VITAL.heartRate, pulse, visit),
    activity.observe(VITAL.temperature, temperature, visit),
    activity.add('Observation', {
      status: 'final',
      category: [VITAL_SIGNS],
      code: ACVPU,
      ...activity.about(visit),
      effectiveDateTime: stamp(activity.at),
      performer: [{ reference: activity.provider.reference }],
      valueCodeableConcept: alert ? MENTALLY_ALERT : RESPONDS_TO_VOICE,
    }),
  ];
  const parts = Object.keys(NEWS2_PARTS) as (keyof typeof NEWS2_PARTS)[];
  const total = parts.reduce((sum, part) => sum + scores[part], 0);
  activity.add('Observation', {
    status: 'final',
    category: [VITAL_SIGNS],
    code: NEWS2_TOTAL,
    ...activity.about(visit),
    effectiveDateTime: stamp(activity.at),
    performer: [{ reference: activity.provider.reference }],
    valueQuantity: score(total),
    hasMember: measured.map((observation) => ({ reference: observation.reference })),
    component: parts.map((part) => ({ code: NEWS2_PARTS[part], valueQuantity: score(scores[part]) })),
  });
  return total;
}

function score(value: number): Record<string, unknown> {
  return { value, unit: 'score', system: 'http://unitsofmeasure.org', code: '{score}' };
}

/** Words on paper: what the content of a DocumentReference needs beside its type. */
export function paper(
  activity: Activity,
  title: string,
  text: string,
  visit?: Written,
): Record<string, unknown> {
  return {
    status: 'current',
    docStatus: 'final',
    subject: { reference: activity.chart.patient },
    date: stamp(activity.at),
    author: [{ reference: activity.provider.reference }],
    custodian: { reference: activity.provider.reference },
    content: [
      {
        attachment: {
          contentType: 'text/plain',
          data: Buffer.from(text).toString('base64'),
          title,
          creation: stamp(activity.at),
        },
      },
    ],
    ...(visit ? { context: { encounter: [{ reference: visit.reference }] } } : {}),
  };
}
