/**
 * The hand-written invariants against HL7's own expressions: each is compared with what a FHIRPath evaluator says about the
 * elements of HL7's examples, whole and with members taken away.
 */
import { evalFhirPathTyped, parseFhirPath, toTypedValue } from '@medplum/core';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { Rule } from '../build-definitions.ts';
import { definitionOf, definitions } from '../definitions.ts';
import { invariants } from './invariants.ts';
import { type JsonObject, Run } from './run.ts';

const folder = fileURLToPath(new URL('../../../../../shared/data/hl7-r4-examples/', import.meta.url));
const present = existsSync(folder);

test('every invariant of R4 has a function, and every function an invariant', () => {
  const keys = new Set<string>();
  for (const [name, shape] of Object.entries(definitions().shapes)) {
    const type = name.split('.')[0] ?? name;
    const rules = [...(shape.rules ?? []), ...shape.elements.flatMap((element) => element.rules ?? [])];
    for (const { key } of rules) keys.add(`${type}/${key}` in invariants ? `${type}/${key}` : key);
  }
  expect([...keys].sort()).toEqual(Object.keys(invariants).sort());
});

// The evaluator, which does not know the types, takes `response` for a choice that `responseCode` is one of, and compares
// quantities of different units by their numbers.
const MISREAD = new Set(['tst-5', 'tst-6', 'rng-2']);

describe.skipIf(!present)(
  present ? 'HL7 examples' : 'HL7 examples (skipped: ../shared/data is not there)',
  () => {
    test('are judged as HL7’s expressions judge them', () => {
      const random = generator(20240531);
      const judged = new Map<string, { holds: number; fails: number }>();
      const disagreements: string[] = [];
      const compare = (rule: Rule, key: string, element: JsonObject, run: Run) => {
        const expected = evaluate(rule.expression, element, run);
        if (expected === undefined || MISREAD.has(rule.key)) return;
        const actual = invariants[key]?.(element, run);
        if (actual !== expected)
          disagreements.push(`${key} should be ${expected} for ${JSON.stringify(element)}`);
        const counts = judged.get(key) ?? { holds: 0, fails: 0 };
        counts[expected ? 'holds' : 'fails']++;
        judged.set(key, counts);
      };
      for (const example of examples()) {
        walk(example, compare);
        for (let i = 0; i < 16; i++) walk(lessen(example, random) ?? {}, compare);
      }
      expect(disagreements).toEqual([]);
      expect(judged.size).toBeGreaterThan(110);
      expect([...judged.values()].filter(({ fails }) => fails > 0).length).toBeGreaterThan(50);
    });
  },
);

function examples(): JsonObject[] {
  return readdirSync(folder)
    .sort()
    .filter((file) => file.endsWith('.json') && !file.endsWith('questionnaire.json'))
    .map((file) => readFileSync(folder + file, 'utf8'))
    .filter((text) => text.length < 20_000)
    .map((text) => JSON.parse(text) as JsonObject);
}

const previous = new Map<string, JsonObject>();

type Compare = (rule: Rule, key: string, element: JsonObject, run: Run) => void;

function walk(resource: JsonObject, compare: Compare): void {
  const run = new Run();
  run.resource = run.root = resource;
  visit(resource, String(resource['resourceType']), run, compare);
}

function visit(element: JsonObject, shapeName: string, run: Run, compare: Compare): void {
  const shape = definitionOf(shapeName);
  const type = shapeName.split('.')[0] ?? shapeName;
  const judge = (rules: readonly Rule[] | undefined, it: JsonObject) =>
    rules?.forEach((rule) =>
      compare(rule, `${type}/${rule.key}` in invariants ? `${type}/${rule.key}` : rule.key, it, run),
    );
  judge(shape?.rules, element);
  // What two elements of one type have together brings out rules of the kind «not both».
  judge(shape?.rules, { ...previous.get(shapeName), ...element });
  previous.set(shapeName, element);
  for (const { name, choice, types, rules } of shape?.elements ?? []) {
    for (const { code, shape: inner } of types) {
      const member = element[choice ? name + code.charAt(0).toUpperCase() + code.slice(1) : name];
      if (inner === undefined) continue;
      for (const item of (Array.isArray(member) ? member : [member]) as unknown[]) {
        if (typeof item !== 'object' || item === null) continue;
        const resource = item as JsonObject;
        if (inner === 'Resource') {
          if (name !== 'contained') walk(resource, compare);
          continue;
        }
        judge(rules, resource);
        visit(resource, inner, run, compare);
      }
    }
  }
}

const asts = new Map<string, ReturnType<typeof parseFhirPath>>();

/** What the expression says, when it says plainly true or false. */
function evaluate(expression: string, element: JsonObject, run: Run): boolean | undefined {
  const variables = {
    '%resource': toTypedValue(run.resource),
    '%rootResource': toTypedValue(run.root),
    '%context': toTypedValue(element),
    '%ucum': toTypedValue('http://unitsofmeasure.org'),
  };
  try {
    const ast = asts.get(expression) ?? parseFhirPath(expression);
    asts.set(expression, ast);
    const result = evalFhirPathTyped(ast, [toTypedValue(element)], variables);
    return typeof result[0]?.value === 'boolean' && result.length === 1 ? result[0].value : undefined;
  } catch {
    return undefined;
  }
}

// Without these an expression has no answer, and the evaluator gives one all the same.
const KEPT = new Set(['resourceType', 'type', 'value']);

/** The value with some members missing; nothing is left empty, and primitives that are only extended are left out. */
function lessen<T>(value: T, random: () => number): T | undefined {
  if (Array.isArray(value)) {
    const items = value.map((item: unknown) => lessen(item, random)).filter((item) => item !== undefined);
    return items.length > 0 ? (items as T) : undefined;
  }
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value)
    .filter(([key]) => !key.startsWith('_') && (KEPT.has(key) || random() > 0.15))
    .map(([key, member]) => [key, lessen(member as unknown, random)] as const)
    .filter(([, member]) => member !== undefined);
  return kept.length > 0 ? (Object.fromEntries(kept) as T) : undefined;
}

function generator(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1103515245 + 12345) % 2147483648) / 2147483648;
}
