// What `npm test` would find in the lock file and in tracked files, shown by planting it.
import { expect, test } from 'vitest';
import { advisoriesIn, breachesIn } from '../../scripts/dependencies.ts';
import type { LockedPackage } from '../../scripts/dependencies.ts';
import { secretsIn } from '../../scripts/secrets.ts';

const sound: LockedPackage = { version: '1.0.0', integrity: 'sha512-AA==', license: 'MIT' };

test.each<[string, LockedPackage, string]>([
  ['without a hash', { version: '1.0.0', license: 'MIT' }, 'has no SHA-512'],
  ['with a weak hash', { ...sound, integrity: 'sha1-AA==' }, 'has no SHA-512'],
  ['from elsewhere', { ...sound, resolved: 'git+ssh://git@example.org/a.git#1' }, 'comes from git'],
  ['without a licence', { version: '1.0.0', integrity: 'sha512-AA==' }, 'has the licence none'],
  ['under a licence that asks much', { ...sound, license: 'AGPL-3.0' }, 'has the licence AGPL-3.0'],
  ['shipped under a licence for tools', { ...sound, license: 'MPL-2.0' }, 'has the licence MPL-2.0'],
  ['that runs when it is installed', { ...sound, hasInstallScript: true }, 'runs a script'],
  ['that is deprecated', { ...sound, deprecated: 'use b' }, 'is deprecated (use b)'],
])('a package %s is refused', (_, entry, breach) => {
  const packages = { 'libs/x': { dependencies: { a: '1.0.0' } }, 'libs/x/node_modules/a': entry };
  expect(breachesIn({ packages })).toEqual([expect.stringContaining(`a: ${breach}`)]);
});

test.each<[string, Record<string, LockedPackage>]>([
  ['sound', { 'node_modules/a': sound }],
  ['a tool under a licence for tools', { 'node_modules/a': { ...sound, dev: true, license: 'MPL-2.0' } }],
  [
    'deprecated, but chosen by somebody else',
    { 'node_modules/b/node_modules/a': { ...sound, deprecated: 'x' } },
  ],
  ['a project of ours', { 'node_modules/@carelog/a': { link: true }, 'libs/a': {} }],
  ['Node itself', { 'node_modules/node': { ...sound, hasInstallScript: true } }],
])('a package is taken when it is %s', (_, packages) => {
  expect(breachesIn({ packages })).toEqual([]);
});

test('of advisories, the high and the critical count; no answer is not a good answer', () => {
  const of = (severity: string) => ({ severity, range: '<2' });
  const vulnerabilities = { a: of('low'), b: of('high'), c: of('critical'), d: of('moderate') };
  expect(advisoriesIn({ vulnerabilities })).toEqual([
    expect.stringMatching(/^b: /),
    expect.stringMatching(/^c: /),
  ]);
  expect(advisoriesIn({ vulnerabilities: {} })).toEqual([]);
  expect(advisoriesIn({})).toBeUndefined();
});

// In parts, so that this file is not found itself.
const begin = '-----BEGIN';
const middle = 'A1b2'.repeat(12);
const token = ['eyJhbGciOiJFUzI1NiJ9', 'eyJzdWIiOiIxIn0x', middle].join('.');

test.each([
  ['a private key', `${begin} PRIVATE KEY-----\n${middle}\n-----END PRIVATE KEY-----`],
  ['a private key in a string', `key = '${begin} EC PRIVATE KEY-----\n${middle}'`],
  ['a private JWK', `{ "kty": "EC", "${'d'}": "${middle}" }`],
  ['a token', `authorization: Bearer ${token}`],
  ['a password in an address', `https://ann:${'hunter2'}@example.org/`],
  ['a key of AWS', `aws_secret_access_key = "${'wJalrXUtnFEMI/K7MDENG/bPxRfiCY'}ZQ1aB2cD3e"`],
  ['a token of GitHub', `${'ghp'}_${'0Ab1Cd2Ef3'.repeat(4).slice(0, 36)}`],
  ['a token of npm', `//registry.npmjs.org/:_authToken=${'npm'}_${'0Ab1Cd2Ef3'.repeat(4).slice(0, 36)}`],
  ['an NHS number', `born 1970, ${'485 777'} 3457`],
  ['an NHS number without spaces', `"value":"${'48577'}73457"`],
  ['an NHS number of Northern Ireland', `${'320 000'} 0015`],
])('%s is found, and not repeated', async (_, text) => {
  const found = await secretsIn('a.ts', `\n${text}\n`);
  expect(found.length).toBeGreaterThan(0);
  for (const line of found) {
    expect(line).toMatch(/^a\.ts:\d: .+; take it out/);
    expect(line).not.toContain(middle);
    expect(line).not.toMatch(/hunter2|3457/);
  }
});

test.each([
  ['a number for tests', '999 000 0018'],
  ['a number that is given to nobody', '943 476 5919'],
  ['a number with another check digit', '485 777 3456'],
  ['a code of SNOMED', '1364731000000104'],
  ['a public key', '{"kty":"EC","x":"aaaa","y":"bbbb"}'],
  ['an address', 'https://example.org/a'],
])('%s is not', async (_, text) => {
  expect(await secretsIn('a.ts', text)).toEqual([]);
});
