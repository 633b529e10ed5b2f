/**
 * Validates resources against R4 4.0.1: types, cardinality, codes, references and invariants of the base specification.
 * https://hl7.org/fhir/R4/validation.html
 */
import type { Problem } from '../problem.ts';
import { checkResource } from './compile-shape.ts';
import { Run } from './run.ts';

/**
 * Everything that is wrong with a value as an R4 resource: at most 100 problems, each with its place and a remedy; none when
 * it is valid. Resources in a Bundle, in Parameters and contained ones are validated too. Extensions and profiles are not
 * looked up. Never throws, whatever the value; an ordinary resource takes a few microseconds.
 */
export function validateResource(value: unknown): Problem[] {
  const run = new Run();
  checkResource(value, run, 'outermost');
  return run.problems;
}
