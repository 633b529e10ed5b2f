import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { buildDefinitions, builtDefinitions } from './build-definitions.ts';
import { definitionOf, definitions, isResourceType, resourceTypes } from './definitions.ts';

test('the condensed file is rebuilt when it is missing, torn or out of date, and only then', () => {
  const folder = mkdtempSync(join(tmpdir(), 'carelog-definitions-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'deep', 'definitions.json');
  expect(builtDefinitions(file)).toBeUndefined();
  const built = buildDefinitions(file);
  expect(builtDefinitions(file)).toEqual(built);
  writeFileSync(file, readFileSync(file, 'utf8').replace(built.stamp, 'another'));
  expect(builtDefinitions(file)).toBeUndefined();
  truncateSync(file, 1000);
  expect(builtDefinitions(file)).toBeUndefined();
});

describe('what is kept of R4 4.0.1', () => {
  test('has its 146 concrete resource types, and none of later versions', () => {
    expect(resourceTypes()).toHaveLength(146);
    expect(isResourceType('Observation')).toBe(true);
    for (const name of [
      'SubscriptionStatus',
      'Resource',
      'DomainResource',
      'MetadataResource',
      'HumanName',
      'constructor',
    ]) {
      expect(isResourceType(name), name).toBe(false);
    }
  });

  test.each([
    ['Meta', 'id extension versionId lastUpdated source profile security tag'],
    ['Binary', 'id meta implicitRules language contentType securityContext data'],
    [
      'EvidenceVariable.characteristic',
      'id extension modifierExtension description definition usageContext exclude participantEffective timeFromStart groupMeasure',
    ],
  ])('%s has the elements of the specification', (type, names) => {
    expect(definitionOf(type)?.elements.map((element) => element.name)).toEqual(names.split(' '));
  });

  test('refers only to shapes, value sets and resource types that it has', () => {
    const { shapes, valueSets } = definitions();
    for (const [name, shape] of Object.entries(shapes)) {
      for (const { types, valueSet } of shape.elements) {
        if (valueSet !== undefined)
          expect(Object.values(valueSets[valueSet] ?? {}).flat(), name).not.toHaveLength(0);
        for (const { shape: inner, targets = [] } of types) {
          if (inner !== undefined && inner !== 'Resource') expect(shapes, name).toHaveProperty([inner]);
          expect(
            targets.filter((target) => !isResourceType(target)),
            name,
          ).toEqual([]);
        }
      }
    }
  });

  test('enumerates required value sets', () => {
    const codes = (id: string) =>
      Object.values(definitions().valueSets[`http://hl7.org/fhir/ValueSet/${id}`] ?? {}).flat();
    expect(codes('administrative-gender')).toEqual(['male', 'female', 'other', 'unknown']);
    expect(codes('resource-types')).toHaveLength(148);
    expect(codes('mimetypes')).toEqual([]);
  });

  test('does not answer for names that every object has', () => {
    expect(definitionOf('constructor')).toBeUndefined();
    expect(definitionOf('__proto__')).toBeUndefined();
  });
});
