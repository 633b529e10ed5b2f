/** How long everything is measured. */
import { openClient, type Client } from './client.ts';

export interface Settings {
  readonly client: Client;
  /** Of one run; runs whose median counts. */
  readonly seconds: number;
  readonly runs: number;
  readonly connections: readonly number[];
  readonly lagSeconds: number;
  /** Of the cluster at a steady rate. */
  readonly steadySeconds: number;
  readonly scale: {
    /** Sizes of the record at which is measured. */
    readonly people: readonly number[];
    /** For loading all of them; what is not loaded then is left out. */
    readonly loadingSeconds: number;
  };
  /** Says what is measured now. */
  readonly say: (what: string) => void;
}

export interface Arguments {
  readonly quick: boolean;
}

export function settingsOf({ quick }: Arguments): Settings {
  const client = openClient();
  const say = (what: string) => process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${what}\n`);
  return quick
    ? {
        client,
        say,
        seconds: 1,
        runs: 1,
        connections: [32],
        lagSeconds: 5,
        steadySeconds: 5,
        scale: { people: [1_000], loadingSeconds: 60 },
      }
    : {
        client,
        say,
        seconds: 2,
        runs: 3,
        connections: [1, 8, 32],
        lagSeconds: 60,
        steadySeconds: 30,
        scale: { people: [1_000, 10_000, 100_000], loadingSeconds: 600 },
      };
}
