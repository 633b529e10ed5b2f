/**
 * What a care setting needs to know of one version of one resource, in one shape whatever type it is: what a page is selected,
 * ordered, matched and counted by. The resource itself stays in the record, from which it is shown.
 * https://hl7.org/fhir/R4/resourcelist.html
 */

/** One coding of a concept. */
export interface Code {
  readonly system?: string;
  readonly code: string;
  readonly display?: string;
}

/** What the resource is about, in the words of a ward round rather than of FHIR. */
export type Kind =
  | 'person'
  | 'relative'
  | 'episode'
  | 'encounter'
  | 'document'
  | 'allergy'
  | 'medicine'
  | 'dispensing'
  | 'problem'
  | 'procedure'
  | 'immunisation'
  | 'observation'
  | 'result'
  | 'referral'
  | 'appointment'
  | 'plan'
  | 'goal'
  | 'team'
  | 'flag'
  | 'risk'
  | 'assessment'
  | 'message'
  | 'task'
  | 'consent';

export interface Fact {
  readonly kind: Kind;
  readonly type: string;
  /** Codings of what it is: the substance, the medicine, the finding, the kind of document. */
  readonly codes: readonly Code[];
  /** What it is called, as its author wrote it, else the first display. */
  readonly text: string;
  /** FHIR's own: `status`, or the clinical status where the type has that instead. */
  readonly status: string;
  /** ISO 8601 as written, partial dates too: when it was true, held or happened. */
  readonly from?: string;
  readonly to?: string;
  /** In words, where it is over without a date being said: at what age, about when, or that nobody said when. */
  readonly over?: string;
  /** ISO 8601: since when it has its status, where that is said beside it. */
  readonly statusSince?: string;
  /** When its author wrote what it tells, by which the newest word is known; it orders no versions. */
  readonly issued?: string;
  readonly categories: readonly Code[];
  /** `Type/id` of what it refers to, by element: `encounter`, `basedOn`, `organisation`, `author`, `owner`, `focus`, … */
  readonly refs: Readonly<Record<string, readonly string[]>>;
  /** `system|value` of its business identifiers. */
  readonly identifiers: readonly string[];
  readonly value?: Value;
  /** Parts of an observation, reactions of an allergy, routes of a medicine, sites of a problem: each with what it is and what was found. */
  readonly parts?: readonly {
    readonly codes: readonly Code[];
    readonly text: string;
    readonly value?: Value;
    /** An activity of a plan: it is done once in so many days, until then (ISO 8601). */
    readonly everyDays?: number;
    readonly until?: string;
  }[];
  /** Encounter.class, AllergyIntolerance.criticality, MedicationRequest.intent, ServiceRequest.priority, …: one more code. */
  readonly grade?: string;
  /** Dose instructions, conclusion of a report, description of a plan. */
  readonly note?: string;
  /** Why it was begun or ended, in its author's words. */
  readonly reason?: string;
}

export type Value =
  | { readonly kind: 'quantity'; readonly number: number; readonly unit: string }
  | { readonly kind: 'code'; readonly codes: readonly Code[]; readonly text: string }
  | { readonly kind: 'text'; readonly text: string };

type Json = Readonly<Record<string, unknown>>;

/** What a type is read as. A name in `status` is an element; `refs` are elements that hold references, by the name they get. */
interface Reading {
  readonly kind: Kind;
  readonly code?: readonly string[];
  readonly status?: readonly string[];
  readonly time?: readonly string[];
  readonly issued?: readonly string[];
  readonly refs?: Readonly<Record<string, string>>;
  readonly grade?: (resource: Json) => string | undefined;
  readonly note?: (resource: Json) => string | undefined;
  readonly parts?: (resource: Json) => readonly Json[];
  readonly text?: (resource: Json) => string | undefined;
  /** Concepts; those of `category` unless told. */
  readonly categories?: (resource: Json) => readonly unknown[];
  /** Elements that say when it ended. */
  readonly ended?: readonly string[];
  readonly statusSince?: (resource: Json) => string | undefined;
  /** What says that it has ended, and not on which day. */
  readonly over?: (resource: Json) => string | undefined;
}

