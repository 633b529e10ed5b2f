export type { Problem, ProblemCategory } from './problem.ts';
export { encodeContent, toServed, type IdentifiedResource } from './content.ts';
export { definitionOf, isResourceType, resourceTypes } from './definitions.ts';
export type { ElementDefinition, ShapeDefinition, TypeReference } from './build-definitions.ts';
export {
  isNhsNumber,
  isNhsNumberSystem,
  legacyNhsNumberSystem,
  looksLikeNhsNumber,
  nhsNumberSystem,
  nhsNumberVerificationStatus,
  nhsNumberVerificationStatusUrl,
} from './nhs-number.ts';
export { operationOutcome } from './operation-outcome.ts';
export {
  defaultJsonLimits,
  parseJson,
  stringify,
  type ExactNumbers,
  type JsonLimits,
  type ParsedJson,
} from './parse-json.ts';
export {
  businessIdentifiers,
  forEachReference,
  patientOf,
  patientsOf,
  type ReferenceElement,
} from './references.ts';
export { subsetOf, type Subset } from './subset.ts';
export { validateResource } from './validation/validate-resource.ts';
export type {
  DateComparison,
  Include,
  NumberComparison,
  Prefix,
  QuantityComparison,
  ReferenceValue,
  SearchCondition,
  SearchQuery,
  SortKey,
  TokenValue,
} from './search/query.ts';
export { parseSearch, SEARCH_LIMITS, type ParsedSearch, type SearchOptions } from './search/parse-search.ts';
export {
  indexEntries,
  indexResource,
  sortValue,
  tokenTexts,
  type Indexed,
  type IndexEntry,
} from './search/index-entries.ts';
export { pathsOf } from './search/extraction.ts';
export { compartmentCondition, subjectParametersOf } from './search/compartments.ts';
export { normaliseString } from './search/text.ts';
export {
  patientCompartmentParameters,
  searchParametersOf,
  type SearchParameter,
} from './search/search-parameters.ts';
