/** Valid resources that say what search finds hard: open ends, odd precision, zones, units, accents, escapes, versions. */
import fc from 'fast-check';
import {
  coding,
  concept,
  dateTime,
  day,
  identifier,
  maybe,
  period,
  quantity,
  range,
  some,
  text,
  timing,
  UCUM,
  word,
} from './odd-values.ts';
import type { Resource } from './search-oracle-definitions.ts';

const PATIENTS = 12;

/** Patients first; then resources about them, and about `also`. The same seed gives the same resources. */
export function oddResources(many: number, seed: number, also = 'odd-0'): Resource[] {
  const people = Array.from({ length: PATIENTS }, (_, i) => i).flatMap((i) =>
    fc.sample(patient, { numRuns: 1, seed: seed + i }).map((made) => ({ ...made, id: `odd-${i}` })),
  );
  const about = fc.sample(
    fc.oneof(
      ...[observation, observation, condition, encounter, riskAssessment, valueSet, provenance],
      ...[practitioner, appointment, device],
    ),
    {
      numRuns: many,
      seed,
    },
  );
  const whom = (text: string) => text.replaceAll(`Patient/${ALSO}"`, `Patient/${also}"`);
  const resources = [...people, ...about.map((made, i) => ({ ...made, id: `odd-about-${i}` }))];
  return JSON.parse(whom(JSON.stringify(resources))) as Resource[];
}

const ALSO = 'whoever-else';
const person = fc.nat(PATIENTS).map((i) => `Patient/${i === PATIENTS ? ALSO : `odd-${i}`}`);
const reference = (types: readonly string[]) =>
  fc.oneof(
    ...types.map((type) =>
      fc
        .nat(30)
        .chain((i) =>
          fc
            .constantFrom(
              `${type}/odd-about-${i}`,
              `${type}/odd-about-${i}/_history/1`,
              `http://elsewhere.example.org/fhir/${type}/odd-about-${i}`,
            )
            .map((to) => ({ reference: to })),
        ),
    ),
    identifier.map(({ type: _, ...own }) => ({ identifier: own, display: 'odd' })),
  );

const meta = maybe(
  fc.record({
    tag: some(coding),
    security: some(
      fc.record({
        system: fc.constant('http://terminology.hl7.org/CodeSystem/v3-Confidentiality'),
        code: fc.constantFrom('N', 'L'),
      }),
    ),
    profile: maybe(
      fc.constantFrom(
        ['http://example.org/profile'],
        ['http://example.org/profile|1.0', 'http://example.org/other'],
      ),
    ),
    source: maybe(fc.constantFrom('http://example.org/source#1', 'urn:x')),
  }),
);

const patient = fc.record({
  resourceType: fc.constant('Patient'),
  meta,
  identifier: some(identifier),
  active: maybe(fc.boolean()),
  name: some(
    fc
      .record({ family: maybe(text), given: some(word), text: maybe(text) })
      .filter(({ family, given }) => (family ?? given) !== undefined),
  ),
  telecom: some(
    fc.record({
      system: fc.constantFrom('phone', 'email'),
      value: fc.constantFrom('Zoe@Example.org', '020 7946 0000', '+442079460000'),
    }),
  ),
  gender: maybe(fc.constantFrom('male', 'female', 'other', 'unknown')),
  birthDate: maybe(day),
  deceasedBoolean: maybe(fc.boolean()),
  address: some(
    fc
      .record({
        line: some(text),
        city: maybe(word),
        postalCode: maybe(fc.constantFrom('LS1 4AP', 'ls14ap')),
        use: maybe(fc.constantFrom('home', 'work')),
      })
      .filter(({ line, city, postalCode }) => (line ?? city ?? postalCode) !== undefined),
  ),
});

const observation = fc
  .record({
    meta,
    identifier: some(identifier),
    status: fc.constantFrom('final', 'amended', 'preliminary'),
    category: some(concept),
    code: concept,
    subject: person.map((to) => ({ reference: to })),
    encounter: maybe(reference(['Encounter'])),
    focus: some(reference(['Condition', 'Observation'])),
    hasMember: some(reference(['Observation'])),
    performer: some(reference(['Practitioner'])),
    device: maybe(reference(['Device'])),
    when: maybe(
      fc.oneof(
        dateTime.map((value) => ({ effectiveDateTime: value })),
        period.map((value) => ({ effectivePeriod: value })),
        timing.map((value) => ({ effectiveTiming: value })),
      ),
    ),
    value: maybe(
      fc.oneof(
        { weight: 4, arbitrary: quantity.map((value) => ({ valueQuantity: value })) },
        { weight: 1, arbitrary: concept.map((value) => ({ valueCodeableConcept: value })) },
        { weight: 1, arbitrary: text.map((value) => ({ valueString: value })) },
        { weight: 1, arbitrary: dateTime.map((value) => ({ valueDateTime: value })) },
        { weight: 1, arbitrary: period.map((value) => ({ valuePeriod: value })) },
      ),
    ),
    component: some(fc.record({ code: concept, valueQuantity: quantity })),
  })
  .map(({ when, value, ...rest }) => ({ resourceType: 'Observation', ...rest, ...when, ...value }));

