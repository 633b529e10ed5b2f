/**
 * Every JSON file of the real input is read and validated; what is refused, where and by which rule is kept in
 * real-data.refusals.txt. Each line of that list was checked against R4 4.0.1: a change in it is a change of judgement.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parseJson, stringify, validateResource } from './index.ts';
import type { Problem } from './problem.ts';

const folder = fileURLToPath(new URL('../../../../shared/data/', import.meta.url));
const present = existsSync(folder);

// FHIR STU3, by the READMEs of the topics and by the paths the files had in the repositories they come from.
const STU3 = [
  /^nhs\/careconnect-stu3\//,
  /^nhs\/careconnect-to-ukcore-maps\/examples\/fhir-converter\/(input__|.*stu3)/i,
  /^nhs\/flags-and-observations\/(definitions\/reasonable-adjustments-stu3|examples\/FHIR-ReasonableAdjustments-API)\//,
  /^nhs\/gp-connect-and-gp2gp\/examples\/(integration-adaptor-gp2gp|nia-patient-switching-standard-adaptor)\//,
  /^nhs\/gp-connect-and-gp2gp\/examples\/IOPS-FHIR-Simplifier-Backup\/backup__/,
  /^nhs\/nhs111-cda-to-fhir\//,
  /^nhs\/nrl\/examples\/nrls-reference-implementation\//,
  /^nhs\/pathology-edifact\//,
];

interface Judged {
  file: string;
  text: string;
  problems: readonly Problem[];
}

describe.skipIf(!present)(present ? 'real data' : 'real data (skipped: ../shared/data is not there)', () => {
  const judged = present ? filesOf(folder).filter(isResourceFile).map(judge) : [];

  test('every Synthea bundle and every entry of it is valid', () => {
    const bundles = judged.filter(({ file }) => file.startsWith('synthea-r4/'));
    expect(bundles).toHaveLength(40);
    expect(bundles.flatMap(({ problems }) => problems)).toEqual([]);
    const entries = bundles.flatMap(
      ({ text }) => (JSON.parse(text) as { entry: { resource: unknown }[] }).entry,
    );
    expect(entries).toHaveLength(8628);
    expect(entries.flatMap((entry) => validateResource(entry.resource))).toEqual([]);
  });

  test('what is refused, and by which rule, is as it was judged', async () => {
    const refused = judged.filter(({ problems }) => problems.length > 0);
    const summary = ['hl7-r4-examples/', 'nhs/', 'synthea-r4/'].map((source) => {
      const of = (list: readonly Judged[]) => list.filter(({ file }) => file.startsWith(source)).length;
      return `${source} ${of(judged)} read, ${of(refused)} refused`;
    });
    const list = refused.map(({ file, problems }) => [file, ...lines(problems)].join('\n  '));
    await expect([...summary, ...list, ''].join('\n')).toMatchFileSnapshot('real-data.refusals.txt');
  });

  test('no refusal repeats what a file says', () => {
    for (const { text, problems } of judged) {
      const values = new Set(longStrings(parsed(text)));
      const told = problems.map((problem) => problem.message).join('\n');
      expect([...values].filter((value) => told.includes(value))).toEqual([]);
    }
  });

  test('every file that is JSON is written back as it was read', () => {
    for (const { file, text } of judged) {
      const result = parseJson(text);
      if (result.kind !== 'parsed') continue;
      const again = stringify(result.value, result.exact);
      expect(tokens(again), file).toEqual(tokens(text.replace(/^\uFEFF/, '')));
    }
  });
});

function filesOf(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.json') && !STU3.some((pattern) => pattern.test(file)))
    .filter((file) => !originOf(file).includes('/stu3/'))
    .sort();
}

/** Left out: JSON that is no resource at all, such as patches and signals of other formats. */
function isResourceFile(file: string): boolean {
  return /"resourceType"/.test(readFileSync(folder + file, 'utf8'));
}

function judge(file: string): Judged {
  const text = readFileSync(folder + file, 'utf8');
  const result = parseJson(text);
  return {
    file,
    text,
    problems: result.kind === 'parsed' ? validateResource(result.value) : result.problems,
  };
}

/** One line for each place and rule, without the indexes, so that a list of a hundred alike is one line. */
function lines(problems: readonly Problem[]): string[] {
  const counts = new Map<string, number>();
  for (const { expression = '-', code, message } of problems) {
    const rule = /\(([a-z]+-\d+[a-z]?)\)/.exec(message)?.[1] ?? '';
    const line = `${expression.replaceAll(/\[\d+\]/g, '')} ${code} ${rule}`.trimEnd();
    counts.set(line, (counts.get(line) ?? 0) + 1);
  }
  return [...counts].map(([line, count]) => (count > 1 ? `${line} x${count}` : line));
}

let origins: ReadonlyMap<string, string> | undefined;

function originOf(file: string): string {
  origins ??= new Map(
    readFileSync(`${folder}nhs/MANIFEST.csv`, 'utf8')
      .split('\n')
      .map((line) => line.split(','))
      .map(([, path = '', , , origin = '']) => [`nhs/${path}`, origin]),
  );
  return origins.get(file) ?? '';
}

function parsed(text: string): unknown {
  const result = parseJson(text);
  return result.kind === 'parsed' ? result.value : undefined;
}

/** Strings with a blank or a digit in them, which no element name or code system has by chance. */
function longStrings(value: unknown): string[] {
  if (typeof value === 'string')
    return value.length > 8 && /\d| /.test(value) && !value.startsWith('http') ? [value] : [];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(longStrings) : [];
}

/** The text as a list of strings, numbers and signs: the same for the same JSON however it is spaced or escaped. */
function tokens(json: string): string[] {
  return (json.match(/"(?:[^"\\]|\\.)*"|[^\s",:{}[\]]+|[,:{}[\]]/g) ?? []).map((token) =>
    token.startsWith('"') ? JSON.stringify(JSON.parse(token)) : token,
  );
}