const words = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;
const firstCode = (value: unknown): string | undefined => codesOf(value)[0]?.code;
const doses = (element: string) => (resource: Json) =>
  list(resource[element])
    .flatMap((it) => words(it['text']) ?? [])
    .join('; ') || undefined;
/** A part for each dose that says by which route. https://hl7.org/fhir/R4/dosage.html */
const routes = (element: string) => (resource: Json) =>
  list(resource[element]).flatMap(({ route }) => (isObject(route) ? [{ code: route }] : []));

const MEDICATION = ['medicationCodeableConcept', 'medicationReference'] as const;

const READINGS: Readonly<Record<string, Reading>> = {
  Patient: {
    kind: 'person',
    status: ['active'],
    time: ['birthDate'],
    ended: ['deceasedDateTime'],
    over: ({ deceasedBoolean }) => (deceasedBoolean === true ? NOT_SAID : undefined),
    refs: { practice: 'generalPractitioner', organisation: 'managingOrganization' },
    parts: ({ contact }) => list(contact).map((it) => ({ code: list(it['relationship'])[0], text: nameOf(it['name']), valueString: phoneOf(it) })), // prettier-ignore
  },
  RelatedPerson: {
    kind: 'relative',
    code: ['relationship'],
    status: ['active'],
    time: ['period'],
    text: ({ name }) => nameOf(list(name)[0]),
    note: phoneOf,
  },
  EpisodeOfCare: {
    kind: 'episode',
    code: ['type'],
    status: ['status'],
    time: ['period'],
    refs: { organisation: 'managingOrganization', author: 'careManager' },
  },
  Encounter: {
    kind: 'encounter',
    code: ['type', 'serviceType', 'reasonCode'],
    status: ['status'],
    time: ['period'],
    refs: { organisation: 'serviceProvider', author: 'participant.individual', episode: 'episodeOfCare', basedOn: 'basedOn', appointment: 'appointment', partOf: 'partOf', reason: 'reasonReference' }, // prettier-ignore
    grade: ({ class: it }) => words((it as Json | undefined)?.['code']),
    note: ({ hospitalization: it }) => textOf((it as Json | undefined)?.['dischargeDisposition']),
    categories: ({ priority, hospitalization: it }) => [priority, (it as Json | undefined)?.['admitSource'], ...extensionsOf(it, ADMISSION_METHOD).map((one) => one['valueCodeableConcept'])], // prettier-ignore
    parts: (resource) => extensionsOf(resource, LEGAL_STATUS).map((it) => ({
      code: extensionsOf(it, 'legalStatusClassification')[0]?.['valueCodeableConcept'],
      valueCodeableConcept: extensionsOf(it, 'legalStatusContext')[0]?.['valueCodeableConcept'],
    })), // prettier-ignore
  },
  Composition: {
    kind: 'document',
    code: ['type'],
    status: ['status'],
    time: ['date'],
    issued: ['date'],
    refs: { encounter: 'encounter', organisation: 'custodian', author: 'author', replaces: 'relatesTo.targetReference' }, // prettier-ignore
    text: ({ title }) => words(title),
  },
  DocumentReference: {
    kind: 'document',
    code: ['type'],
    status: ['status'],
    time: ['date'],
    issued: ['date'],
    refs: { encounter: 'context.encounter', organisation: 'custodian', author: 'author', replaces: 'relatesTo.target' }, // prettier-ignore
    grade: ({ docStatus }) => words(docStatus),
    text: ({ description, content }) => words(description) ?? words((list(content)[0]?.['attachment'] as Json | undefined)?.['title']), // prettier-ignore
  },
  AllergyIntolerance: {
    kind: 'allergy',
    code: ['code'],
    status: ['clinicalStatus', 'verificationStatus'],
    // The end of an onset is when it had begun at the latest.
    time: ['onsetDateTime', 'onsetPeriod.start', 'onsetPeriod.end', 'recordedDate'],
    issued: ['recordedDate'],
    refs: { author: 'recorder', asserter: 'asserter', encounter: 'encounter' },
    grade: ({ criticality }) => words(criticality),
    note: ({ note }) => words(list(note)[0]?.['text']),
    parts: ({ reaction }) => list(reaction).flatMap((it) => list(it['manifestation']).map((code) => ({ code, valueString: it['severity'] }))), // prettier-ignore
  },
  MedicationRequest: {
    kind: 'medicine',
    code: MEDICATION,
    status: ['status'],
    time: ['dispenseRequest.validityPeriod', 'authoredOn'],
    issued: ['authoredOn'],
    refs: { author: 'requester', encounter: 'encounter', basedOn: 'basedOn', prior: 'priorPrescription', reason: 'reasonReference', medication: 'medicationReference' }, // prettier-ignore
    grade: ({ intent }) => words(intent),
    note: doses('dosageInstruction'),
    parts: routes('dosageInstruction'),
    statusSince: statusChangedOn,
  },
  MedicationStatement: {
    kind: 'medicine',
    code: MEDICATION,
    status: ['status'],
    time: ['effectivePeriod', 'effectiveDateTime', 'dateAsserted'],
    issued: ['dateAsserted'],
    refs: {
      author: 'informationSource',
      encounter: 'context',
      basedOn: 'basedOn',
      derivedFrom: 'derivedFrom',
      reason: 'reasonReference',
      medication: 'medicationReference',
    },
    grade: () => 'statement',
    note: doses('dosage'),
    parts: routes('dosage'),
  },
  MedicationDispense: {
    kind: 'dispensing',
    code: MEDICATION,
    status: ['status'],
    time: ['whenHandedOver', 'whenPrepared'],
    refs: { prescription: 'authorizingPrescription', author: 'performer.actor', encounter: 'context', medication: 'medicationReference' }, // prettier-ignore
    note: doses('dosageInstruction'),
    parts: routes('dosageInstruction'),
  },
  MedicationAdministration: {
    kind: 'dispensing',
    code: MEDICATION,
    status: ['status'],
    time: ['effectiveDateTime', 'effectivePeriod'],
    refs: { prescription: 'request', author: 'performer.actor', encounter: 'context', medication: 'medicationReference' }, // prettier-ignore
    grade: () => 'administered',
    note: ({ dosage }) => words((dosage as Json | undefined)?.['text']),
  },
  Condition: {
    kind: 'problem',
    code: ['code'],
    status: ['clinicalStatus', 'verificationStatus'],
    time: ['onsetPeriod.start', 'onsetDateTime', 'onsetPeriod.end', 'recordedDate'],
    ended: ['abatementDateTime', 'abatementPeriod.end'],
    over: abatementIn,
    issued: ['recordedDate'],
    refs: { author: 'recorder', asserter: 'asserter', encounter: 'encounter' },
    note: ({ note }) => words(list(note)[0]?.['text']),
    parts: ({ bodySite }) => list(bodySite).map((code) => ({ code })),
  },
  Procedure: {
    kind: 'procedure',
    code: ['code'],
    status: ['status'],
    time: ['performedDateTime', 'performedPeriod'],
    refs: { author: 'performer.actor', encounter: 'encounter', basedOn: 'basedOn' },
  },
  Immunization: {
    kind: 'immunisation',
    code: ['vaccineCode'],
    status: ['status'],
    time: ['occurrenceDateTime'],
    issued: ['recorded'],
    refs: { author: 'performer.actor', encounter: 'encounter' },
  },
  Observation: {
    kind: 'observation',
    code: ['code'],
    status: ['status'],
    time: ['effectiveDateTime', 'effectivePeriod', 'effectiveInstant'],
    issued: ['issued'],
    refs: { author: 'performer', encounter: 'encounter', members: 'hasMember', basedOn: 'basedOn', focus: 'focus', derivedFrom: 'derivedFrom' }, // prettier-ignore
    grade: ({ interpretation }) => firstCode(interpretation),
    note: ({ note }) => words(list(note)[0]?.['text']),
    parts: ({ component }) => list(component),
  },
  DiagnosticReport: {
    kind: 'result',
    code: ['code'],
    status: ['status'],
    time: ['effectiveDateTime', 'effectivePeriod', 'issued'],
    issued: ['issued'],
    refs: { author: 'performer', encounter: 'encounter', basedOn: 'basedOn', members: 'result' },
    note: ({ conclusion }) => words(conclusion),
  },
  ServiceRequest: {
    kind: 'referral',
    code: ['code'],
    status: ['status'],
    time: ['occurrencePeriod', 'occurrenceDateTime', 'authoredOn'],
    issued: ['authoredOn'],
    refs: { author: 'requester', owner: 'performer', encounter: 'encounter', basedOn: 'basedOn', reason: 'reasonReference' }, // prettier-ignore
    grade: ({ priority }) => words(priority),
    note: ({ intent }) => words(intent),
  },
  Appointment: {
    kind: 'appointment',
    code: ['serviceType', 'appointmentType', 'reasonCode'],
    status: ['status'],
    time: ['start', 'end'],
    issued: ['created'],
    refs: { basedOn: 'basedOn', author: 'participant.actor', replaces: 'supportingInformation' },
    text: ({ description }) => words(description),
  },
  CarePlan: {
    kind: 'plan',
    code: ['category'],
    status: ['status'],
    time: ['period'],
    issued: ['created'],
    refs: {
      author: 'author',
      team: 'careTeam',
      encounter: 'encounter',
      addresses: 'addresses',
      goal: 'goal',
    },
    text: ({ title }) => words(title),
    note: ({ description }) => words(description),
    parts: ({ activity }) => list(activity).flatMap(({ detail: it }) => (isObject(it) ? [{ code: it['code'], text: it['description'], valueString: it['status'], ...scheduleOf(it) }] : [])), // prettier-ignore
  },
  Goal: {
    kind: 'goal',
    code: ['description'],
    status: ['lifecycleStatus'],
    time: ['startDate'],
    issued: ['statusDate'],
    refs: { addresses: 'addresses', author: 'expressedBy' },
  },
  CareTeam: {
    kind: 'team',
    code: ['category'],
    status: ['status'],
    time: ['period'],
    refs: { organisation: 'managingOrganization', members: 'participant.member', encounter: 'encounter' },
    text: ({ name }) => words(name),
    note: phoneOf,
  },
  Flag: {
    kind: 'flag',
    code: ['code'],
    status: ['status'],
    time: ['period'],
    refs: { author: 'author', encounter: 'encounter' },
  },
  RiskAssessment: {
    kind: 'risk',
    code: ['code', 'method'],
    status: ['status'],
    time: ['occurrenceDateTime', 'occurrencePeriod'],
    refs: { author: 'performer', encounter: 'encounter', reason: 'condition' },
    note: ({ mitigation }) => words(mitigation),
    parts: ({ prediction }) => list(prediction).map((it) => ({ code: it['outcome'], valueCodeableConcept: it['qualitativeRisk'], valueString: it['rationale'] })), // prettier-ignore
  },
  QuestionnaireResponse: {
    kind: 'assessment',
    status: ['status'],
    time: ['authored'],
    issued: ['authored'],
    refs: { author: 'author', encounter: 'encounter', basedOn: 'basedOn' },
    text: ({ questionnaire }) => words(questionnaire),
  },
  Communication: {
    kind: 'message',
    code: ['topic', 'reasonCode', 'category'],
    status: ['status'],
    time: ['sent', 'received'],
    issued: ['sent'],
    refs: { author: 'sender', owner: 'recipient', about: 'about', encounter: 'encounter', basedOn: 'basedOn', replyTo: 'inResponseTo' }, // prettier-ignore
    note: ({ received }) => words(received),
  },
  Task: {
    kind: 'task',
    code: ['code'],
    status: ['status'],
    time: ['executionPeriod', 'authoredOn'],
    issued: ['lastModified', 'authoredOn'],
    refs: { focus: 'focus', owner: 'owner', author: 'requester', encounter: 'encounter', basedOn: 'basedOn' },
    grade: ({ priority }) => words(priority),
    text: ({ description }) => words(description),
  },
  Consent: { kind: 'consent', status: ['status'], issued: ['dateTime'] },
};

