// No file imports itself by way of others. Nx sees projects only; this sees files.
import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');

test('there is no import cycle, and every source file was looked at', () => {
  const { cycles, files } = cruise();
  expect(cycles).toEqual([]);
  const sources = spawnSync('git', ['ls-files', 'apps/**/*.ts', 'libs/**/*.ts'], {
    cwd: root,
    encoding: 'utf8',
  });
  const expected = sources.stdout.split('\n').filter((file) => file !== '');
  expect(expected.length).toBeGreaterThan(0);
  expect(expected.filter((file) => !files.has(file))).toEqual([]);
});

test('a planted cycle is found', () => {
  const [one, other] = ['planted-cycle-one.ts', 'planted-cycle-other.ts'];
  const folder = path.join(root, 'libs/fhir/src');
  try {
    writeFileSync(path.join(folder, one), `import { b } from './${other}';\nexport const a = () => b;\n`);
    writeFileSync(path.join(folder, other), `import { a } from './${one}';\nexport const b = () => a;\n`);
    expect(cruise().cycles).toEqual([expect.stringContaining('libs/fhir/src/planted-cycle-')]);
  } finally {
    for (const file of [one, other]) rmSync(path.join(folder, file), { force: true });
  }
});

function cruise(): { cycles: string[]; files: Set<string> } {
  const args = ['--config', '.dependency-cruiser.mjs', '--output-type', 'json', 'apps', 'libs'];
  const program = path.join(root, 'node_modules/.bin/depcruise');
  const { stdout, stderr } = spawnSync(program, args, { cwd: root, encoding: 'utf8', maxBuffer: 64 << 20 });
  if (stdout === '') throw new Error(`dependency-cruiser said nothing but: ${stderr}`);
  const { modules, summary } = JSON.parse(stdout) as {
    modules: { source: string }[];
    summary: { violations: { rule: { name: string }; from: string; to: string }[] };
  };
  return {
    cycles: summary.violations
      .filter(({ rule }) => rule.name === 'no-circular')
      .map(({ from, to }) => [from, to].sort().join(' ⇄ ')),
    files: new Set(modules.map(({ source }) => source)),
  };
}
