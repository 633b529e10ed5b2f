export type { Problem, ProblemCategory } from './problem.ts';
export type {
  SearchQuery,
  SearchCondition,
  TokenValue,
  ReferenceValue,
  DateComparison,
  DatePrefix,
} from './search/query.ts';
export { parseSearch, SEARCH_LIMITS, type ParsedSearch, type SearchOptions } from './search/parse-search.ts';
export { indexEntries, type IndexEntry } from './search/index-entries.ts';
export {
  patientCompartmentParameters,
  searchParametersOf,
  type SearchParameter,
} from './search/search-parameters.ts';
