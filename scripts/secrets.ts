// The stage `secrets` of `npm test`: nothing in a tracked file may be a key, a token, a password or the number of a person.
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { lintSource } from '@secretlint/core';
import { creator as recommended } from '@secretlint/secretlint-rule-preset-recommend';

/** One line for each secret, `file:line: what it is, and what to do`; never the secret itself. */
export async function secretsIn(file: string, text: string): Promise<string[]> {
  const { messages } = await lintSource({
    source: { filePath: file, content: text, ext: path.extname(file), contentType: 'text' },
    options: { config: { rules: [{ id: 'recommended', rule: recommended }] }, maskSecrets: true },
  });
  const lineOf = (index: number): number => text.slice(0, index).split('\n').length;
  const ours = patterns.flatMap(({ what, pattern, isOne = () => true }) =>
    [...text.matchAll(pattern)]
      .filter(([found]) => isOne(found))
      .map(({ index }) => ({ line: lineOf(index), what })),
  );
  const theirs = messages.map(({ loc, ruleId }) => ({
    line: loc.start.line,
    what: `a secret (${ruleId.replace(/^.*rule-/, '')})`,
  }));
  return [...theirs, ...ours].map(({ line, what }) => `${file}:${line}: ${what}; ${REMEDY}`);
}

const REMEDY = 'take it out of the file, and make it anew where it was in use';

interface SecretPattern {
  readonly what: string;
  readonly pattern: RegExp;
  readonly isOne?: (found: string) => boolean;
}

const patterns: readonly SecretPattern[] = [
  { what: 'a private key', pattern: /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s+[A-Za-z0-9+/=]{16}/g },
  { what: 'a private key as a JWK', pattern: /"d"\s*:\s*"[\w-]{40,}"/g },
  { what: 'a token', pattern: /\bey[\w-]{10,}\.ey[\w-]{10,}\.[\w-]{20,}/g },
  {
    what: 'an NHS number that a person may have',
    pattern: /(?<![\w.-])\d{3}([ -]?)\d{3}\1\d{4}(?![\w.-])/g,
    isOne: mayBeOfAPerson,
  },
];

/** The example of https://www.datadictionary.nhs.uk/attributes/nhs_number.html. */
const published = '4010232137';

/**
 * Of the numbers given out in England, Wales and the Isle of Man (4… and 6… to 7…) and in Northern Ireland (32… to 39…);
 * those that begin with 9 are given to nobody.
 */
function mayBeOfAPerson(text: string): boolean {
  const digits = text.replace(/\D/g, '');
  if (!/^(3[2-9]|4|6|7)/.test(digits) || digits === published) return false;
  const sum = [...digits.slice(0, 9)].reduce(
    (total, digit, index) => total + Number(digit) * (10 - index),
    0,
  );
  return (11 - (sum % 11)) % 11 === Number(digits[9]);
}

async function lookThrough(root: string): Promise<boolean> {
  const { stdout } = spawnSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' });
  const isFile = (file: string) =>
    statSync(path.join(root, file), { throwIfNoEntry: false })?.isFile() === true;
  const files = stdout.split('\0').filter((file) => file !== '' && isFile(file));
  const found: string[] = [];
  for (const file of files)
    found.push(...(await secretsIn(file, readFileSync(path.join(root, file), 'utf8'))));
  console.log([...found, `${files.length} files looked through, ${found.length} secrets found`].join('\n'));
  return files.length > 0 && found.length === 0;
}

if (import.meta.main) process.exit((await lookThrough(path.dirname(import.meta.dirname))) ? 0 : 1);
