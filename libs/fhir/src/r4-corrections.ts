/**
 * The bundled definitions carry additions of their publisher and of later FHIR versions; this takes them back to R4 4.0.1.
 * https://hl7.org/fhir/R4/evidencevariable-definitions.html and the pages of the other types named here.
 */
import type { SnapshotElement, StructureDefinition } from './build-definitions.ts';

/** The same definitions with 4.0.1's elements, and no others. */
export function correctToR4(definitions: StructureDefinition[]): StructureDefinition[] {
  return definitions.map((definition) => {
    const additions = NOT_IN_R4[definition.id] ?? [];
    const element = definition.snapshot.element
      .filter((it) => !additions.some((path) => it.path === path || it.path.startsWith(`${path}.`)))
      .map((it) => ({ ...it, ...AS_IN_R4[it.path] }))
      .concat(definition.id === 'EvidenceVariable' ? EVIDENCE_VARIABLE_CHARACTERISTIC : []);
    return { ...definition, snapshot: { element } };
  });
}

const NOT_IN_R4: Record<string, string[]> = {
  Binary: ['Binary.url'],
  DeviceDefinition: ['DeviceDefinition.bodySite', 'DeviceDefinition.classification'],
  EvidenceVariable: ['EvidenceVariable.characteristic'],
  HealthcareService: ['HealthcareService.offeredIn'],
  Meta: ['project', 'author', 'onBehalfOf', 'account', 'accounts', 'compartment', 'deleted'].map(
    (it) => `Meta.${it}`,
  ),
  ObservationDefinition: ['ObservationDefinition.publisher'],
  ResearchStudy: [
    ...['name', 'label', 'studyDesign', 'region', 'descriptionSummary', 'classifier', 'associatedParty'],
    ...['progressStatus', 'whyStopped', 'recruitment', 'comparisonGroup', 'outcomeMeasure', 'result'],
    'objective.description',
  ].map((it) => `ResearchStudy.${it}`),
};

const AS_IN_R4: Record<string, Partial<SnapshotElement>> = {
  'Bundle.entry.response.outcome': { type: [{ code: 'Resource' }] },
  'DetectedIssue.status': {
    binding: { strength: 'required', valueSet: 'http://hl7.org/fhir/ValueSet/observation-status' },
  },
};

const EVIDENCE_VARIABLE_CHARACTERISTIC: SnapshotElement[] = [
  characteristic('', ['BackboneElement'], { min: 1, max: '*', isSummary: true }),
  characteristic('.id', ['http://hl7.org/fhirpath/System.String']),
  characteristic('.extension', ['Extension'], { max: '*' }),
  characteristic('.modifierExtension', ['Extension'], { max: '*', isModifier: true, isSummary: true }),
  characteristic('.description', ['string']),
  {
    ...characteristic('.definition[x]', [], { min: 1, isSummary: true }),
    type: [
      { code: 'Reference', targetProfile: ['http://hl7.org/fhir/StructureDefinition/Group'] },
      ...['canonical', 'CodeableConcept', 'Expression', 'DataRequirement', 'TriggerDefinition'].map(
        (code) => ({ code }),
      ),
    ],
  },
  characteristic('.usageContext', ['UsageContext'], { max: '*' }),
  characteristic('.exclude', ['boolean']),
  characteristic('.participantEffective[x]', ['dateTime', 'Period', 'Duration', 'Timing']),
  characteristic('.timeFromStart', ['Duration']),
  {
    ...characteristic('.groupMeasure', ['code']),
    binding: { strength: 'required', valueSet: 'http://hl7.org/fhir/ValueSet/group-measure' },
  },
];

function characteristic(name: string, types: string[], more: Partial<SnapshotElement> = {}): SnapshotElement {
  const type = types.map((code) => ({ code }));
  return { path: `EvidenceVariable.characteristic${name}`, min: 0, max: '1', ...more, type };
}
