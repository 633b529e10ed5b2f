/** Who a person is: the UK Core Patient, as the practice and the hospital register it. */
import type { Chart, Written } from './chart.ts';
import type { Resident } from './household.ts';
import { date, stamp } from './calendar.ts';
import { ukCore } from './resource.ts';

export interface Home {
  readonly line: string;
  readonly postcode: string;
  readonly phone: string;
  readonly ethnicity: Resident['ethnicity'];
  readonly nextOfKin?: {
    readonly given: string;
    readonly family: string;
    readonly code: string;
    readonly display: string;
  };
}

export const NHS_NUMBER = 'https://fhir.nhs.uk/Id/nhs-number';
const UK_CORE = 'https://fhir.hl7.org.uk';

/** The Patient under the id the chart writes to. */
export function patientResource(chart: Chart, home: Home, nhsNumber = chart.person.nhsNumber): Written {
  const { person } = chart;
  const [code, display] = home.ethnicity;
  return {
    reference: chart.patient,
    resource: {
      resourceType: 'Patient',
      id: chart.patient.slice('Patient/'.length),
      meta: ukCore('Patient'),
      extension: [
        {
          url: `${UK_CORE}/StructureDefinition/Extension-UKCore-EthnicCategory`,
          valueCodeableConcept: {
            coding: [{ system: `${UK_CORE}/CodeSystem/UKCore-EthnicCategoryEngland`, code, display }],
          },
        },
      ],
      identifier: [nhsNumberIdentifier(nhsNumber, '01', 'Number present and verified')],
      active: true,
      name: [{ use: 'official', family: person.family, given: [person.given] }],
      telecom: [{ system: 'phone', value: home.phone, use: 'mobile' }],
      gender: person.female ? 'female' : 'male',
      birthDate: date(person.born),
      address: [{ use: 'home', line: [home.line], city: 'Aldermere', postalCode: home.postcode }],
      generalPractitioner: [{ reference: person.practice.reference, display: person.practice.name }],
    },
  };
}

/** The practice learns of a death, ends the registration, and says so to everybody. */
export function recordDeath(chart: Chart, patient: Written): void {
  const { person } = chart;
  chart.activity(person.practice, person.until, (activity) => {
    activity.amend(patient, { deceasedDateTime: stamp(person.until) });
  });
}

export function nhsNumberIdentifier(value: string, status: string, display: string): Record<string, unknown> {
  const coding = [
    { system: `${UK_CORE}/CodeSystem/UKCore-NHSNumberVerificationStatusEngland`, code: status, display },
  ];
  return {
    extension: [
      {
        url: `${UK_CORE}/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus`,
        valueCodeableConcept: { coding },
      },
    ],
    system: NHS_NUMBER,
    value,
  };
}
