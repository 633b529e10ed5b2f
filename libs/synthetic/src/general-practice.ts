/** General practice: registration, consultations, reviews of long-term conditions, vaccinations, referrals. */
import type { Activity, Chart, Written } from './chart.ts';
import type { CodeableConcept, Measure } from './codes.ts';
import {
  ALLERGIES,
  BLOOD,
  COVID_VACCINE,
  MINOR_ILLNESSES,
  VACCINATION,
  VITAL,
  hl7,
  snomed,
} from './codes.ts';
import { bloodPressure, diagnose, encounter, paper, prescribe, resolve } from './statements.ts';
import { DAY, HOUR, MINUTE, YEAR, date, stamp } from './calendar.ts';
import { dispense } from './pharmacy.ts';
import { patientResource } from './registration.ts';
import type { Home } from './registration.ts';

const AMBULATORY = ['AMB', 'ambulatory'] as const;
const CONSULTATION = snomed('325851000000107', 'Consultation');
const BY_TELEPHONE = snomed('185317003', 'Telephone encounter');
const LABORATORY_SERVICE = hl7('v2-0074', 'LAB', 'Laboratory');
const LETTER_RECEIVED = snomed('823691000000103', 'Clinical letter');

/** What later activities build on. */
export interface Registration {
  readonly patient: Written;
  /** Problems by the place of their condition in `person.longTerm`; filled as they are diagnosed. */
  readonly problems: Map<number, Written>;
}

/** The first activity of every person: who they are, with whom they are registered, what they said about sharing. */
export function register(chart: Chart, home: Home): Registration {
  const { person, random } = chart;
  const registered = chart.activity(person.practice, person.since, (activity) => {
    const patient = activity.amend(patientResource(chart, home), {});
    activity.add('EpisodeOfCare', {
      status: 'active',
      type: [snomed('1060971000000108', 'General practice service')],
      patient: { reference: chart.patient },
      managingOrganization: { reference: person.practice.reference },
      period: { start: date(person.since) },
    });
    activity.add('Consent', {
      status: 'active',
      scope: hl7('consentscope', 'patient-privacy', 'Privacy Consent'),
      category: [snomed('425691002', 'Consent given for electronic record sharing')],
      patient: { reference: chart.patient },
      dateTime: stamp(person.since),
      organization: [{ reference: person.practice.reference }],
      policyRule: hl7('v3-ActCode', 'OPTIN', 'opt-in'),
      provision: { type: random.chance(0.96) ? 'permit' : 'deny' },
    });
    if (home.nextOfKin) {
      activity.add('RelatedPerson', {
        active: true,
        patient: { reference: chart.patient },
        relationship: [hl7('v3-RoleCode', home.nextOfKin.code, home.nextOfKin.display)],
        name: [{ use: 'official', family: home.nextOfKin.family, given: [home.nextOfKin.given] }],
        telecom: [{ system: 'phone', value: home.phone, use: 'mobile' }],
      });
    }
    if (random.chance(0.16)) allergy(activity);
    const problems = new Map<number, Written>();
    person.longTerm.forEach(({ condition, onset }, index) => {
      if (onset <= person.since) problems.set(index, diagnose(activity, condition.code, onset));
    });
    return { patient, problems };
  });
  return registered!;
}

/** Everything the practice does from the registration on. */
export function attendPractice(chart: Chart, registration: Registration): void {
  vaccinate(chart);
  reviewLongTermConditions(chart, registration);
  consult(chart);
}

