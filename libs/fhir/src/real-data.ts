/** For specs: the FHIR R4 resources among the published real input, and problems listed without what the files say. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Problem } from './problem.ts';

const folder = fileURLToPath(new URL('../../../../shared/data/', import.meta.url));

/** Whether the real input is on this machine. */
export const realDataPresent = existsSync(folder);

export interface RealFile {
  /** From the folder of the real input, with `/`. */
  readonly file: string;
  readonly bytes: Buffer;
  readonly text: string;
}

/** Every JSON file that holds a FHIR resource and is not of STU3, in the order of their names; none where the input is absent. */
export function realFiles(): RealFile[] {
  if (!realDataPresent) return [];
  const origins = originsOfFiles();
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.json') && !STU3.some((pattern) => pattern.test(file)))
    .filter((file) => !(origins.get(file) ?? '').includes('/stu3/'))
    .sort()
    .map((file) => {
      const bytes = readFileSync(folder + file);
      return { file, bytes, text: bytes.toString('utf8') };
    })
    .filter(({ text }) => text.includes('"resourceType"'));
}

/** One line for each place and rule, without the indexes, so that a list of a hundred alike is one line. */
export function problemLines(
  problems: readonly Pick<Problem, 'code' | 'expression' | 'message'>[],
): string[] {
  const counts = new Map<string, number>();
  for (const { expression = '-', code, message } of problems) {
    const rule = /\(([a-z]+-\d+[a-z]?)\)/.exec(message)?.[1] ?? '';
    const line = `${expression.replaceAll(/\[\d+\]/g, '')} ${code} ${rule}`.trimEnd();
    counts.set(line, (counts.get(line) ?? 0) + 1);
  }
  return [...counts].map(([line, count]) => (count > 1 ? `${line} x${count}` : line));
}

/** Strings with a blank or a digit in them, which no element name or code system has by chance. */
export function tellingStrings(value: unknown): string[] {
  if (typeof value === 'string')
    return value.length > 8 && /\d| /.test(value) && !value.startsWith('http') ? [value] : [];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(tellingStrings) : [];
}

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

function originsOfFiles(): ReadonlyMap<string, string> {
  return new Map(
    readFileSync(`${folder}nhs/MANIFEST.csv`, 'utf8')
      .split('\n')
      .map((line) => line.split(','))
      .map(([, path = '', , , origin = '']) => [`nhs/${path}`, origin]),
  );
}
