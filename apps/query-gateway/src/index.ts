export { FHIR_BASE, fhirRoutes } from './routes.ts';
export { fhirPaths } from './interact.ts';
export { raiseTasks } from './interactions/break-glass.ts';
export { accessFactsFrom } from './access-facts.ts';
export { matchFrom } from './match.ts';
export type { Gateway } from './gateway.ts';
export { RecentAnswers } from './recent-answers.ts';
export { connectWriters } from './writers.ts';
export type { WriterAddress, Writers, WritersOptions } from './writers.ts';
