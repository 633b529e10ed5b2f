// The reference pages say what the code says: no setting, status or command without an entry, no entry without one of them.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { ProblemCategory } from '@carelog/fhir';
import { statusOf } from '@carelog/service-kit';
import { expect, test } from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');

test('configuration.md lists every setting', () => {
  const inCode = matches('libs/service-kit/src/config.ts', /^ {2}([A-Z_]+): (?:z|allowance)\b/gm);
  const onPage = matches('docs/reference/configuration.md', /^\| `([A-Z_]+)`/gm);
  expect(inCode.length).toBeGreaterThan(3);
  expect(onPage.sort()).toEqual(inCode.sort());
});

test('cluster.md lists every setting that a service of a cluster has beside those', () => {
  const inCode = matches('libs/service-kit/src/cluster-config.ts', /variable: '([A-Z_]+)'/g);
  const onPage = matches('docs/operating/cluster.md', /^\| `([A-Z_]+)`/gm);
  const elsewhere = matches('docs/reference/distribution.md', /^\| `([A-Z_]+)`/gm);
  expect(inCode.length).toBeGreaterThan(5);
  expect(inCode.filter((name) => !onPage.includes(name) && !elsewhere.includes(name))).toEqual([]);
});

test('errors.md lists every category with the status it gives', () => {
  const inCode = matches('libs/fhir/src/problem.ts', /^ {2}\| '([a-z-]+)'/gm);
  const rows = [...text('docs/reference/errors.md').matchAll(/^\| (\d{3}) +\| `([a-z-]+)`/gm)];
  expect(inCode.length).toBeGreaterThan(10);
  expect(rows.map((row) => row[2]).sort()).toEqual(inCode.sort());
  for (const [, status, category] of rows) {
    expect(`${category} ${statusOf(category as ProblemCategory)}`).toBe(`${category} ${status}`);
  }
});

test('command-line.md lists every command', () => {
  const cli = path.join(root, 'node_modules/.bin/carelog');
  const { stdout } = spawnSync(cli, ['--help'], { cwd: root, encoding: 'utf8' });
  const inCode = [...(stdout.split('Commands:')[1] ?? '').matchAll(/^ {2}([a-z]+)/gm)].map(
    (match) => match[1],
  );
  const onPage = matches('docs/reference/command-line.md', /^### `carelog ([a-z]+)/gm);
  expect(inCode.length).toBeGreaterThan(3);
  expect(onPage.sort()).toEqual(inCode.filter((name) => name !== 'help').sort());
});

test('fault-matrix.md names every test of a fault, where it is and whether npm test runs it, and one script runs them all', () => {
  const page = text('docs/reference/fault-matrix.md');
  const { scripts } = JSON.parse(text('package.json')) as { scripts: Record<string, string> };
  const files = scripts['test:faults']!.match(/\btest\/\S+/g)!;
  for (const file of files) expect(page).toContain(`../../${file}`);
  const rows = [...page.matchAll(/^\|[^|]+\| `([^`]+)` +\| (yes|–) +\|$/gm)];
  const onPage = rows.map(([, title, when]) => `${title}: ${when}`);
  const inCode = files.flatMap((file) => {
    if (file.endsWith('record-upgrade.spec.ts')) return [];
    const isOutside = text('vitest.config.ts').includes(`'${file}'`);
    const [always = '', whole = ''] = isOutside
      ? ['', text(file)]
      : text(file).split('if (!isWhole) return;');
    const titled = (part: string, when: string) => titlesIn(part).map((title) => `${title}: ${when}`);
    return [...titled(always, 'yes'), ...titled(whole, '–')];
  });
  expect(rows.length).toBeGreaterThan(20);
  expect(onPage.filter((row) => !inCode.includes(row))).toEqual([]);
  expect(inCode.filter((row) => !onPage.includes(row) && !withoutFault.test(row))).toEqual([]);
});

/** Tests of what there is to break. */
const withoutFault =
  /^(brings what is there|shows in every lane|has no right|whose number is no longer|keeps the view while everything is well|ends with views)/;

function titlesIn(code: string): string[] {
  const titles = /\bit(?:\.each\([^]*?\))?\(\s*(?:'((?:[^'\\]|\\.)*)'|`((?:[^`])*)`)/g;
  return [...code.matchAll(titles)].map(([, plain, template]) => plain ?? template ?? '');
}

test('no command takes a secret, which the list of processes would show', () => {
  const options = matches('apps/carelog/src/cli.ts', /--([a-z][a-z-]*)/g);
  expect(options.length).toBeGreaterThan(10);
  expect(options.filter((name) => /secret|password|token|key$|credential/.test(name))).toEqual([]);
});

function matches(file: string, pattern: RegExp): string[] {
  return [...text(file).matchAll(pattern)].map((match) => match[1] ?? '');
}

function text(file: string): string {
  return readFileSync(path.join(root, file), 'utf8');
}