function consult(chart: Chart): void {
  const { person, random } = chart;
  for (let year = person.since; year < person.until; year += YEAR) {
    const age = chart.age(year);
    const visits = random.times(age < 5 ? 1.1 : age < 65 ? 0.6 : 1);
    for (let i = 0; i < visits; i++) {
      const at =
        year + random.whole(1, 364) * DAY + random.whole(9, 17) * HOUR + random.whole(0, 11) * 5 * MINUTE;
      const illness = random.weighted(MINOR_ILLNESSES);
      let condition: Written | undefined;
      chart.activity(person.practice, at, (activity) => {
        const type = random.chance(0.3) ? BY_TELEPHONE : CONSULTATION;
        const visit = encounter(activity, AMBULATORY, type, random.whole(8, 20), {
          reasonCode: [illness.code],
        });
        condition = diagnose(activity, illness.code, at - random.whole(1, 6) * DAY, visit);
        if (age >= 18 && random.chance(0.5)) bloodPressure(activity, systolicAt(chart, at), visit);
        if (illness.medicine && age >= 12) {
          const prescription = prescribe(activity, illness.medicine, { reason: condition, encounter: visit });
          if (random.chance(0.6))
            dispense(chart, prescription, illness.medicine, at + random.whole(1, 30) * HOUR);
        }
      });
      if (condition && random.chance(0.25)) {
        const ill = condition;
        chart.activity(person.practice, at + random.whole(10, 40) * DAY, (activity) =>
          resolve(activity, ill),
        );
      }
      if (age >= 18 && random.chance(0.08)) refer(chart, illness.code, at + HOUR);
    }
  }
}

/** Diagnosis when it comes, then every year: pressure, weight, the blood test that belongs to it, a year's repeat. */
function reviewLongTermConditions(chart: Chart, registration: Registration): void {
  const { person, random } = chart;
  person.longTerm.forEach(({ condition, onset }, index) => {
    const first = Math.max(onset, person.since + random.whole(10, 200) * DAY);
    if (onset > person.since) {
      const diagnosed = chart.activity(person.practice, onset + 10 * HOUR, (activity) =>
        diagnose(activity, condition.code, onset),
      );
      if (diagnosed) registration.problems.set(index, diagnosed);
    }
    const every = index === 0 ? 1 : 3;
    for (
      let at = first + 30 * DAY + 11 * HOUR;
      at < person.until;
      at += every * YEAR + random.whole(-20, 20) * DAY
    ) {
      chart.activity(person.practice, at, (activity) => {
        const problem = registration.problems.get(index);
        if (index === 0) {
          bloodPressure(activity, systolicAt(chart, at));
          const weight = Math.round(random.around(person.female ? 72 : 84, 9) * 10) / 10;
          const height = person.female ? 163 : 176;
          activity.observe(VITAL.weight, weight);
          activity.observe(VITAL.bodyMassIndex, Math.round((weight / (height / 100) ** 2) * 10) / 10);
        }
        if (condition.followedBy) bloodTest(activity, condition.followedBy);
        for (const medicine of condition.medicines) {
          const prescription = prescribe(activity, medicine, {
            repeats: 12,
            ...(problem ? { reason: problem } : {}),
          });
          if (random.chance(0.4)) dispense(chart, prescription, medicine, at + random.whole(1, 9) * DAY);
        }
      });
    }
  });
}

function bloodTest(activity: Activity, test: Measure): void {
  const random = activity.chart.random;
  const value =
    test === BLOOD.hba1c
      ? Math.round(random.around(58, 11))
      : test === BLOOD.cholesterol
        ? Math.round(random.around(4.6, 0.9) * 10) / 10
        : Math.round(random.around(88, 18));
  const results = [
    activity.observe(test, value, undefined, 'laboratory'),
    activity.observe(BLOOD.haemoglobin, Math.round(random.around(136, 12)), undefined, 'laboratory'),
  ];
  activity.add('DiagnosticReport', {
    status: 'final',
    category: [LABORATORY_SERVICE],
    code: snomed('721981007', 'Diagnostic studies report'),
    subject: { reference: activity.chart.patient },
    effectiveDateTime: stamp(activity.at),
    issued: stamp(activity.at + 20 * HOUR),
    performer: [{ reference: activity.provider.reference }],
    result: results.map((result) => ({ reference: result.reference })),
  });
}

