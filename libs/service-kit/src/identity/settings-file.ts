/** What the JSON files of settings on identity have in common: how they are read, and what their fields may hold. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';

export type SettingsOutcome<T> =
  | { readonly kind: 'valid'; readonly settings: T }
  /** One line for each thing that is wrong: where and what it must be. */
  | { readonly kind: 'invalid'; readonly problems: readonly string[] };

/** Reads the file, whole. `variable`: the environment variable that names it. */
export function readSettingsFile<T>(file: string, variable: string, form: z.ZodType<T>): SettingsOutcome<T> {
  const content = readJsonFile(file, variable);
  if (content.kind === 'invalid') return content;
  const parsed = form.safeParse(content.settings);
  if (parsed.success) return { kind: 'valid', settings: parsed.data };
  const problems = parsed.error.issues.map(({ path, message }) => `${file}: ${path.join('.')} ${message}.`);
  return { kind: 'invalid', problems };
}

/** What the file holds, whatever it is. */
export function readJsonFile(file: string, variable: string): SettingsOutcome<unknown> {
  try {
    return { kind: 'valid', settings: JSON.parse(readFileSync(file, 'utf8')) };
  } catch (error) {
    const why = error instanceof SyntaxError ? 'is not JSON' : 'cannot be read';
    return { kind: 'invalid', problems: [`${variable} names ${file}, which ${why}.`] };
  }
}

/** An address over plain http is taken for this machine only. */
export const webAddress = z
  .string('must be an address')
  .refine(isSafeAddress, 'must be an https address (http only on this machine), without query or fragment');

function isSafeAddress(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || url.search !== '' || url.hash !== '' || url.username !== '') return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && isThisMachine(url));
}

export function isThisMachine({ hostname }: URL): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
}

export const odsCode = z.string('must be an ODS code').regex(/^[A-Z0-9]{3,10}$/, 'must be an ODS code');
export const careSetting = z
  .string('must be a care setting')
  .regex(/^[a-z]+(-[a-z]+)*$/, 'must be a care setting, e.g. general-practice');
