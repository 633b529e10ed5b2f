/** What `carelog token <persona>` does: asks the running server for a token with the secret in the data folder. */
import { readSecrets } from './identity-files.ts';
import { tokenPath } from './mount-provider.ts';
import type { Persona } from './personas.ts';

export interface TokenRequest {
  readonly dataFolder: string;
  readonly personas: readonly Persona[];
  readonly persona: string;
  /** Role profile to act in, for a persona that has several. */
  readonly role?: string;
  /** SMART scopes that limit the token; by none unless told. */
  readonly scope?: string;
  /** What the care is for; direct care unless told. */
  readonly purpose?: string;
  /** Where the server is reached from here, e.g. `http://127.0.0.1:8080`. */
  readonly url: string;
}
export type TokenOutcome =
  | { readonly kind: 'token'; readonly token: string; readonly expiresInSeconds: number }
  /** What is wrong and what to do, for a terminal. */
  | { readonly kind: 'refused'; readonly message: string };

/** A token for the persona, or why there is none. Never throws; never repeats a secret. */
export async function issueToken(asked: TokenRequest): Promise<TokenOutcome> {
  const { dataFolder, personas, persona, url } = asked;
  if (!personas.some(({ name }) => name === persona)) {
    const width = Math.max(...personas.map(({ name }) => name.length));
    const list = personas.map(({ name, title }) => `  ${name.padEnd(width)}  ${title}`).join('\n');
    return refuse(`There is no persona "${persona}". Choose one of:\n${list}`);
  }
  let secret: string | undefined;
  try {
    secret = (await readSecrets(dataFolder))?.[persona];
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return refuse(
      code === 'EACCES' || code === 'EPERM'
        ? `The secrets in ${dataFolder}/identity may not be read by this user. Run this as the user that runs the server.`
        : `The secrets in ${dataFolder}/identity cannot be read: ${message}`,
    );
  }
  if (secret === undefined) {
    return refuse(
      `There are no client secrets in ${dataFolder}/identity. Start the server first (npm start), or set CARELOG_DATA to its data folder.`,
    );
  }
  return request(`${url}${tokenPath}`, asked, secret);
}

async function request(
  endpoint: string,
  { persona, role, scope, purpose }: TokenRequest,
  secret: string,
): Promise<TokenOutcome> {
  const authorization = `Basic ${Buffer.from(`${persona}:${secret}`).toString('base64')}`;
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    ...(role === undefined ? {} : { selected_roleid: role }),
    ...(scope === undefined ? {} : { scope }),
    ...(purpose === undefined ? {} : { purpose_of_use: purpose }),
  });
  let response: Response;
  let answer: { access_token?: unknown; expires_in?: unknown; error_description?: unknown };
  try {
    response = await fetch(endpoint, {
      method: 'POST',
      headers: { authorization },
      body: form,
      signal: AbortSignal.timeout(10_000),
    });
    answer = (await response.json()) as typeof answer;
  } catch {
    return refuse(
      `No Carelog server answers at ${endpoint}. Start it (npm start), or set PORT to the port it listens on.`,
    );
  }
  if (response.ok && typeof answer.access_token === 'string') {
    return { kind: 'token', token: answer.access_token, expiresInSeconds: Number(answer.expires_in) };
  }
  if (response.status === 401) {
    return refuse(
      `The server at ${endpoint} does not know this secret. Set CARELOG_DATA to the data folder of that server.`,
    );
  }
  const reason = typeof answer.error_description === 'string' ? ` (${answer.error_description})` : '';
  return refuse(`The server at ${endpoint} gave no token: status ${response.status}${reason}.`);
}

function refuse(message: string): TokenOutcome {
  return { kind: 'refused', message };
}
