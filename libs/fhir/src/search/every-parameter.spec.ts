import { describe, expect, it } from 'vitest';
import { definitionOf, resourceTypes } from '../definitions.ts';
import type { Path, Step } from './expression.ts';
import { pathsOf } from './extraction.ts';
import { indexResource } from './index-entries.ts';
import { searchParametersOf, type SearchParameter } from './search-parameters.ts';

const all = resourceTypes().flatMap((type) =>
  searchParametersOf(type).map((parameter, i) => ({ type, parameter, bit: 2 ** i })),
);
const searched = all.filter((it) => it.parameter.expression !== undefined);

describe('every R4 search parameter', () => {
  it('is there once for its type', () => {
    for (const type of resourceTypes()) {
      const codes = searchParametersOf(type).map((it) => it.code);
      expect(new Set(codes).size, type).toBe(codes.length);
    }
    expect(searched.length).toBeGreaterThan(2000);
  });

  it('finds a resource made for it, by each element that it reads', () => {
    const silent = searched.flatMap(({ type, parameter, bit }) => {
      const made = pathsOf(type, parameter).flatMap((path) => resourcesFor(type, path, parameter));
      expect(made, `${type}.${parameter.code}`).not.toEqual([]);
      return made.flatMap(({ resource, element }) => {
        const { entries, present } = indexResource(type, resource);
        expect(Math.floor(present / bit) % 2, `${type}.${parameter.code} is present`).toBe(1);
        const found = entries.some((it) => it.parameter === parameter.code);
        return found ? [] : [`${parameter.type} ${type}.${parameter.code}: ${element}`];
      });
    });
    expect([...new Set(silent)].sort()).toEqual(SILENT);
  });

  it('finds nothing where only extensions stand in for a primitive value', () => {
    const { entries, present } = indexResource('Patient', {
      _birthDate: { extension: [{ url: 'urn:why', valueCode: 'unknown' }] },
      name: [{ given: [null], _given: [{ extension: [{ url: 'urn:why', valueCode: 'masked' }] }] }],
    });
    expect(entries).toEqual([{ kind: 'token', parameter: 'deceased', code: 'false' }]);
    const codes = searchParametersOf('Patient').map((it) => it.code);
    expect(codes.filter((_, i) => Math.floor(present / 2 ** i) % 2 === 1).sort()).toEqual([
      ...['_id', '_lastUpdated', 'name', 'phonetic'],
    ]);
  });

  it('compiles for every resource type', () => {
    for (const type of resourceTypes()) {
      const always = type === 'Patient' ? [{ kind: 'token', parameter: 'deceased', code: 'false' }] : [];
      expect(indexResource(type, { resourceType: type })).toEqual({ entries: always, present: 3 });
    }
  });
});

// Elements whose values the table of R4 names for no parameter of this type: `:missing` sees them, no value finds them.
const SILENT = [
  'date CarePlan.activity-date: string',
  'date Immunization.date: string',
  'date Procedure.date: Age',
  'date Procedure.date: Range',
  'date Procedure.date: string',
  'number RiskAssessment.probability: Range',
  'quantity Observation.combo-value-quantity: SampledData',
  'quantity Observation.component-value-quantity: SampledData',
  'quantity Observation.value-quantity: SampledData',
  'reference Consent.source-reference: Attachment',
];

interface Made {
  readonly resource: Record<string, unknown>;
  /** The type of the element that was filled. */
  readonly element: string;
}

/** A resource with a value at the end of the path, one for each type that its last element can have. */
function resourcesFor(type: string, path: Path, parameter: SearchParameter): Made[] {
  const target = parameter.targets?.[0] ?? 'Patient';
  return build(type, path.steps, { code: type, shape: type }, target).map(({ value, element }) => ({
    resource: { resourceType: type, ...(value as Record<string, unknown>) },
    element,
  }));
}

interface Built {
  readonly value: unknown;
  readonly element: string;
}

function build(
  type: string,
  steps: readonly Step[],
  at: { code: string; shape?: string },
  target: string,
): Built[] {
  const [step, ...rest] = steps;
  if (step === undefined) return [{ value: valueOf(at.code, target), element: at.code }];
  switch (step.kind) {
    case 'property': {
      const element = definitionOf(at.shape ?? at.code)?.elements.find((it) => it.name === step.name);
      return (element?.types ?? []).flatMap((to) =>
        build(type, rest, to, target).map((inner) => {
          const name =
            element?.choice === true ? step.name + to.code[0]?.toUpperCase() + to.code.slice(1) : step.name;
          const value = { [name]: element?.many === true ? [inner.value] : inner.value };
          return { value, element: inner.element };
        }),
      );
    }
    case 'type':
      return at.code === step.name ? build(type, rest, at, target) : [];
    case 'equals':
      return build(type, rest, at, target).map(({ value, element }) => ({
        value: { ...(value as object), [step.name]: step.value },
        element,
      }));
    case 'target-type':
      return build(type, rest, at, step.name);
    case 'index':
      return build(type, rest, at, target);
    case 'extension':
      return build(type, rest, { code: 'Extension', shape: 'Extension' }, target).map(
        ({ value, element }) => ({
          value: { extension: [{ url: step.url, ...(value as object) }] },
          element,
        }),
      );
  }
}

function valueOf(type: string, target: string): unknown {
  switch (type) {
    case 'Reference':
      return { reference: `${target}/1` };
    case 'Resource':
      return { resourceType: target, id: '1' };
    case 'CodeableConcept':
      return { coding: [{ system: 'urn:s', code: 'c' }] };
    case 'Coding':
      return { system: 'urn:s', code: 'c' };
    case 'Identifier':
    case 'ContactPoint':
      return { value: 'v' };
    case 'HumanName':
      return { family: 'Smith' };
    case 'Address':
      return { city: 'Leeds' };
    case 'Period':
      return { start: '2024' };
    case 'Timing':
      return { event: ['2024-01-01'] };
    case 'Range':
      return { low: { value: 1 }, high: { value: 2 } };
    case 'Money':
      return { value: 1, currency: 'GBP' };
    case 'boolean':
      return true;
    case 'date':
    case 'dateTime':
    case 'instant':
      return '2024-01-01';
    case 'decimal':
    case 'integer':
    case 'positiveInt':
    case 'unsignedInt':
      return 1;
    default:
      return /^[A-Z]/.test(type) ? { value: 1, unit: 'mg' } : 'v';
  }
}
