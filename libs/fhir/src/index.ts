export type { Problem, ProblemCategory } from './problem.ts';
export type {
  SearchQuery,
  SearchCondition,
  TokenValue,
  ReferenceValue,
  DateComparison,
  DatePrefix,
} from './search/query.ts';
