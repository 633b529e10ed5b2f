/** Problems as the resource that FHIR clients expect. https://hl7.org/fhir/R4/operationoutcome.html */
import type { OperationOutcome } from '@medplum/fhirtypes';
import type { Problem } from './problem.ts';

/** One issue for each problem, in the order given; without problems, one informational issue that says all is well. */
export function operationOutcome(problems: readonly Problem[]): OperationOutcome {
  if (problems.length === 0) {
    return {
      resourceType: 'OperationOutcome',
      issue: [{ severity: 'information', code: 'informational', diagnostics: 'No problems were found.' }],
    };
  }
  return {
    resourceType: 'OperationOutcome',
    issue: problems.map((problem) => ({
      severity: problem.severity ?? 'error',
      code: problem.code as OperationOutcome['issue'][number]['code'],
      diagnostics: problem.message,
      ...(problem.expression !== undefined && { expression: [problem.expression] }),
    })),
  };
}
