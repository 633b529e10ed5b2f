/**
 * Invariants without a function of their own, evaluated as FHIRPath: the parsed expression is kept, and the evaluator is
 * loaded only when one is needed. https://hl7.org/fhir/R4/fhirpath.html
 */
import { createRequire } from 'node:module';
import type { Invariant } from './invariants.ts';

type Evaluator = Pick<typeof import('@medplum/core'), 'parseFhirPath' | 'evalFhirPathTyped' | 'toTypedValue'>;

/**
 * Compiles an expression at its first use. The invariant fails only where the evaluator says plainly `false`: an expression
 * it cannot handle must not refuse a resource.
 */
export function fhirPathInvariant(expression: string): Invariant {
  let ast: ReturnType<Evaluator['parseFhirPath']> | undefined;
  return (it, run) => {
    try {
      evaluator ??= createRequire(import.meta.url)('@medplum/core') as Evaluator;
      ast ??= evaluator.parseFhirPath(expression);
      const variables = {
        '%resource': evaluator.toTypedValue(run.resource),
        '%rootResource': evaluator.toTypedValue(run.root),
        '%context': evaluator.toTypedValue(it),
      };
      const result = evaluator.evalFhirPathTyped(ast, [evaluator.toTypedValue(it)], variables);
      return !(result.length === 1 && result[0]?.value === false);
    } catch {
      return true;
    }
  };
}

let evaluator: Evaluator | undefined;
