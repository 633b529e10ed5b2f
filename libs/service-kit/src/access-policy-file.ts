/** The access policy of a site: a file in place of the one that is shipped. */
import { parsePolicy, type Policy } from '@carelog/access';
import { readJsonFile, type SettingsOutcome } from './identity/settings-file.ts';

/** Sound as a whole, or everything that is wrong with it. */
export function readPolicy(file: string): SettingsOutcome<Policy> {
  const content = readJsonFile(file, 'CARELOG_ACCESS_POLICY');
  if (content.kind === 'invalid') return content;
  const outcome = parsePolicy(content.settings);
  if (outcome.kind === 'policy') return { kind: 'valid', settings: outcome.policy };
  return { kind: 'invalid', problems: outcome.problems.map((problem) => `${file}: ${problem}`) };
}
