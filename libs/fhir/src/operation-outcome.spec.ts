import { expect, test } from 'vitest';
import { operationOutcome } from './operation-outcome.ts';
import { validateResource } from './validation/validate-resource.ts';

test('each problem becomes one issue, in order, with its place and severity', () => {
  const outcome = operationOutcome([
    { category: 'incorrect', code: 'required', message: 'Add it.', expression: 'Patient.name' },
    { category: 'rejected', code: 'not-found', message: 'It is not here yet.', severity: 'warning' },
  ]);
  expect(outcome.issue).toEqual([
    { severity: 'error', code: 'required', diagnostics: 'Add it.', expression: ['Patient.name'] },
    { severity: 'warning', code: 'not-found', diagnostics: 'It is not here yet.' },
  ]);
  expect(validateResource(outcome)).toEqual([]);
});

test('no problems make one issue that says so, since an OperationOutcome is never without', () => {
  expect(operationOutcome([]).issue).toMatchObject([{ severity: 'information', code: 'informational' }]);
  expect(validateResource(operationOutcome([]))).toEqual([]);
});
