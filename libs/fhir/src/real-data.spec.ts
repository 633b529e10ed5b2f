/**
 * Every JSON file of the real input is read and validated; what is refused, where and by which rule is kept in
 * real-data.refusals.txt. Each line of that list was checked against R4 4.0.1: a change in it is a change of judgement.
 */
import { describe, expect, test } from 'vitest';
import { parseJson, stringify, validateResource } from './index.ts';
import type { Problem } from './problem.ts';
import {
  problemLines,
  realDataPresent as present,
  realFiles,
  tellingStrings,
  type RealFile,
} from './real-data.ts';

interface Judged {
  file: string;
  text: string;
  problems: readonly Problem[];
}

describe.skipIf(!present)(present ? 'real data' : 'real data (skipped: ../shared/data is not there)', () => {
  const judged = present ? realFiles().map(judge) : [];

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
    const list = refused.map(({ file, problems }) => [file, ...problemLines(problems)].join('\n  '));
    await expect([...summary, ...list, ''].join('\n')).toMatchFileSnapshot('real-data.refusals.txt');
  });

  test('no refusal repeats what a file says', () => {
    for (const { text, problems } of judged) {
      const values = new Set(tellingStrings(parsed(text)));
      const told = problems.map((problem) => problem.message).join('\n');
      expect([...values].filter((value) => told.includes(value))).toEqual([]);
    }
  });

  test('every file that is JSON is written back as it was read', () => {
    for (const { file, text } of judged) {
      const result = parseJson(text);
      if (result.kind !== 'parsed') continue;
      const again = stringify(result.value, result.exact);
      expect(normalised(again) === normalised(text.replace(/^\uFEFF/, '')), file).toBe(true);
    }
  });
});

function judge({ file, text }: RealFile): Judged {
  const result = parseJson(text);
  return {
    file,
    text,
    problems: result.kind === 'parsed' ? validateResource(result.value) : result.problems,
  };
}

function parsed(text: string): unknown {
  const result = parseJson(text);
  return result.kind === 'parsed' ? result.value : undefined;
}

/** The text without its spacing and with every string escaped one way: the same for the same JSON. */
function normalised(json: string): string {
  return json.replaceAll(/"(?:[^"\\]|\\.)*"|\s+/g, (token) =>
    token.startsWith('"') ? (token.includes('\\') ? JSON.stringify(JSON.parse(token)) : token) : '',
  );
}
