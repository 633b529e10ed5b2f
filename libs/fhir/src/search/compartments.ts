/**
 * Whose record a resource belongs to: the compartments of R4, by the search parameters that put a resource into one.
 * https://hl7.org/fhir/R4/compartmentdefinition.html
 */
import { pathsOf } from './extraction.ts';
import type { SearchCondition } from './query.ts';
import {
  patientCompartmentParameters,
  searchParametersOf,
  type SearchParameter,
} from './search-parameters.ts';

/**
 * What `/Patient/1/Observation` asks of an Observation; undefined where R4 has no such compartment or where no resource of the
 * type is in one.
 */
export function compartmentCondition(
  compartmentType: string,
  id: string,
  type: string,
): SearchCondition | undefined {
  const parameters =
    compartmentType === 'Patient'
      ? patientCompartmentParameters(type)
      : (COMPARTMENTS[compartmentType]?.[type]?.split(' ') ?? []);
  if (parameters.includes('_id')) return { kind: 'id', parameter: '_id', values: [id] };
  return parameters.length === 0
    ? undefined
    : { kind: 'compartment', of: `${compartmentType}/${id}`, parameters };
}

/**
 * The parameters of a type that ask for the patient it is about: `patient`, or else `subject`, and those that read the same
 * element, so that they agree wherever a Patient is referred to.
 */
export function subjectParametersOf(type: string): readonly string[] {
  let codes = subjects.get(type);
  if (codes === undefined) {
    const references = searchParametersOf(type).filter(
      (it) => it.type === 'reference' && (it.targets ?? []).includes('Patient'),
    );
    const main =
      references.find((it) => it.code === 'patient') ?? references.find((it) => it.code === 'subject');
    const element = main && elementOf(type, main);
    codes = references.filter((it) => elementOf(type, it) === element).map((it) => it.code);
    subjects.set(type, codes);
  }
  return codes;
}

const subjects = new Map<string, readonly string[]>();

function elementOf(type: string, parameter: SearchParameter): string {
  const paths = pathsOf(type, parameter).map(({ steps }) =>
    steps.filter((it) => it.kind !== 'target-type' || it.name !== 'Patient'),
  );
  return JSON.stringify(paths);
}

