/** Tells an app which scope its token lacks, so that it can ask its user for it. https://www.rfc-editor.org/rfc/rfc6750#section-3.1 */
import type { AccessAction, Caller } from '@carelog/access';

export interface Needed {
  readonly action: AccessAction;
  /** A resource type; absent where it is about any. */
  readonly type?: string;
}

/** The header of an answer that is refused for what the token has no scope for. */
export function scopeChallenge(
  { kind, launchPatient }: Pick<Caller, 'kind' | 'launchPatient'>,
  needed: readonly Needed[],
): Readonly<Record<string, string>> {
  const level = kind === 'system' ? 'system' : launchPatient === undefined ? 'user' : 'patient';
  const scopes = needed.map(({ action, type = '*' }) => `${level}/${type}.${LETTERS[action] ?? 'rs'}`);
  const scope = [...new Set(scopes)].join(' ');
  return { 'www-authenticate': `Bearer realm="carelog", error="insufficient_scope", scope="${scope}"` };
}

const LETTERS: Partial<Record<AccessAction, string>> = {
  read: 'r',
  vread: 'r',
  history: 'r',
  search: 's',
  everything: 'rs',
  create: 'c',
  update: 'u',
  delete: 'd',
  'break-glass': 'u',
};