/** The kind that resources of this type are; undefined where no care setting looks at them. */
export const kindOf = (type: string): Kind | undefined => READINGS[type]?.kind;

const SUBJECTS = ['subject', 'patient', 'for', 'beneficiary'] as const;

/** `Patient/id`s whom it is about: its subject, and in an appointment each patient who takes part. A Patient is about itself. */
export function patientsOf(resource: Json): readonly string[] {
  if (resource['resourceType'] === 'Patient') return [`Patient/${String(resource['id'])}`];
  const named = SUBJECTS.flatMap((element) => referencesAt(resource, [element]));
  const taking =
    resource['resourceType'] === 'Appointment' ? referencesAt(resource, ['participant', 'actor']) : [];
  return [...new Set([...named, ...taking].filter((it) => it.startsWith('Patient/')))];
}

/** Undefined where no care setting looks at resources of this type. Throws nothing, whatever is in them. */
export function factOf(resource: Json): Fact | undefined {
  const type = String(resource['resourceType']);
  const reading = Object.hasOwn(READINGS, type) ? READINGS[type] : undefined;
  if (reading === undefined) return undefined;
  const codes = (reading.code ?? []).flatMap((element) => codesOf(named(resource, element)));
  const { from, to = firstOf(resource, reading.ended) } = timesOf(resource, reading.time ?? []);
  const over = to === undefined ? reading.over?.(resource) : undefined;
  const statusSince = reading.statusSince?.(resource);
  const issued = firstOf(resource, reading.issued);
  const value = valueOf(resource);
  const parts = reading.parts?.(resource).map(partOf);
  const grade = reading.grade?.(resource);
  const note = reading.note?.(resource);
  const reason = textOf(resource['statusReason']) ?? textOf(resource['reasonCode']);
  return {
    kind: reading.kind,
    type,
    codes,
    text: reading.text?.(resource) ?? namedBy(resource, reading.code ?? []) ?? '',
    status: statusOf(resource, reading.status ?? []),
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
    ...(over !== undefined && { over }),
    ...(statusSince !== undefined && { statusSince }),
    ...(issued !== undefined && { issued }),
    categories: reading.categories?.(resource).flatMap(codesOf) ?? (reading.code?.includes('category') === true ? [] : codesOf(resource['category'])), // prettier-ignore
    refs: refsOf(resource, type, reading.refs ?? {}),
    identifiers: list(resource['identifier'] ?? []).flatMap((it) => (words(it['value']) === undefined ? [] : [`${words(it['system']) ?? ''}|${String(it['value'])}`])), // prettier-ignore
    ...(value !== undefined && { value }),
    ...(parts !== undefined && parts.length > 0 && { parts }),
    ...(grade !== undefined && { grade }),
    ...(note !== undefined && { note }),
    ...(reason !== undefined && { reason }),
  };
}

