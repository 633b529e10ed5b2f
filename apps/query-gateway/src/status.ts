/** What the categories of problems are in HTTP. */
import { STATUS_CODES } from 'node:http';
import type { Problem } from '@carelog/fhir';
import { statusOf } from '@carelog/service-kit';

/** The status that says most: that of the first error. */
export function statusOfProblems(problems: readonly Problem[]): number {
  const first = problems.find((problem) => (problem.severity ?? 'error') === 'error') ?? problems[0];
  return statusOf(first?.category ?? 'fault');
}

/** As in `Bundle.entry.response.status`: `201 Created`. */
export function statusText(status: number): string {
  return `${status} ${STATUS_CODES[status] ?? ''}`.trimEnd();
}
