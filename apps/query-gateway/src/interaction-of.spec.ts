import { expect, it } from 'vitest';
import { interactionOf } from './interaction-of.ts';

it.each([
  ['POST', '', 'bundle'],
  ['GET', '', 'other'],
  ['GET', 'metadata', 'metadata'],
  ['GET', 'Patient', 'search'],
  ['POST', 'Patient', 'create'],
  ['POST', 'Patient/_search', 'search'],
  ['GET', 'Patient/1', 'read'],
  ['PUT', 'Patient/1', 'update'],
  ['DELETE', 'Patient/1', 'delete'],
  ['PATCH', 'Patient/1', 'other'],
  ['GET', 'Patient/1/_history', 'history'],
  ['GET', 'Patient/1/_history/2', 'vread'],
  ['GET', 'Patient/1/$everything', 'everything'],
  ['GET', 'Measure/1/$evaluate-measure', 'evaluate-measure'],
  ['GET', 'Subscription/1/$events', 'notification'],
  ['GET', 'Patient/1/$events', 'other'],
  ['GET', 'Patient/1/Observation', 'search'],
  ['POST', 'Patient/1/Observation/_search', 'search'],
  ['GET', 'Patient/1/9990000018', 'other'],
  ['GET', 'a/b/c/d/e', 'other'],
])('%s /%s is counted as %s', (method, path, interaction) => {
  expect(interactionOf({ method, path: path.split('/').filter((step) => step !== '') })).toBe(interaction);
});
