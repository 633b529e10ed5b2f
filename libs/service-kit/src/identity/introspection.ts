/**
 * Asks an issuer whether a token is still good (RFC 7662): what it took back is refused here too, and not only when it ends.
 * While it cannot be asked, the token's signature stands for it: an issuer that is away must not keep everybody out.
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Log } from '../log.ts';

export interface IntrospectionSettings {
  readonly url: string;
  readonly clientId: string;
  /** With the client's secret in it, or a JSON object of secrets by client id. Read at each question: it may be made late. */
  readonly secretFile: string;
  /** How long an answer is believed. */
  readonly recheckSeconds: number;
}

/** True where the issuer says that the token is good, or says nothing. */
export async function isActive(
  token: string,
  { url, clientId, secretFile }: IntrospectionSettings,
  log: Pick<Log, 'warn'>,
): Promise<boolean> {
  try {
    const secret = secretIn(await readFile(secretFile, 'utf8'), clientId);
    const credentials = [clientId, secret].map(encodeURIComponent).join(':');
    const response = await fetch(url, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` },
      body: new URLSearchParams({ token, token_type_hint: 'access_token' }),
      redirect: 'error',
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (!response.ok) throw new Error(`It answered with status ${response.status}.`);
    return answer.parse(await response.json()).active;
  } catch (fault) {
    log.warn(
      { fault: (fault as Error).name },
      `${url} could not be asked about a token, whose signature is believed`,
    );
    return true;
  }
}

const PATIENCE_MS = 2_000;
const answer = z.object({ active: z.boolean() });

function secretIn(text: string, clientId: string): string {
  if (!text.startsWith('{')) return text.trim();
  return z.record(z.string(), z.string()).parse(JSON.parse(text))[clientId] ?? '';
}
