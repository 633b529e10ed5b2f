import { describe, expect, it } from 'vitest';
import { parseJson, stringify } from './parse-json.ts';
import { subsetOf, type Subset } from './subset.ts';

const observation = {
  resourceType: 'Observation',
  id: 'pulse',
  meta: { versionId: '2', profile: ['http://example.org/pulse'] },
  language: 'en',
  text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">Pulse</div>' },
  modifierExtension: [{ url: 'http://example.org/estimated', valueBoolean: true }],
  status: 'final',
  _status: { extension: [{ url: 'http://example.org/by', valueString: 'device' }] },
  code: { text: 'Pulse' },
  subject: { reference: 'Patient/1' },
  valueInteger: 70,
  note: [{ text: 'At rest' }],
  component: [{ code: { text: 'Rhythm' }, valueString: 'regular', interpretation: [{ text: 'normal' }] }],
};

const membersOf = (wanted: Subset): string[] => Object.keys(subsetOf(observation, wanted));
const always = ['resourceType', 'id', 'meta'];

describe('a subset', () => {
  it.each<[string, Subset, string[]]>([
    [
      '_elements: what was named, what is mandatory, and what changes the meaning',
      { kind: 'elements', elements: ['subject', 'value'] },
      ['modifierExtension', 'status', '_status', 'code', 'subject', 'valueInteger'],
    ],
    [
      '_summary=true: what R4 marks as summary',
      { kind: 'summary', of: 'true' },
      ['status', '_status', 'code', 'subject', 'valueInteger', 'component'],
    ],
    ['_summary=text', { kind: 'summary', of: 'text' }, ['text', 'status', '_status', 'code']],
    [
      '_summary=data',
      { kind: 'summary', of: 'data' },
      Object.keys(observation).filter((it) => it !== 'text' && !always.includes(it)),
    ],
  ])('%s', (_, wanted, members) => {
    expect(membersOf(wanted).toSorted()).toEqual([...always, ...members].toSorted());
  });

  it('leaves out of nested elements what is no summary', () => {
    const { component } = subsetOf(observation, { kind: 'summary', of: 'true' });
    expect(component).toEqual([{ code: { text: 'Rhythm' }, valueString: 'regular' }]);
  });

  it('has the summary of R4 where the bundled definitions are of a later version', () => {
    const characteristic = { description: 'Adults', definitionCodeableConcept: { text: 'Adult' } };
    const variable = { resourceType: 'EvidenceVariable', status: 'draft', characteristic: [characteristic] };
    expect(subsetOf(variable, { kind: 'summary', of: 'true' })['characteristic']).toEqual([
      { definitionCodeableConcept: { text: 'Adult' } },
    ]);
  });

  it('is marked once, and keeps the rest of meta', () => {
    const once = subsetOf(observation, { kind: 'summary', of: 'data' });
    expect(once['meta']).toMatchObject({ versionId: '2', tag: [{ code: 'SUBSETTED' }] });
    expect(subsetOf(once, { kind: 'summary', of: 'data' })['meta']).toEqual(once['meta']);
    expect(observation.meta).not.toHaveProperty('tag');
  });

  it('keeps numbers as they were written', () => {
    const text = '{"resourceType":"Observation","status":"final","code":{},"valueQuantity":{"value":1.50}}';
    const parsed = parseJson(text);
    if (parsed.kind === 'malformed') throw new Error('unreadable');
    const { value, exact } = parsed;
    const part = subsetOf(value as Record<string, unknown>, { kind: 'summary', of: 'true' }, exact);
    expect(stringify(part, exact)).toContain('"valueQuantity":{"value":1.50}');
  });
});
