import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { untidy } from './tidy.ts';

const root = path.resolve(import.meta.dirname, '../..');

test('the repository is tidy', () => {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard'];
  const listed = spawnSync('git', args, { cwd: root, encoding: 'utf8' }).stdout.split('\n');
  const present = listed.filter((file) => file !== '' && existsSync(path.join(root, file)));
  const files = present.map((file) => ({ path: file, text: readFileSync(path.join(root, file), 'utf8') }));
  expect(files.length).toBeGreaterThan(100);
  expect(untidy(files)).toEqual([]);
});

const decision = ['Context', 'Options', 'Decision', 'Consequences', 'How we check it']
  .map((it) => `## ${it}\n`)
  .join('');

test.each([
  ['a vague file name', { path: 'libs/fhir/src/date-utils.ts', text: '' }, "'utils' in a file name"],
  ['a ceremonial file name', { path: 'libs/fhir/src/patient.dto.ts', text: '' }, 'no .dto files'],
  ['a note to self', { path: 'libs/fhir/src/a.ts', text: '// TODO later\n' }, 'TODO left behind'],
  ['a path of one machine', { path: 'scripts/a.mjs', text: "read('/home/ann/data')" }, "'/home/ann' exists"],
  ['a focused test', { path: 'libs/fhir/src/a.spec.ts', text: "test.only('a', f)" }, 'test.only hides'],
  [
    'a test skipped in silence',
    { path: 'libs/fhir/src/a.spec.ts', text: "describe.skip('a', f)" },
    'skip hides',
  ],
  [
    'an export of everything',
    { path: 'libs/fhir/src/index.ts', text: "export * from './a.ts'" },
    'export * hides',
  ],
  ['a default export', { path: 'libs/fhir/src/a.ts', text: 'export default 1' }, 'a default export'],
  ['a second index', { path: 'libs/fhir/src/search/index.ts', text: '' }, 'one index.ts'],
  ['a page without a title', { path: 'docs/a.md', text: 'Hello' }, 'begin with `# Title`'],
  ['a page with two titles', { path: 'docs/a.md', text: '# One\n\n# Two\n' }, 'begin with `# Title`'],
  ['a dead link', { path: 'docs/a.md', text: '# A\n[b](../b.md#c)\n' }, 'links to b.md'],
  [
    'a changelog heading of another shape',
    { path: 'CHANGELOG.md', text: '# Changelog\n## v1\n' },
    "'## v1' should be",
  ],
  [
    'a decision without a check',
    { path: 'docs/decisions/0001-a.md', text: '# A\n## Context\n' },
    'How we check it',
  ],
  [
    'a gap in the numbers of decisions',
    { path: 'docs/decisions/0002-a.md', text: `# A\n${decision}` },
    'without gap',
  ],
])('%s is found', (_, file, message) => {
  expect(untidy([file]).join('\n')).toContain(message);
});

test('a tidy tree gives nothing', () => {
  const files = [
    {
      path: 'docs/a.md',
      text: '# A\n\n[code](../libs/fhir/src/a.ts), [site](https://hl7.org), `[not](a-link)`\n',
    },
    { path: 'docs/decisions/0001-a.md', text: `# A\n\n${decision}` },
    { path: 'libs/fhir/src/a.ts', text: 'export const a = 1;\n' },
    { path: 'CHANGELOG.md', text: '# Changelog\n\n## Unreleased\n\n## 1.0.0 – 2026-11-21\n' },
  ];
  expect(untidy(files)).toEqual([]);
});
