/** `carelog token <persona>`: asks the embedded identity provider, with the client secret in the data folder. */
import { issueToken, personas } from '@carelog/service-kit';
import { CommandFailure } from '../command-failure.ts';
import { serverUrl, settings } from './settings.ts';

/** Throws `CommandFailure` that says what to do: 2 where there is no such persona. */
export async function tokenFor(persona: string, url?: string): Promise<string> {
  const outcome = await issueToken({
    dataFolder: settings().dataFolder,
    personas,
    persona,
    url: serverUrl(url),
  });
  if (outcome.kind === 'token') return outcome.token;
  throw new CommandFailure(outcome.message, personas.some(({ name }) => name === persona) ? 1 : 2);
}
