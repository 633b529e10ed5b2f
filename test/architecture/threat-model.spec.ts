// The threat model says what is so: each threat is held off by tests that exist, and nothing of the picture was forgotten.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');
const page = path.join(root, 'docs/safety/threat-model.md');

interface Element {
  readonly name: string;
  readonly intro: string;
  readonly rows: readonly Row[];
}
interface Row {
  readonly letter: string;
  readonly threat: string;
  readonly tests: readonly { readonly words: string; readonly file: string }[];
}

const elements: readonly Element[] = readFileSync(page, 'utf8')
  .split(/^## /m)
  .slice(1)
  .filter((section) => section.includes('| threat'))
  .map((section) => ({
    name: section.slice(0, section.indexOf('\n')),
    intro: section.slice(section.indexOf('\n'), section.indexOf('\n|')),
    rows: section
      .split('\n')
      .filter((line) => line.startsWith('|'))
      .slice(2)
      .map(rowOf),
  }));

function rowOf(line: string): Row {
  const [, letter = '', threat = '', , tests = ''] = line.split(/(?<!\\)\|/).map((cell) => cell.trim());
  const links = [...tests.matchAll(/\[([^\]]+)\]\(([^)]+)\)/g)];
  return {
    letter,
    threat,
    tests: links.map(([, words = '', file = '']) => ({ words, file: path.join(path.dirname(page), file) })),
  };
}

test('each threat names tests, and each of them has the words it is named by', () => {
  const rows = elements.flatMap((element) => element.rows);
  expect(rows.length).toBeGreaterThan(40);
  const missing = rows.flatMap(({ threat, tests }) => [
    ...(tests.length === 0 ? [`${threat}: no test`] : []),
    ...tests.filter((it) => !isThere(it)).map(({ words, file }) => `${path.relative(root, file)}: ${words}`),
  ]);
  expect(missing).toEqual([]);
});

function isThere({ words, file }: Row['tests'][number]): boolean {
  const isTest = /(\.spec|contract)\.ts$/.test(file);
  return isTest && existsSync(file) && readFileSync(file, 'utf8').includes(words);
}

test('each element has every letter of its kind, and no other', () => {
  for (const { name, intro, rows } of elements) {
    const letters = /: ((?:[STRIDE], )*[STRIDE])\./.exec(intro)?.[1]?.split(', ') ?? [];
    const optional = intro.includes('A store') ? ['R'] : [];
    expect([name, letters.length > 1]).toEqual([name, true]);
    const used = new Set(rows.map(({ letter }) => letter));
    expect([name, letters.filter((letter) => !used.has(letter))]).toEqual([name, []]);
    expect([name, [...used].filter((it) => ![...letters, ...optional].includes(it))]).toEqual([name, []]);
  }
});

test('each box of the picture is an element', () => {
  const picture = readFileSync(path.join(root, 'docs/architecture.md'), 'utf8').split('C4Container')[1] ?? '';
  const boxes = [...picture.matchAll(/(?:Container|ContainerDb|System_Ext)\(\w+, "([^"]+)"/g)].map((box) => box[1]); // prettier-ignore
  expect(boxes.length).toBeGreaterThan(6);
  expect(boxes.filter((box) => box === undefined || elementOf[box] === undefined)).toEqual([]);
  expect(boxes.filter((box) => !elements.some(({ name }) => name === elementOf[box ?? '']))).toEqual([]);
});

/** Of the names in the picture. */
const elementOf: Readonly<Record<string, string>> = {
  Client: 'Callers',
  'query-gateway': 'Gateway',
  'activity-writer': 'Writer',
  projector: 'Projector',
  log: 'Event store',
  keyring: 'Keyring',
  'projector of the care settings': 'Projector',
  record: 'Record view',
  'care settings': 'Record view',
  'slow lane': 'Record view',
  'access log': 'Access log',
  subscriptions: 'Subscriptions',
  Endpoint: 'Endpoints of rest-hooks',
};
