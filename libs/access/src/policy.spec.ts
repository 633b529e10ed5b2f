import { describe, expect, it } from 'vitest';
import shipped from '../policy/default.json' with { type: 'json' };
import { labels, recordClasses } from './facts.ts';
import { defaultPolicy, parsePolicy } from './policy.ts';

// Whoever edits the file is held to no type either.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Editable = any;

/** The shipped policy with one thing changed. */
function changed(change: (file: Editable) => void): unknown {
  const file: Editable = structuredClone(shipped);
  change(file);
  return file;
}

describe('the shipped policy', () => {
  const policy = defaultPolicy();
  it('is sound, and read once', () => {
    expect(defaultPolicy()).toBe(policy);
    expect(policy.version).not.toBe('');
  });

  it('hides from staff, until an activity unlocks it, every label that is about confidentiality', () => {
    const open = labels.filter((label) => !policy.callers.staff.hides.includes(label));
    expect(open).toEqual(['not-for-patient', 'hidden-from-proxy']);
  });

  it('has a way to set every label, and a class for what is most often recorded', () => {
    const settable = new Set([
      ...Object.keys(policy.labelling.security),
      ...Object.keys(policy.labelling.content),
    ]);
    expect([...settable].sort()).toEqual([...labels].sort());
    const used = Object.keys(policy.labelling.classes);
    expect(recordClasses.filter((name) => !used.includes(name))).toEqual(['other']);
  });

  it('keeps legally protected information behind a broken glass', () => {
    for (const label of ['very-restricted', 'assisted-fertilisation', 'gender'] as const) {
      expect(policy.breakGlass.reveals).not.toContain(label);
    }
  });

  it('uses SNOMED CT codes whose check digits hold', () => {
    const { content } = policy.labelling;
    const codes = Object.values(content).flatMap((lists) => (lists ?? []).flatMap((list) => list.codes));
    for (const code of [...codes, ...policy.review.pending, ...policy.review.lifted]) {
      expect(code).toSatisfy(hasCheckDigit);
    }
  });
});

describe('a policy file', () => {
  it.each<[string, unknown, readonly (string | RegExp)[]]>([
    ['that is no object', 'policy', [/^policy: /]],
    ['of another format', changed((file) => (file.format = 2)), [/^format: /]],
    ['with a misspelt key', changed((file) => (file.breakglass = {})), [/breakglass/]],
    ['without a kind of caller', changed((file) => delete file.callers.auditor), [/^callers\.auditor: /]],
    [
      'with a label that there is not',
      changed((file) => file.settings.pharmacy.hides.push('secret')),
      [/^settings\.pharmacy\.hides\.\d+: /],
    ],
    ['with a purpose left out', changed((file) => delete file.purposes.research), [/^purposes\.research: /]],
    [
      'with a role that is none',
      changed((file) => (file.roles.doctor = file.roles.R8000)),
      [/^roles\.doctor: /],
    ],
    [
      'with an activity that is not defined',
      changed((file) => file.roles.R8000.activities.push('B9999')),
      ['roles.R8000: B9999 is not among the activities. Add it there, or leave it out here.'],
    ],
    [
      'with an included one that is not',
      changed((file) => (file.activities.B0380.includes = ['B9999'])),
      ['activities.B0380.includes: B9999 is not among the activities. Add it there, or leave it out here.'],
    ],
    [
      'with a type in two classes',
      changed((file) => file.labelling.classes.documents.push('Observation')),
      ['labelling.classes.documents: Observation is of the class results already. Leave it in one of them.'],
    ],
    [
      'that breaks glass for ever',
      changed((file) => (file.breakGlass.hours = 100_000)),
      [/^breakGlass\.hours: /],
    ],
    [
      'with several mistakes tells all',
      changed((file) => {
        file.roles.R8000.activities.push('B9998');
        file.activities.B0380.includes = ['B9999'];
      }),
      [/B9998/, /B9999/],
    ],
  ])('%s is refused', (_, json, expected) => {
    const outcome = parsePolicy(json);
    const problems = outcome.kind === 'unsound' ? outcome.problems : [];
    expect(problems).toEqual(expected.map((it) => (typeof it === 'string' ? it : expect.stringMatching(it))));
  });

  it('may have activities that include each other', () => {
    const json = changed((file) => (file.activities.B0820.includes = ['B0825']));
    expect(parsePolicy(json).kind).toBe('policy');
  });
});

/** Verhoeff's check: the tables are those of the dihedral group of order ten. */
function hasCheckDigit(code: string): boolean {
  const times = (a: number, b: number): number => {
    const turned =
      a < 5 ? (b < 5 ? (a + b) % 5 : 5 + ((a + b) % 5)) : b < 5 ? 5 + ((a - b + 5) % 5) : (a - b + 5) % 5;
    return turned;
  };
  const next = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
  let sum = 0;
  [...code].reverse().forEach((digit, place) => {
    let permuted = Number(digit);
    for (let i = 0; i < place % 8; i++) permuted = next[permuted]!;
    sum = times(sum, permuted);
  });
  return sum === 0;
}
