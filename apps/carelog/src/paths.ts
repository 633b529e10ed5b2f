/** Where everything lies in the data folder. */
import { join } from 'node:path';

export interface DataPaths {
  readonly folder: string;
  readonly log: string;
  readonly keyring: string;
  readonly record: string;
  /** The access log's folder. */
  readonly accessLog: string;
  /** Says whether the synthetic population was loaded whole. */
  readonly demo: string;
}

export function dataPaths(folder: string): DataPaths {
  return {
    folder,
    log: join(folder, 'log.sqlite'),
    keyring: join(folder, 'keyring'),
    record: join(folder, 'record.sqlite'),
    accessLog: join(folder, 'access'),
    demo: join(folder, 'demo.json'),
  };
}