/** What an element names, in the resource itself where it only points at what it contains. */
function named(resource: Json, element: string): unknown {
  const value = resource[element];
  const reference = isObject(value) ? words(value['reference']) : undefined;
  if (reference?.startsWith('#') !== true) return value;
  return list(resource['contained']).find(({ id }) => id === reference.slice(1))?.['code'];
}

function statusOf(resource: Json, elements: readonly string[]): string {
  // A retraction outweighs whatever else is said: https://hl7.org/fhir/R4/codesystem-condition-ver-status.html
  const said = elements.map((element) => {
    const value = resource[element];
    if (typeof value === 'boolean') return value ? 'active' : 'inactive';
    return words(value) ?? firstCode(value);
  });
  const weighty = said.find((it) => it === 'entered-in-error' || it === 'refuted');
  return weighty ?? said.find((it) => it !== undefined) ?? (elements[0] === 'active' ? 'active' : 'unknown');
}

function timesOf(resource: Json, elements: readonly string[]): { from?: string; to?: string } {
  const times: string[] = [];
  for (const element of elements) {
    const value = valueAt(resource, element);
    if (typeof value === 'string') times.push(value);
    else if (isObject(value)) {
      const from = words(value['start']);
      const to = words(value['end']);
      if (from !== undefined || to !== undefined) return { ...(from && { from }), ...(to && { to }) };
    }
  }
  const isSpan = elements[1] === 'end';
  return { ...(times[0] && { from: times[0] }), ...(isSpan && times[1] && { to: times[1] }) };
}