// By compartment and type, the parameters that R4 4.0.1 names; `_id` where a resource is in its own compartment. The Patient's
// are read from the definitions.
const COMPARTMENTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Encounter: {
    CarePlan: 'encounter',
    CareTeam: 'encounter',
    ChargeItem: 'context',
    Claim: 'encounter',
    ClinicalImpression: 'encounter',
    Communication: 'encounter',
    CommunicationRequest: 'encounter',
    Composition: 'encounter',
    Condition: 'encounter',
    DeviceRequest: 'encounter',
    DiagnosticReport: 'encounter',
    DocumentManifest: 'related-ref',
    DocumentReference: 'encounter',
    Encounter: '_id',
    ExplanationOfBenefit: 'encounter',
    Media: 'encounter',
    MedicationAdministration: 'context',
    MedicationRequest: 'encounter',
    NutritionOrder: 'encounter',
    Observation: 'encounter',
    Procedure: 'encounter',
    QuestionnaireResponse: 'encounter',
    RequestGroup: 'encounter',
    ServiceRequest: 'encounter',
    VisionPrescription: 'encounter',
  },
  RelatedPerson: {
    AdverseEvent: 'recorder',
    AllergyIntolerance: 'asserter',
    Appointment: 'actor',
    AppointmentResponse: 'actor',
    Basic: 'author',
    CarePlan: 'performer',
    CareTeam: 'participant',
    ChargeItem: 'enterer performer-actor',
    Claim: 'payee',
    Communication: 'sender recipient',
    CommunicationRequest: 'sender recipient requester',
    Composition: 'author',
    Condition: 'asserter',
    Coverage: 'policy-holder subscriber payor',
    DocumentManifest: 'author recipient',
    DocumentReference: 'author',
    Encounter: 'participant',
    ExplanationOfBenefit: 'payee',
    Invoice: 'recipient',
    MedicationAdministration: 'performer',
    MedicationStatement: 'source',
    Observation: 'performer',
    Patient: 'link',
    Person: 'link',
    Procedure: 'performer',
    Provenance: 'agent',
    QuestionnaireResponse: 'author source',
    RelatedPerson: '_id',
    RequestGroup: 'participant',
    Schedule: 'actor',
    ServiceRequest: 'performer',
    SupplyRequest: 'requester',
  },
  Practitioner: {
    Account: 'subject',
    AdverseEvent: 'recorder',
    AllergyIntolerance: 'recorder asserter',
    Appointment: 'actor',
    AppointmentResponse: 'actor',
    AuditEvent: 'agent',
    Basic: 'author',
    CarePlan: 'performer',
    CareTeam: 'participant',
    ChargeItem: 'enterer performer-actor',
    Claim: 'enterer provider payee care-team',
    ClaimResponse: 'requestor',
    ClinicalImpression: 'assessor',
    Communication: 'sender recipient',
    CommunicationRequest: 'sender recipient requester',
    Composition: 'subject author attester',
    Condition: 'asserter',
    CoverageEligibilityRequest: 'enterer provider',
    CoverageEligibilityResponse: 'requestor',
    DetectedIssue: 'author',
    DeviceRequest: 'requester performer',
    DiagnosticReport: 'performer',
    DocumentManifest: 'subject author recipient',
    DocumentReference: 'subject author authenticator',
    Encounter: 'practitioner participant',
    EpisodeOfCare: 'care-manager',
    ExplanationOfBenefit: 'enterer provider payee care-team',
    Flag: 'author',
    Group: 'member',
    Immunization: 'performer',
    Invoice: 'participant',
    Linkage: 'author',
    List: 'source',
    Media: 'subject operator',
    MedicationAdministration: 'performer',
    MedicationDispense: 'performer receiver',
    MedicationRequest: 'requester',
    MedicationStatement: 'source',
    MessageHeader: 'receiver author responsible enterer',
    NutritionOrder: 'provider',
    Observation: 'performer',
    Patient: 'general-practitioner',
    PaymentNotice: 'provider',
    PaymentReconciliation: 'requestor',
    Person: 'practitioner',
    Practitioner: '_id',
    PractitionerRole: 'practitioner',
    Procedure: 'performer',
    Provenance: 'agent',
    QuestionnaireResponse: 'author source',
    RequestGroup: 'participant author',
    ResearchStudy: 'principalinvestigator',
    RiskAssessment: 'performer',
    Schedule: 'actor',
    ServiceRequest: 'performer requester',
    Specimen: 'collector',
    SupplyDelivery: 'supplier receiver',
    SupplyRequest: 'requester',
    VisionPrescription: 'prescriber',
  },
  Device: {
    Account: 'subject',
    Appointment: 'actor',
    AppointmentResponse: 'actor',
    AuditEvent: 'agent',
    ChargeItem: 'enterer performer-actor',
    Claim: 'procedure-udi item-udi detail-udi subdetail-udi',
    Communication: 'sender recipient',
    CommunicationRequest: 'sender recipient',
    Composition: 'author',
    DetectedIssue: 'author',
    DeviceRequest: 'device subject requester performer',
    DeviceUseStatement: 'device',
    DiagnosticReport: 'subject',
    DocumentManifest: 'subject author',
    DocumentReference: 'subject author',
    ExplanationOfBenefit: 'procedure-udi item-udi detail-udi subdetail-udi',
    Flag: 'author',
    Group: 'member',
    Invoice: 'participant',
    List: 'subject source',
    Media: 'subject',
    MedicationAdministration: 'device',
    MessageHeader: 'target',
    Observation: 'subject device',
    Provenance: 'agent',
    QuestionnaireResponse: 'author',
    RequestGroup: 'author',
    RiskAssessment: 'performer',
    Schedule: 'actor',
    ServiceRequest: 'performer requester',
    Specimen: 'subject',
    SupplyRequest: 'requester',
  },
};
