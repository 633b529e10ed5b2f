import { expect, it } from 'vitest';
import { validateResource } from '@carelog/fhir';
import { generatePopulation } from '@carelog/synthetic';

it('generates nothing that FHIR R4 does not allow', () => {
  const problems = new Map<string, number>();
  let resources = 0;
  for (const bundle of [...generatePopulation({ seed: 11, people: 200 })].flat()) {
    const { entry, ...frame } = bundle;
    const frames = entry.map(({ resource: _, ...rest }) => rest);
    for (const resource of [{ ...frame, entry: frames }, ...entry.map(({ resource }) => resource)]) {
      resources++;
      for (const { severity, expression, message } of validateResource(resource)) {
        if (severity === undefined || severity === 'error')
          problems.set(`${expression}: ${message}`, resources);
      }
    }
  }
  expect(resources).toBeGreaterThan(10_000);
  expect([...problems.keys()]).toEqual([]);
});
