/** Where everything lies in the data folder. */
import { join } from 'node:path';

export interface DataPaths {
  readonly folder: string;
  readonly log: string;
  readonly keyring: string;
  readonly record: string;
  /** The folder of the care settings' read models. */
  readonly careSettings: string;
  /** The access log's folder. */
  readonly accessLog: string;
  /** Who subscribes to what, and how far each was told. */
  readonly subscriptions: string;
  /** Says whether the synthetic population was loaded whole. */
  readonly demo: string;
}

export function dataPaths(folder: string): DataPaths {
  return {
    folder,
    log: join(folder, 'log.sqlite'),
    keyring: join(folder, 'keyring'),
    record: join(folder, 'record.sqlite'),
    careSettings: join(folder, 'care-settings'),
    accessLog: join(folder, 'access'),
    subscriptions: join(folder, 'subscriptions.sqlite'),
    demo: join(folder, 'demo.json'),
  };
}
