/** House rules that no linter knows, as one pure function over the files of the repository. */
import path from 'node:path';

export interface TextFile {
  /** From the root of the repository, with `/`. */
  readonly path: string;
  readonly text: string;
}

/** One line for each breach, `path: what, and what to do`; none for a tidy tree. */
export function untidy(files: readonly TextFile[]): string[] {
  const known = new Set(files.flatMap(({ path: file }) => [file, ...parents(file)]));
  return [
    ...files.flatMap((file) =>
      rules.flatMap((rule) => rule(file, known).map((breach) => `${file.path}: ${breach}`)),
    ),
    ...decisionNumbers(files),
  ];
}

type Rule = (file: TextFile, known: ReadonlySet<string>) => string[];

const rules: Rule[] = [
  fileName,
  leftovers,
  machinePaths,
  focusedTests,
  exports,
  page,
  links,
  changelog,
  decision,
];

const vagueNames = [
  'utils',
  'util',
  'helpers',
  'helper',
  'common',
  'shared',
  'core',
  'manager',
  'base',
  'misc',
  'impl',
];

function fileName({ path: file }: TextFile): string[] {
  const words = file.split(/[/.-]/);
  const vague = vagueNames.filter((word) => words.includes(word));
  const ceremony = /\.(dto|mapper|entity|interface)\.ts$/.exec(file);
  return [
    ...vague.map((word) => `'${word}' in a file name says nothing; name what the file does`),
    ...(ceremony ? [`no .${ceremony[1]} files; put the type where it is used`] : []),
  ];
}

const isThisRulebook = (file: string) => file.startsWith('test/architecture/tidy');

function leftovers({ path: file, text }: TextFile): string[] {
  if (isThisRulebook(file) || file === 'package-lock.json') return [];
  const found = /\b(TODO|FIXME|HACK)\b/.exec(text);
  return found ? [`${found[0]} left behind; do it, or open an issue`] : [];
}

function machinePaths({ path: file, text }: TextFile): string[] {
  if (isThisRulebook(file)) return [];
  const found = /(?<![\w.~$}-])\/(work|home|Users|root)\/[\w.-]+/.exec(text);
  return found ? [`'${found[0]}' exists on one machine only; write it from the root of the repository`] : [];
}

function focusedTests({ path: file, text }: TextFile): string[] {
  if (!file.endsWith('.spec.ts') || isThisRulebook(file)) return [];
  const found = /\b(describe|test|it)\.(only|skip|todo)\b/.exec(text);
  return found ? [`${found[0]} hides tests; use skipIf with the reason in the name`] : [];
}

function exports({ path: file, text }: TextFile): string[] {
  if (!/^(apps|libs)\/.+\.ts$/.test(file)) return [];
  return [
    ...(/^export \*/m.test(text) ? ['export * hides what is offered; name each export'] : []),
    ...(/^export default/m.test(text) ? ['a default export has no name of its own; export by name'] : []),
    ...(/\/src\/.+\/index\.ts$/.test(file)
      ? ['one index.ts for each project; import from the file itself']
      : []),
  ];
}

function page({ path: file, text }: TextFile): string[] {
  if (!file.endsWith('.md')) return [];
  const prose = withoutCode(text);
  const titles = prose.match(/^# .+/gm) ?? [];
  return text.startsWith('# ') && titles.length === 1 ? [] : ['begin with `# Title`, and have one of it'];
}

function links({ path: file, text }: TextFile, known: ReadonlySet<string>): string[] {
  if (!file.endsWith('.md')) return [];
  return [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => match[1] ?? '')
    .filter((target) => !/^(https?:|mailto:|#)/.test(target))
    .map((target) => path.posix.join(path.posix.dirname(file), target.replace(/#.*/, '')).replace(/\/$/, ''))
    .filter((target) => !known.has(target))
    .map((target) => `links to ${target}, which does not exist`);
}

function changelog({ path: file, text }: TextFile): string[] {
  if (file !== 'CHANGELOG.md') return [];
  return (text.match(/^## .+/gm) ?? [])
    .filter((heading) => !/^## (Unreleased|\d+\.\d+\.\d+ – \d{4}-\d{2}-\d{2})$/.test(heading))
    .map((heading) => `'${heading}' should be '## Unreleased' or '## 1.2.3 – 2026-11-21'`);
}

const decisionParts = ['Context', 'Options', 'Decision', 'Consequences', 'How we check it'];

function decision({ path: file, text }: TextFile): string[] {
  if (!/^docs\/decisions\/\d{4}-/.test(file)) return [];
  const headings = [...text.matchAll(/^## (.+)$/gm)].map((match) => match[1]);
  return decisionParts
    .filter((part) => !headings.includes(part))
    .map((part) => `has no section '## ${part}'`);
}

function decisionNumbers(files: readonly TextFile[]): string[] {
  const pages = files
    .filter(({ path: file }) => file.startsWith('docs/decisions/'))
    .map(({ path: file }) => file);
  return pages.sort().flatMap((file, index) => {
    const expected = `docs/decisions/${String(index + 1).padStart(4, '0')}-`;
    return file.startsWith(expected)
      ? []
      : [`${file}: decisions are numbered without gap or repeat; expected ${expected}…`];
  });
}

function withoutCode(text: string): string {
  return text.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, '');
}

function parents(file: string): string[] {
  const folder = path.posix.dirname(file);
  return folder === '.' ? [] : [folder, ...parents(folder)];
}
