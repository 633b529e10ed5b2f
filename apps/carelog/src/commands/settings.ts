/** The settings a command shares with the server: the data folder, and where the server is. */
import { readConfig } from '@carelog/service-kit';
import type { Config } from '@carelog/service-kit';
import { CommandFailure } from '../command-failure.ts';

/** Throws `CommandFailure` with everything that is wrong with the environment. */
export function settings(): Config {
  const outcome = readConfig();
  if (outcome.kind === 'valid') return outcome.config;
  throw new CommandFailure(`Carelog cannot work with these settings:\n  ${outcome.problems.join('\n  ')}`, 2);
}

/** Without a slash at its end. Throws `CommandFailure` when `given` is no http address. */
export function serverUrl(given?: string): string {
  if (given === undefined) return `http://127.0.0.1:${settings().port}`;
  const url = URL.parse(given);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new CommandFailure('--url must be an http or https address, for example http://127.0.0.1:8080.', 2);
  }
  return given.replace(/\/+$/, '').replace(/\/fhir\/R4$/, '');
}
