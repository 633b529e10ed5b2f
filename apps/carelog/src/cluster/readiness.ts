/** Whether a gateway or a writer can answer well just now. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Problem } from '@carelog/fhir';
import type { Engines } from './engines.ts';
import { notReady } from './operations.ts';

const PATIENCE_MS = 2_000;
const AGE_MAX_MS = 10_000;

export async function readinessOf({
  store,
  live,
}: Pick<Engines, 'store' | 'live'>): Promise<readonly Problem[]> {
  const problems: Problem[] = [];
  const asked = store.freshHead().then(
    () => true,
    () => false,
  );
  if (!(await Promise.race([asked, delay(PATIENCE_MS, false, { ref: false })])))
    problems.push(notReady('The log does not answer.'));
  if (live.projected.age() > AGE_MAX_MS)
    problems.push(notReady('How far the record view is cannot be read.'));
  return problems;
}
