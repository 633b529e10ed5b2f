/** What the platform is told where tests start it. */
import { defaultPolicy } from '@carelog/access';
import { defaultAllowances, type Config } from '@carelog/service-kit';

/** Of the process that a test starts, on this folder. */
export function stackConfig(folder: string): Config {
  return {
    port: 0,
    host: '127.0.0.1',
    dataFolder: folder,
    demo: false,
    logLevel: 'error',
    accessLog: 'written',
    bodyLimit: 32 * 1024 * 1024,
    embeddedIdentity: true,
    issuers: [],
    policy: defaultPolicy(),
    // Tests ask faster than people do.
    allowances: {
      ...defaultAllowances,
      patients: defaultAllowances.staff,
      strangers: defaultAllowances.staff,
    },
    corsOrigins: [],
    trustedProxies: [],
  };
}

/** Every gateway calls itself by the address of the first, as behind one front: a page begun at one goes on at another. */
export function stackSettings(first: string): Readonly<Record<string, string>> {
  const limits = ['SYSTEMS', 'STAFF', 'PATIENTS', 'STRANGERS'].map((who) => [`CARELOG_LIMIT_${who}`, '10000/10000/512']); // prettier-ignore
  return { ...Object.fromEntries(limits), CARELOG_LOG: 'error', CARELOG_URL: first };
}
