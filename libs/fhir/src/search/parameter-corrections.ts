/**
 * Where the bundled SearchParameters differ from R4 4.0.1, or R4 4.0.1 from itself.
 * https://hl7.org/fhir/R4/searchparameter-registry.html
 */
import type { SearchParameterResource } from './search-parameters.ts';

/** The parameter as R4 has it; undefined where it is none of R4's. */
export function correctParameter(parameter: SearchParameterResource): SearchParameterResource | undefined {
  const name = parameter.url.slice(PREFIX.length);
  if (!parameter.url.startsWith(PREFIX) || ADDITIONS.has(name)) return undefined;
  return { ...parameter, ...CORRECTIONS[name] };
}

const PREFIX = 'http://hl7.org/fhir/SearchParameter/';

// Of the publisher of the bundle, under HL7's name.
const ADDITIONS: ReadonlySet<string> = new Set([
  'DetectedIssue-status',
  'DeviceDefinition-classification',
  'ServiceRequest-order-detail',
]);

const CORRECTIONS: Readonly<Record<string, Partial<SearchParameterResource>>> = {
  // The bundle lists three more types, to which MeasureReport.subject cannot refer.
  'MeasureReport-subject': {
    target: ['Patient', 'Practitioner', 'PractitionerRole', 'Location', 'Device', 'RelatedPerson', 'Group'],
  },
};
