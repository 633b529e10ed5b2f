/** Resources bent out of shape in every way JSON allows: validation always answers, and never by throwing. */
import fc from 'fast-check';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { operationOutcome } from '../operation-outcome.ts';
import { parseJson, stringify } from '../parse-json.ts';
import { businessIdentifiers, forEachReference, patientOf, patientsOf } from '../references.ts';
import { PROBLEMS_MAX } from './run.ts';
import { validateResource } from './validate-resource.ts';

const folder = fileURLToPath(new URL('../../../../../shared/data/hl7-r4-examples/', import.meta.url));
const present = existsSync(folder);

const strange = fc.oneof(
  fc.jsonValue({ depthSize: 'small' }),
  fc.constantFrom<unknown>(null, '', ' ', '#', '#x', 'Patient/1', {}, [], [null], [[]], 0, -1, 1e308, true, {
    resourceType: 'Patient',
  }),
  fc.constantFrom<unknown>(
    { resourceType: 'Bundle', entry: [{ resource: null }] },
    { reference: 1 },
    { extension: [{}] },
  ),
);
const name = fc.oneof(
  fc.string(),
  fc.constantFrom(
    'resourceType',
    'id',
    '_id',
    'extension',
    'contained',
    '__proto__',
    'constructor',
    'toString',
  ),
);

describe.skipIf(!present)(
  present ? 'real resources' : 'real resources (skipped: ../shared/data is not there)',
  () => {
    const examples = present ? read() : [];
    const mutation = fc.record({ at: fc.nat(), how: fc.nat(4), value: strange, name });

    test('mutated at random are always answered', () => {
      fc.assert(
        fc.property(fc.nat(), fc.array(mutation, { minLength: 1, maxLength: 4 }), (which, mutations) => {
          const resource = structuredClone(examples[which % examples.length]) as object;
          for (const { at, how, value, name } of mutations)
            bend(resource, at, how, structuredClone(value), name);
          answer(resource);
        }),
        { numRuns: 500 },
      );
    });
  },
);

test('any JSON under any resource type is always answered', () => {
  const type = fc.constantFrom(
    'Patient',
    'Observation',
    'Bundle',
    'Questionnaire',
    'StructureDefinition',
    'Parameters',
    'Provenance',
    'nothing',
  );
  fc.assert(
    fc.property(type, fc.dictionary(name, strange), (resourceType, members) =>
      answer({ ...members, resourceType }),
    ),
  );
  fc.assert(fc.property(fc.jsonValue(), answer));
});

function answer(value: unknown): void {
  const problems = validateResource(value);
  expect(problems.length).toBeLessThanOrEqual(PROBLEMS_MAX + 1);
  for (const problem of problems) {
    expect(problem.message).toMatch(/^[A-Z`].*[.?]$/s);
    expect(problem.expression ?? 'X').toMatch(/^[A-Za-z]+([.[][A-Za-z0-9.[\]()_]*)?$/);
  }
  expect(validateResource(JSON.parse(stringify(operationOutcome(problems))))).toEqual([]);
  forEachReference(value, (reference, expression) =>
    expect([typeof reference, typeof expression]).toEqual(['object', 'string']),
  );
  patientOf(value);
  patientsOf(value);
  businessIdentifiers(value);
}

/** Changes, removes, renames or nests one member somewhere below. */
function bend(resource: object, at: number, how: number, value: unknown, name: string): void {
  const places: [Record<string, unknown>, string][] = [];
  collect(resource as Record<string, unknown>, places);
  const [holder, key] = places[at % places.length] ?? [];
  if (holder === undefined || key === undefined) return;
  if (how === 0) holder[key] = value;
  else if (how === 1) delete holder[key];
  else if (how === 2 && !Array.isArray(holder))
    Object.defineProperty(holder, name, { value, enumerable: true, configurable: true, writable: true });
  else if (how === 3) holder[key] = [holder[key]];
  else holder[key] = { [name]: holder[key] };
}

function collect(value: Record<string, unknown>, into: [Record<string, unknown>, string][]): void {
  for (const [key, member] of Object.entries(value)) {
    into.push([value, key]);
    if (typeof member === 'object' && member !== null) collect(member as Record<string, unknown>, into);
  }
}

function read(): unknown[] {
  return readdirSync(folder)
    .map((file) => readFileSync(folder + file, 'utf8'))
    .filter((text) => text.length < 8_000)
    .map((text) => parseJson(text))
    .map((result) => (result.kind === 'parsed' ? result.value : {}));
}