function refsOf(resource: Json, type: string, refs: Readonly<Record<string, string>>): Fact['refs'] {
  const found: Record<string, readonly string[]> = {};
  for (const [name, element] of Object.entries(refs)) {
    const references = referencesAt(resource, element.split('.'));
    if (references.length > 0) found[name] = references;
  }
  if (type !== 'Patient') return found;
  const replacedBy = list(resource['link']).filter((it) => it['type'] === 'replaced-by' || it['type'] === 'replaces' || it['type'] === 'refer'); // prettier-ignore
  const linked = replacedBy.flatMap((it) => referencesAt(it, ['other']));
  return linked.length === 0 ? found : { ...found, linked };
}

function referencesAt(at: unknown, steps: readonly string[]): string[] {
  if (Array.isArray(at)) return at.flatMap((it) => referencesAt(it, steps));
  if (!isObject(at)) return [];
  const [step, ...rest] = steps;
  if (step !== undefined) return referencesAt(at[step], rest);
  const reference = words(at['reference']);
  // Of a version of it, the resource.
  return reference === undefined ? [] : [reference.replace(/\/_history\/.*$/, '')];
}

function valueOf(at: Json): Value | undefined {
  const quantity = at['valueQuantity'];
  if (isObject(quantity) && typeof quantity['value'] === 'number')
    return { kind: 'quantity', number: quantity['value'], unit: words(quantity['code']) ?? words(quantity['unit']) ?? '' }; // prettier-ignore
  const concept = at['valueCodeableConcept'];
  if (isObject(concept)) return { kind: 'code', codes: codesOf(concept), text: textOf(concept) ?? '' };
  if (typeof at['valueInteger'] === 'number')
    return { kind: 'quantity', number: at['valueInteger'], unit: '' };
  if (typeof at['valueBoolean'] === 'boolean')
    return { kind: 'text', text: at['valueBoolean'] ? 'yes' : 'no' };
  const text = words(at['valueString']) ?? words(at['valueDateTime']);
  return text === undefined ? undefined : { kind: 'text', text };
}

