/** `carelog token <persona>`: asks the embedded identity provider, with the client secret in the data folder. */
import { issueToken, personas } from '@carelog/service-kit';
import { CommandFailure } from '../command-failure.ts';
import { serverUrl, settings } from './settings.ts';

/** Which token of a persona: in which role, limited to which SMART scopes, for what. */
export interface TokenLimits {
  readonly role?: string;
  readonly scope?: string;
  readonly purpose?: string;
}

/** What a command calls the server with: the token in `CARELOG_TOKEN`, or one of the persona. Throws `CommandFailure`. */
export async function ownTokenOr(persona: string, url?: string): Promise<string> {
  return settings().token ?? tokenFor(persona, url);
}

/** Throws `CommandFailure` that says what to do: 2 where there is no such persona. */
export async function tokenFor(persona: string, url?: string, limits: TokenLimits = {}): Promise<string> {
  const outcome = await issueToken({
    dataFolder: settings().dataFolder,
    personas,
    persona,
    url: serverUrl(url),
    ...limits,
  });
  if (outcome.kind === 'token') return outcome.token;
  throw new CommandFailure(outcome.message, personas.some(({ name }) => name === persona) ? 1 : 2);
}
