// Plants every import there could be between two projects, and Nest in each, and watches which ones the rule refuses.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ESLint } from 'eslint';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');
const projects = ['apps', 'libs'].flatMap((group) =>
  readdirSync(path.join(root, group)).map((name) => ({ name, group, folder: path.join(root, group, name) })),
);
const names = projects.map(({ name }) => name);
const planted = ['planted-violation.ts', 'planted-violation.spec.ts'];
const allowed = arrowsOfTheDocs();

let refused: Map<string, Set<string>>;

beforeAll(async () => {
  nx('show', 'projects'); // leaves the graph behind, without which the rule would be skipped
  for (const { folder } of projects) {
    for (const file of planted) writeFileSync(path.join(folder, 'src', file), plantedImports());
  }
  refused = await refusedImports();
}, 300_000);

afterAll(() => {
  for (const { folder } of projects) {
    for (const file of planted) rmSync(path.join(folder, 'src', file), { force: true });
  }
});

test('the page that draws the arrows names every project', () => {
  expect([...allowed.keys()].sort()).toEqual([...names].sort());
});

describe.each(names)('%s', (name) => {
  test('may import what docs/architecture.md says, and nothing else of ours', () => {
    const mayImport = allowed.get(name) ?? [];
    const expected = names.filter((other) => other !== name && !mayImport.includes(other));
    expect(ours(name, 'planted-violation.ts')).toEqual(expected.sort());
  });

  test('may import the engines too in its specs, and the testkit unless the testkit is built on it', () => {
    const inSpec = ours(name, 'planted-violation.spec.ts');
    const elsewhere = ours(name, 'planted-violation.ts');
    const wouldBeCircular = reachable('testkit').has(name);
    const isOpened = (other: string) => other === 'engines' || (other === 'testkit' && !wouldBeCircular);
    expect(inSpec).toEqual(elsewhere.filter((other) => !isOpened(other)));
  });

  test('may use Nest only in apps and service-kit', () => {
    const isLib = projects.some((project) => project.name === name && project.group === 'libs');
    const refusesNest = refused.get(`${name}/planted-violation.ts`)?.has('@nestjs/common') ?? false;
    expect(refusesNest).toBe(isLib && name !== 'service-kit');
  });
});

test('lint through nx fails on a planted violation, and does not skip the rule', () => {
  const { status, output } = nx('run', '@carelog/fhir:lint', '--skip-nx-cache', '--output-style=static');
  expect(output).toContain('@nx/enforce-module-boundaries');
  expect(output).not.toContain('rule will be skipped');
  expect(status).not.toBe(0);
});

function plantedImports(): string {
  const targets = [...names.map(packageName), '@nestjs/common'];
  return targets.map((target) => `import '${target}';\n`).join('');
}

async function refusedImports(): Promise<Map<string, Set<string>>> {
  const files = projects.flatMap(({ folder }) => planted.map((file) => path.join(folder, 'src', file)));
  const results = await new ESLint({ cwd: root }).lintFiles(files);
  return new Map(
    results.map(({ filePath, messages }) => {
      const lines = readFileSync(filePath, 'utf8').split('\n');
      const targets = messages
        .filter(({ ruleId }) => ruleId === '@nx/enforce-module-boundaries')
        .map(({ line }) => /'(.+)'/.exec(lines[line - 1] ?? '')?.[1] ?? `line ${line}`);
      const project = path.basename(path.dirname(path.dirname(filePath)));
      return [`${project}/${path.basename(filePath)}`, new Set(targets)];
    }),
  );
}

// A project that imports itself by name is refused as well, for another reason.
function ours(project: string, file: string): string[] {
  const targets = refused.get(`${project}/${file}`);
  return names.filter((name) => name !== project && targets?.has(packageName(name))).sort();
}

function reachable(project: string, seen = new Set<string>()): Set<string> {
  for (const next of allowed.get(project) ?? []) {
    if (!seen.has(next)) reachable(next, seen.add(next));
  }
  return seen;
}

function packageName(project: string): string {
  return project === 'carelog' ? 'carelog' : `@carelog/${project}`;
}

// The table under "What may import what": | `project` | `a`, `b` |
function arrowsOfTheDocs(): Map<string, string[]> {
  const page = readFileSync(path.join(root, 'docs/architecture.md'), 'utf8');
  const section = page.split('## What may import what')[1]?.split('\n## ')[0] ?? '';
  const rows = section.split('\n').filter((line) => /^\| `/.test(line));
  return new Map(
    rows.map((row) => {
      const [, from = '', to = ''] = row.split('|').map((cell) => cell.trim());
      return [from.replaceAll('`', ''), [...to.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '')];
    }),
  );
}

function nx(...args: string[]) {
  const env = { ...process.env, NX_DAEMON: 'false', NX_NO_CLOUD: 'true' };
  const { status, stdout, stderr } = spawnSync(path.join(root, 'node_modules/.bin/nx'), args, {
    cwd: root,
    env,
    encoding: 'utf8',
  });
  return { status, output: stdout + stderr };
}