function partOf(part: Json) {
  const value = valueOf(part);
  const text = words(part['text']) ?? textOf(part['code']) ?? '';
  const everyDays = part['everyDays'] as number | undefined;
  const until = words(part['until']);
  return {
    codes: codesOf(part['code']),
    text,
    ...(value !== undefined && { value }),
    ...(everyDays !== undefined && { everyDays }),
    ...(until !== undefined && { until }),
  };
}

/** R4 has no element for it: what GP systems send beside the status, and what R5 calls it. */
function statusChangedOn(prescription: Json): string | undefined {
  const [reason] = extensionsOf(prescription, GP_STATUS_REASON);
  const [changed] = [
    ...extensionsOf(reason, 'statusChangeDate'),
    ...extensionsOf(prescription, STATUS_CHANGED),
  ];
  return words(changed?.['valueDateTime']);
}

const NOT_SAID = 'when is not said';

/** https://hl7.org/fhir/R4/condition-definitions.html#Condition.abatement_x_ */
function abatementIn({
  abatementString,
  abatementAge,
  abatementRange,
  abatementPeriod,
}: Json): string | undefined {
  if (isObject(abatementAge)) return `at the age of ${quantityText(abatementAge)}`;
  if (isObject(abatementRange)) return `at the age of ${['low', 'high'].map((it) => quantityText(abatementRange[it])).filter((it) => it !== '').join(' to ')}`; // prettier-ignore
  if (isObject(abatementPeriod))
    return `after ${words(abatementPeriod['start']) ?? 'a day that is not said'}`;
  return words(abatementString);
}

function quantityText(quantity: unknown): string {
  if (!isObject(quantity) || typeof quantity['value'] !== 'number') return '';
  const unit = words(quantity['code']) ?? words(quantity['unit']) ?? '';
  return `${quantity['value']} ${AGE_UNITS[unit] ?? unit}`.trim();
}

