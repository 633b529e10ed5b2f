import { describe, expect, it } from 'vitest';
import { resourceTypes } from '../definitions.ts';
import { compartmentCondition, subjectParametersOf } from './compartments.ts';
import { searchParameterOf } from './search-parameters.ts';

const COMPARTMENTS = ['Patient', 'Encounter', 'Practitioner', 'RelatedPerson', 'Device'];

describe('compartmentCondition', () => {
  it.each([
    ['Patient', 'Observation', ['subject', 'performer']],
    ['Patient', 'Patient', ['link']],
    ['Encounter', 'Procedure', ['encounter']],
    ['Encounter', 'ChargeItem', ['context']],
    ['Practitioner', 'Patient', ['general-practitioner']],
    ['RelatedPerson', 'QuestionnaireResponse', ['author', 'source']],
    ['Device', 'Claim', ['procedure-udi', 'item-udi', 'detail-udi', 'subdetail-udi']],
  ])('of a %s, for %s: %j', (compartment, type, parameters) => {
    const of = `${compartment}/1`;
    expect(compartmentCondition(compartment, '1', type)).toEqual({ kind: 'compartment', of, parameters });
  });

  it('holds what it is the compartment of', () => {
    const itself = { kind: 'id', parameter: '_id', values: ['1'] };
    for (const type of ['Encounter', 'Practitioner', 'RelatedPerson', 'Device'])
      expect(compartmentCondition(type, '1', type)).toEqual(type === 'Device' ? undefined : itself);
  });

  it.each([
    ['Patient', 'Organization'],
    ['Encounter', 'Patient'],
    ['Organization', 'Patient'],
    ['constructor', 'Patient'],
    ['Patient', 'Nonsense'],
  ])('is none of a %s for %s', (compartment, type) =>
    expect(compartmentCondition(compartment, '1', type)).toBeUndefined(),
  );

  it('goes by reference parameters that can point at its type', () => {
    let conditions = 0;
    for (const compartment of COMPARTMENTS)
      for (const type of resourceTypes()) {
        const condition = compartmentCondition(compartment, '1', type);
        if (condition?.kind !== 'compartment') continue;
        conditions += 1;
        for (const code of condition.parameters)
          expect(searchParameterOf(type, code)?.targets, `${compartment} ${type} ${code}`).toContain(
            compartment,
          );
      }
    expect(conditions).toBeGreaterThan(200);
  });
});

describe('subjectParametersOf', () => {
  it.each([
    ['Observation', ['patient', 'subject']],
    ['Encounter', ['patient', 'subject']],
    ['AllergyIntolerance', ['patient']],
    ['Coverage', ['beneficiary', 'patient']],
    ['Organization', []],
  ])('%s: %j', (type, codes) => expect([...subjectParametersOf(type)].sort()).toEqual(codes));
});
