export { EngineMissing, engineOrReason } from './engine-missing.ts';
export { startPostgres } from './postgres.ts';
export type { Postgres, PostgresOptions } from './postgres.ts';