function vaccinate(chart: Chart): void {
  const { person, random } = chart;
  const give = (at: number, procedure: CodeableConcept, product?: CodeableConcept): void => {
    chart.activity(person.practice, at + random.whole(0, 20) * DAY + 10 * HOUR, (activity) => {
      activity.add('Immunization', {
        extension: [
          {
            url: 'https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-VaccinationProcedure',
            valueCodeableConcept: procedure,
          },
        ],
        status: 'completed',
        vaccineCode: product ?? procedure,
        patient: { reference: chart.patient },
        occurrenceDateTime: stamp(activity.at),
        primarySource: true,
        lotNumber: `${random.pick(['AB', 'FK', 'LT'])}${random.whole(1000, 9999)}`,
        site: snomed('368208006', 'Left upper arm structure'),
        route: snomed('78421000', 'Intramuscular route'),
        doseQuantity: { value: 0.5, unit: 'millilitre', system: 'http://unitsofmeasure.org', code: 'mL' },
        performer: [{ actor: { reference: activity.provider.reference } }],
      });
    });
  };
  if (random.chance(0.93)) {
    give(person.born + 60 * DAY, VACCINATION.sixInOne);
    give(person.born + 62 * DAY, VACCINATION.meningitisB);
    give(person.born + 370 * DAY, VACCINATION.mmr);
    give(person.born + 1220 * DAY, VACCINATION.mmrSecond);
    give(person.born + 12.6 * YEAR, VACCINATION.hpv);
  }
  give(person.born + 65.2 * YEAR, VACCINATION.pneumococcal);
  give(person.born + 70.1 * YEAR, VACCINATION.shingles);
  if (chart.age(Date.UTC(2021, 1, 1)) > 18 && random.chance(0.85))
    give(Date.UTC(2021, 1, 20), VACCINATION.covid, COVID_VACCINE);
  for (let year = 2016; year <= 2040; year++) {
    const at = Date.UTC(year, 9, 5);
    if (at > person.until) break;
    const age = chart.age(at);
    if (random.chance(age >= 65 ? 0.75 : age < 11 && age > 2 ? 0.3 : 0.05)) give(at, VACCINATION.influenza);
  }
}

/** To the hospital's out-patients: the referral, the appointment, and what became of both. */
function refer(chart: Chart, reason: CodeableConcept, at: number): void {
  const { person, area, random } = chart;
  const referral = chart.activity(person.practice, at, (activity) =>
    activity.add('ServiceRequest', {
      status: 'active',
      intent: 'order',
      priority: random.chance(0.15) ? 'urgent' : 'routine',
      code: snomed('3457005', 'Patient referral'),
      subject: { reference: chart.patient },
      authoredOn: stamp(at),
      requester: activity.professional(),
      performer: [{ reference: area.acute.reference }],
      reasonCode: [reason],
    }),
  );
  if (!referral) return;
  const seen = at + random.whole(20, 120) * DAY;
  const appointment = chart.activity(area.acute, at + 3 * DAY, (activity) =>
    activity.add('Appointment', {
      status: 'booked',
      serviceType: [snomed('394802001', 'General medicine')],
      description: 'Out-patient appointment',
      start: stamp(seen),
      end: stamp(seen + 20 * MINUTE),
      created: stamp(activity.at),
      basedOn: [{ reference: referral.reference }],
      participant: [
        { actor: { reference: chart.patient }, status: 'accepted' },
        { actor: { reference: area.acute.place }, status: 'accepted' },
      ],
    }),
  );
  if (!appointment) return;
  chart.activity(area.acute, seen + HOUR, (activity) => {
    activity.amend(appointment, { status: random.chance(0.92) ? 'fulfilled' : 'noshow' });
    activity.amend(referral, { status: 'completed' });
    activity.send('DocumentReference', {
      type: LETTER_RECEIVED,
      ...paper(
        activity,
        'Out-patient letter',
        'Thank you for this referral. We found nothing that needs our care at present.',
      ),
    });
  });
}

function allergy(activity: Activity): void {
  const { code, manifestation, category } = activity.chart.random.weighted(ALLERGIES);
  activity.add('AllergyIntolerance', {
    clinicalStatus: hl7('allergyintolerance-clinical', 'active', 'Active'),
    verificationStatus: hl7('allergyintolerance-verification', 'confirmed', 'Confirmed'),
    type: 'allergy',
    category: [category],
    criticality: manifestation.coding[0]?.code === '39579001' ? 'high' : 'low',
    code,
    patient: { reference: activity.chart.patient },
    recordedDate: stamp(activity.at),
    recorder: activity.professional(),
    reaction: [{ manifestation: [manifestation], severity: 'moderate' }],
  });
}

function systolicAt(chart: Chart, at: number): number {
  const raised = chart.person.longTerm.some(({ condition }) => condition.code.coding[0]?.code === '59621000');
  return Math.round(chart.random.around(112 + chart.age(at) * 0.25 + (raised ? 12 : 0), 9));
}
