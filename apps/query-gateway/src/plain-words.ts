/** What happened to a record, in words for the person whose record it is. */
import type { RecordedAccess } from '@carelog/access-log';
import { NOTIFICATION } from './interaction-of.ts';

export interface Names {
  /** Of the member of staff and the organisation, where the record knows them. */
  readonly person?: string;
  readonly organisation?: string;
  /** Types of what was shown of this patient; what is confidential is not among them. */
  readonly types: readonly string[];
}

/** One sentence, e.g. "On 21 November 2026 at 18:03, Dr Ada Floor of Grange Surgery looked at your medicines." */
export function plainWords(record: RecordedAccess, names: Names): string {
  return `On ${moment(record.at)}, ${whoIn(record, names)} ${deedIn(record, names)}.`;
}

function moment(at: number): string {
  const parts = { timeZone: 'Europe/London' } as const;
  const day = new Date(at).toLocaleDateString('en-GB', { ...parts, day: 'numeric', month: 'long', year: 'numeric' }); // prettier-ignore
  const time = new Date(at).toLocaleTimeString('en-GB', { ...parts, hour: '2-digit', minute: '2-digit' });
  return `${day} at ${time}`;
}

function whoIn({ who }: RecordedAccess, { person, organisation }: Names): string {
  const place = organisation ?? `the organisation ${who.organisation}`;
  switch (who.kind) {
    case 'patient':
      return 'you';
    case 'staff':
      return `${person ?? 'a member of staff'} of ${place}`;
    case 'auditor':
      return `an auditor of ${place}`;
    case 'operator':
      return `an operator of ${place}`;
    case 'system':
      return `a computer system of ${place}`;
  }
}

function deedIn({ interaction, decision, status }: RecordedAccess, names: Names): string {
  const parts = partsIn(names);
  if (interaction === 'break-glass') {
    return decision === 'permitted' ? 'opened your record in an emergency' : 'asked to open your record in an emergency and was refused'; // prettier-ignore
  }
  if (decision === 'refused') return 'asked to look at your record and was refused';
  if (status >= 400) return 'asked for something in your record and got no answer';
  if (interaction === 'create' || interaction === 'activities') return `added to ${parts}`;
  if (interaction === 'update') return `changed ${parts}`;
  if (interaction === 'delete') return `took something out of ${parts}`;
  if (interaction === NOTIFICATION) return `was told of what is new in ${parts}`;
  return `looked at ${parts}`;
}

// Only what says nothing by being there: that there is an alert may be what must not be told.
const WORDS: Readonly<Record<string, string>> = {
  AllergyIntolerance: 'allergies',
  Appointment: 'appointments',
  Composition: 'letters and documents',
  Condition: 'health problems',
  DocumentReference: 'letters and documents',
  Encounter: 'visits',
  Immunization: 'vaccinations',
  MedicationRequest: 'medicines',
  MedicationStatement: 'medicines',
  MedicationDispense: 'medicines',
  Observation: 'measurements and test results',
  DiagnosticReport: 'measurements and test results',
  Patient: 'name, address and other details',
  Procedure: 'operations and treatments',
};

const PARTS_MAX = 3;

function partsIn({ types }: Names): string {
  const words = [...new Set(types.map((type) => WORDS[type]))];
  const known = words.filter((word) => word !== undefined);
  if (known.length === 0 || known.length < words.length || known.length > PARTS_MAX) return 'your record';
  const last = known.pop();
  return known.length === 0 ? `your ${last}` : `your ${known.join(', ')} and ${last}`;
}
