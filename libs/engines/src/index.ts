export { EngineMissing, engineOrReason } from './engine-missing.ts';
export { freePort, freePorts, isFree } from './free-port.ts';
export { startKafka } from './kafka.ts';
export type { Kafka, KafkaOptions } from './kafka.ts';
export { startPostgres } from './postgres.ts';
export type { Postgres, PostgresOptions } from './postgres.ts';