const AGE_UNITS: Readonly<Record<string, string>> = { a: 'years', mo: 'months', wk: 'weeks', d: 'days' };

/** Of an activity's schedule what a missed one is known by. https://hl7.org/fhir/R4/datatypes.html#Timing */
function scheduleOf({ scheduledTiming, scheduledPeriod }: Json): { everyDays?: number; until?: string } {
  const { repeat } = isObject(scheduledTiming) ? scheduledTiming : {};
  const { frequency = 1, period, periodUnit, boundsPeriod } = isObject(repeat) ? repeat : {};
  const days = DAYS_OF[String(periodUnit)];
  const bounds = scheduledPeriod ?? boundsPeriod;
  const until = isObject(bounds) ? words(bounds['end']) : undefined;
  const isTimed = days !== undefined && typeof period === 'number' && typeof frequency === 'number' && frequency > 0; // prettier-ignore
  return { ...(isTimed && { everyDays: (period * days) / frequency }), ...(until && { until }) };
}

const DAYS_OF: Readonly<Record<string, number>> = { h: 1 / 24, d: 1, wk: 7, mo: 30, a: 365 };

// https://simplifier.net/guide/uk-core-implementation-guide
const LEGAL_STATUS = 'https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-LegalStatus';
// https://digital.nhs.uk/developer/api-catalogue/gp-connect-access-record-structured-fhir
const GP_STATUS_REASON = 'https://fhir.nhs.uk/STU3/StructureDefinition/Extension-CareConnect-GPC-MedicationStatusReason-1'; // prettier-ignore
// https://hl7.org/fhir/R5/medicationrequest-definitions.html#MedicationRequest.statusChanged
const STATUS_CHANGED =
  'http://hl7.org/fhir/5.0/StructureDefinition/extension-MedicationRequest.statusChanged';
const ADMISSION_METHOD = 'https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-AdmissionMethod';

function extensionsOf(at: unknown, url: string): readonly Json[] {
  return isObject(at) ? list(at['extension']).filter((it) => it['url'] === url) : [];
}

function nameOf(name: unknown): string | undefined {
  if (!isObject(name)) return undefined;
  const { text, prefix, given, family } = name;
  const parts = [prefix, given, family].flat().filter((it) => typeof it === 'string');
  return words(text) ?? words(parts.join(' '));
}

function phoneOf({ telecom }: Json): string | undefined {
  return words(list(telecom).find(({ system }) => system === 'phone')?.['value']);
}

function namedBy(resource: Json, elements: readonly string[]): string | undefined {
  for (const element of elements) {
    const value = named(resource, element);
    const text = textOf(value) ?? (isObject(value) ? words(value['display']) : undefined);
    if (text !== undefined) return text;
  }
  return undefined;
}

function textOf(concept: unknown): string | undefined {
  for (const one of Array.isArray(concept) ? concept : [concept]) {
    if (!isObject(one)) continue;
    const text = words(one['text']) ?? codesOf(one).find((it) => it.display !== undefined)?.display;
    if (text !== undefined) return text;
  }
  return undefined;
}

function codesOf(concept: unknown): Code[] {
  return (Array.isArray(concept) ? concept : [concept]).flatMap((one) =>
    list((one as Json | undefined)?.['coding']).flatMap((coding) => {
      const code = words(coding['code'])?.trim();
      if (code === undefined || code === '') return [];
      const system = words(coding['system']);
      const display = words(coding['display']);
      return [{ code, ...(system && { system }), ...(display && { display }) }];
    }),
  );
}

function firstOf(resource: Json, elements: readonly string[] = []): string | undefined {
  for (const element of elements) {
    const value = words(valueAt(resource, element));
    if (value !== undefined) return value;
  }
  return undefined;
}

/** Of a path of single elements, as in `abatementPeriod.end`. */
const valueAt = (resource: Json, path: string): unknown =>
  path.split('.').reduce<unknown>((at, step) => (isObject(at) ? at[step] : undefined), resource);

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const list = (value: unknown): readonly Json[] => (Array.isArray(value) ? value.filter(isObject) : []);
