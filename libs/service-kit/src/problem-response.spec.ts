import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { ProblemCategory } from '@carelog/fhir';
import { describeFault, outcomeText, statusOf } from './problem-response.ts';

describe('the status of a category', () => {
  const expected: Record<ProblemCategory, number> = {
    incorrect: 400,
    unauthenticated: 401,
    forbidden: 403,
    'not-found': 404,
    method: 405,
    'not-acceptable': 406,
    conflict: 409,
    gone: 410,
    mismatch: 412,
    'too-large': 413,
    'media-type': 415,
    rejected: 422,
    busy: 429,
    fault: 500,
    unavailable: 503,
    'storage-full': 507,
  };
  const documented = readFileSync(new URL('../../../docs/reference/errors.md', import.meta.url), 'utf8');

  it.each(Object.entries(expected))('%s is %i, and documented so', (category, status) => {
    expect(statusOf(category as ProblemCategory)).toBe(status);
    expect(documented).toMatch(new RegExp(`^\\| ${status} +\\| \`${category}\` +\\|`, 'm'));
  });

  it('is documented for no category that there is not', () => {
    const named = [...documented.matchAll(/^\| \d{3} +\| `([a-z-]+)` +\|/gm)].map(([, category]) => category);
    expect(named.sort()).toEqual(Object.keys(expected).sort());
  });
});

describe('an OperationOutcome', () => {
  it('has an issue for each problem, in order, with its expression', () => {
    const outcome = outcomeText([
      { category: 'rejected', code: 'value', message: 'First.', expression: 'Patient.birthDate' },
      { category: 'incorrect', code: 'informational', message: 'Second.', severity: 'information' },
    ]);
    expect(JSON.parse(outcome)).toEqual({
      resourceType: 'OperationOutcome',
      issue: [
        { severity: 'error', code: 'value', diagnostics: 'First.', expression: ['Patient.birthDate'] },
        { severity: 'information', code: 'informational', diagnostics: 'Second.' },
      ],
    });
  });
});

describe('what is logged of a fault', () => {
  it('names class, code and frames, of its causes too, but no message', () => {
    const cause = Object.assign(new SyntaxError('Unexpected token in {"family":"Canary"}'), {
      code: 'ERR_PARSE',
    });
    const described = describeFault(new TypeError('Canary is not a function', { cause }));
    expect(described).toMatchObject({
      fault: 'TypeError',
      frames: expect.arrayContaining([expect.stringContaining('problem-response.spec.ts')]),
      cause: { fault: 'SyntaxError', code: 'ERR_PARSE' },
    });
    expect(JSON.stringify(described)).not.toContain('Canary');
  });

  it('says little of what is no error', () => {
    expect(describeFault('Canary')).toEqual({ fault: 'string' });
  });
});