const age = fc.record({
  value: fc.constantFrom(1, 7, 41.5),
  comparator: maybe(fc.constantFrom('<', '<=', '>=', '>')),
  system: fc.constant(UCUM),
  code: fc.constantFrom('a', 'mo'),
});
const RESOLVED = {
  coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-clinical', code: 'resolved' }],
};

const condition = fc
  .record({
    meta,
    identifier: some(identifier),
    code: maybe(concept),
    subject: person.map((to) => ({ reference: to })),
    encounter: maybe(reference(['Encounter'])),
    onset: maybe(
      fc.oneof(
        dateTime.map((value) => ({ onsetDateTime: value })),
        period.map((value) => ({ onsetPeriod: value })),
        text.map((value) => ({ onsetString: value })),
        fc
          .constantFrom(7, 40, 41.5)
          .map((value) => ({ onsetAge: { value, system: UCUM, code: 'a', unit: 'Jahre' } })),
        age.map((value) => ({ onsetAge: value })),
        range.map((value) => ({ onsetRange: value })),
      ),
    ),
    abatement: maybe(
      fc.oneof(
        age.map((value) => ({ abatementAge: value })),
        range.map((value) => ({ abatementRange: value })),
      ),
    ),
    recordedDate: maybe(dateTime),
    evidence: some(
      fc
        .record({ detail: some(reference(['Observation'])), code: some(concept) })
        .filter(({ detail, code: of }) => (detail ?? of) !== undefined),
    ),
  })
  .map(({ onset, abatement, ...rest }) => ({
    resourceType: 'Condition',
    clinicalStatus: RESOLVED,
    ...rest,
    ...onset,
    ...abatement,
  }));

const encounter = fc.record({
  resourceType: fc.constant('Encounter'),
  identifier: some(identifier),
  status: fc.constantFrom('finished', 'planned'),
  class: coding,
  type: some(concept),
  subject: person.map((to) => ({ reference: to })),
  period: maybe(period),
  length: maybe(
    fc.constantFrom(
      { value: 90, system: UCUM, code: 'min', unit: 'min' },
      { value: 1.5, system: UCUM, code: 'h', unit: 'h' },
    ),
  ),
  partOf: maybe(reference(['Encounter'])),
});

const riskAssessment = fc.record({
  resourceType: fc.constant('RiskAssessment'),
  status: fc.constant('final'),
  subject: person.map((to) => ({ reference: to })),
  prediction: some(
    fc.record({
      outcome: concept,
      probabilityDecimal: fc.constantFrom(0, 0.1, 0.05, 0.0500001, 0.3, 0.30000000000000004, 1),
    }),
  ),
});

const valueSet = fc.record({
  resourceType: fc.constant('ValueSet'),
  url: maybe(
    fc.constantFrom(
      'http://example.org/vs',
      'http://example.org/VS',
      'http://example.org/vs/1',
      'urn:oid:1.2.3',
    ),
  ),
  version: maybe(fc.constantFrom('1.0', '1.0-Beta', '1.0-BETA')),
  name: maybe(fc.constantFrom('Odd', 'odd_1')),
  title: maybe(text),
  status: fc.constantFrom('draft', 'active'),
  date: maybe(dateTime),
  useContext: some(
    fc
      .record({
        code: coding,
        value: fc.oneof(
          concept.map((each) => ({ valueCodeableConcept: each })),
          quantity.map((each) => ({ valueQuantity: each })),
          range.map((each) => ({ valueRange: each })),
        ),
      })
      .map(({ code: of, value }) => ({ code: of, ...value })),
  ),
});

const provenance = fc.record({
  resourceType: fc.constant('Provenance'),
  target: fc.array(reference(['Observation', 'Condition', 'Encounter']), { minLength: 1, maxLength: 3 }),
  recorded: fc.constantFrom('2024-01-01T00:00:00Z', '2024-01-01T00:00:00.5+01:00'),
  agent: person.map((to) => [{ who: { reference: to } }]),
});

const practitioner = fc.record({
  resourceType: fc.constant('Practitioner'),
  identifier: some(identifier),
  active: maybe(fc.boolean()),
  gender: maybe(fc.constantFrom('male', 'female', 'other', 'unknown')),
});

/** In the record of whom it is with first; somebody else is only mentioned. */
const appointment = fc.record({
  resourceType: fc.constant('Appointment'),
  status: fc.constantFrom('proposed', 'cancelled'),
  participant: fc.array(
    fc.record({
      actor: fc.oneof(
        person.map((to) => ({ reference: to })),
        reference(['Practitioner']),
      ),
      status: fc.constantFrom('accepted', 'tentative'),
    }),
    { minLength: 1, maxLength: 3 },
  ),
});

const device = fc.record({
  resourceType: fc.constant('Device'),
  identifier: some(identifier),
  status: maybe(fc.constantFrom('active', 'inactive')),
  type: maybe(concept),
  patient: maybe(person.map((to) => ({ reference: to }))),
});
