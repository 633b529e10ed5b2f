/** A relay in a process of its own, for specs that kill it: `node relay-child.ts <settings as JSON>`. */
import { openPostgresEventStore } from '@carelog/event-store';
import { startRelay } from '@carelog/relay';
import type { RelayOptions } from '@carelog/relay';

export type ChildSettings = Omit<RelayOptions, 'openStore' | 'log'> & { readonly schema: string };

const { schema, ...options } = JSON.parse(process.argv[2]!) as ChildSettings;
startRelay({
  ...options,
  openStore: () => openPostgresEventStore({ url: options.databaseUrl, schema }),
  log: { info() {}, warn() {} },
});
