/** SMART scopes of an access token. https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html */
import type { Scope } from './caller.ts';

/**
 * The scopes in a token's `scope` claim that say what an app may do to resources; others (`openid`, `launch/patient`, …)
 * are left to those who know them. Undefined where there is none, which limits nothing. What looks like such a scope and
 * is not well formed permits nothing: it is left out, and an empty list permits nothing at all. Version 1
 * (`patient/Observation.read`) is read as its equivalent of version 2. Total; never throws.
 */
export function parseScopes(text: string): readonly Scope[] | undefined {
  const asked = text.split(/\s+/).filter((scope) => /^(patient|user|system)\//.test(scope));
  return asked.length === 0 ? undefined : asked.flatMap(scopeOf);
}

/** The letters in the order that the specification prescribes, at least one; or the words of version 1. */
const FORM =
  /^(patient|user|system)\/(\*|[A-Z][A-Za-z]{1,63})\.(?:(read|write|\*)|(?=[cruds])(c?r?u?d?s?))(?:\?(.*))?$/;
const VERSION_1: Readonly<Record<string, string>> = { read: 'rs', write: 'cud', '*': 'cruds' };
const CONDITIONS_MAX = 20;

function scopeOf(text: string): Scope[] {
  const [, level, type, word, letters, query] = FORM.exec(text) ?? [];
  if (level === undefined || type === undefined) return [];
  // Only version 2 knows conditions; left aside they would widen the scope.
  if (word !== undefined && query !== undefined) return [];
  const where = [...new URLSearchParams(query)];
  if ((query !== undefined && where.length === 0) || where.length > CONDITIONS_MAX) return [];
  if (where.some(([name, value]) => name === '' || name.startsWith('_') || value === '')) return [];
  const actions = word === undefined ? (letters ?? '') : (VERSION_1[word] ?? '');
  return [{ level: level as Scope['level'], type, actions, where }];
}
