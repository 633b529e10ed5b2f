export { GP_PRACTICE } from './area.ts';
export { firstPersonNhsNumber, generatePopulation } from './population.ts';
export type { PopulationOptions } from './population.ts';
export type { Entry, Resource, TransactionBundle } from './resource.ts';
