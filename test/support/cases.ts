/** Of cases that are many, those that a run goes over: `CASES_EVERY=20` takes every twentieth, in an order that is always the same. */
const every = Number(process.env['CASES_EVERY'] ?? 1);

export const areAllTaken = every === 1;

/** `number`: of the case, from 0. */
export const isTaken = (number: number): boolean => number % every === 0;
