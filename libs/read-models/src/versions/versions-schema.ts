/** The tables of the schema `read_model`. Each statement may run again. */

export const LIVE_CHANNEL = 'carelog_live';

export const MIGRATIONS = [
  'CREATE SCHEMA IF NOT EXISTS read_model',
  `CREATE TABLE IF NOT EXISTS read_model.live (
    name text PRIMARY KEY, version integer NOT NULL, previous integer, since timestamptz NOT NULL, by text NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS read_model.skipped (
    name text, epoch text, position bigint, partition text NOT NULL, by text NOT NULL, why text NOT NULL,
    at timestamptz NOT NULL, PRIMARY KEY (name, epoch, position))`,
] as const;
