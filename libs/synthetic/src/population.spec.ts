import { describe, expect, it } from 'vitest';
import { GP_PRACTICE, firstPersonNhsNumber, generatePopulation } from './index.ts';
import type { Resource, TransactionBundle } from './index.ts';

const NHS_NUMBER = 'https://fhir.nhs.uk/Id/nhs-number';
const sets = [...generatePopulation({ seed: 7, people: 150 })];
const [organisations = [], ...people] = sets;
const resources = sets.flat().flatMap((bundle) => bundle.entry.map((entry) => entry.resource));

describe('a population', () => {
  it('is the same, byte for byte, for the same seed, and another for another', () => {
    const again = [...generatePopulation({ seed: 7, people: 150 })];
    expect(JSON.stringify(again)).toBe(JSON.stringify(sets));
    const other = [...generatePopulation({ seed: 8, people: 3 })];
    expect(JSON.stringify(other)).not.toBe(JSON.stringify(sets.slice(0, 4)));
  });

  it('begins the same however many people are asked for', () => {
    const few = [...generatePopulation({ seed: 7, people: 40 })];
    expect(few).toHaveLength(41);
    expect(few).toEqual(sets.slice(0, 41));
  });

  it('gives everybody an NHS number of their own that is valid and in the range that is never issued', () => {
    const patients = new Map<string, string>();
    for (const patient of resources.filter(({ resourceType }) => resourceType === 'Patient')) {
      const [identifier] = (patient['identifier'] as { system: string; value: string }[]).filter(
        ({ system }) => system === NHS_NUMBER,
      );
      patients.set(patient.id!, identifier!.value);
    }
    const numbers = [...patients.values()];
    expect(new Set(numbers).size).toBe(patients.size);
    expect(patients.size).toBeGreaterThanOrEqual(150);
    for (const number of numbers) expect(number).toSatisfy(isTestNhsNumber);
    expect(numbers[0]).toBe(firstPersonNhsNumber(7));
  });

  it('registers at least 85 % with the first practice, at any size', () => {
    const practices = registeredPractices();
    const first = organisations
      .flatMap(({ entry }) => entry)
      .find(({ resource }) => hasIdentifier(resource, GP_PRACTICE))!;
    for (const size of [10, 40, 120, 150]) {
      const there = practices
        .slice(0, size)
        .filter((reference) => reference === `Organization/${first.resource.id}`);
      expect(there.length / size).toBeGreaterThanOrEqual(0.85);
    }
  });

  it('refers only to what came before, in the same message or in the same person’s record', () => {
    const known = new Set(organisations.flatMap(namesOf));
    for (const bundle of organisations)
      for (const reference of referencesOf(bundle)) expect(known).toContain(reference);
    for (const bundles of people) {
      const own = new Set<string>();
      for (const bundle of bundles) {
        for (const name of namesOf(bundle)) own.add(name);
        const dangling = referencesOf(bundle).filter(
          (reference) => !own.has(reference) && !known.has(reference),
        );
        expect(dangling).toEqual([]);
      }
    }
  });

  it('is written in order of time, from the registration to the death', () => {
    for (const bundles of people) {
      const moments = bundles.map((bundle) => Date.parse(bundle.timestamp));
      expect(moments).toEqual([...moments].sort((a, b) => a - b));
      const patient = lastPatient(bundles);
      expect(moments[0]).toBeGreaterThanOrEqual(Date.parse(patient['birthDate'] as string));
      const death = patient['deceasedDateTime'] as string | undefined;
      if (death !== undefined) expect(moments.at(-1)).toBeLessThanOrEqual(Date.parse(death) + 1);
    }
  });

  it('never names a resource twice in one message', () => {
    for (const bundle of sets.flat()) expect(new Set(namesOf(bundle)).size).toBe(namesOf(bundle).length);
  });

  it('gives every resource a business identifier', () => {
    for (const resource of resources) expect(resource['identifier'], resource.resourceType).toBeDefined();
  });

  it('holds what every care setting does, and what goes wrong in life', () => {
    const types = new Set(resources.map(({ resourceType }) => resourceType));
    expect([...types]).toEqual(
      expect.arrayContaining([
        'AllergyIntolerance', 'Appointment', 'CarePlan', 'CareTeam', 'Composition', 'Condition', 'Consent', 'DiagnosticReport',
        'DocumentReference', 'Encounter', 'EpisodeOfCare', 'Flag', 'Immunization', 'MedicationDispense', 'MedicationRequest',
        'Observation', 'Procedure', 'RelatedPerson', 'ServiceRequest',
      ]),
    ); // prettier-ignore
    expect(resources.some(({ status }) => status === 'entered-in-error')).toBe(true);
    expect(resources.some(({ status }) => status === 'corrected')).toBe(true);
    expect(resources.some(({ link }) => JSON.stringify(link)?.includes('replaced-by'))).toBe(true);
    expect(resources.some((resource) => resource['deceasedDateTime'] !== undefined)).toBe(true);
    expect(people.some((bundles) => new Set(bundles).size < bundles.length)).toBe(true);
  });

  it('is about a hundred resources a person', () => {
    const perPerson = people.flat().flatMap((bundle) => bundle.entry).length / people.length;
    expect(perPerson).toBeGreaterThan(60);
    expect(perPerson).toBeLessThan(120);
  });

  it('refuses a window that ends before it begins', () => {
    expect(() =>
      generatePopulation({ seed: 1, people: 1, from: '2020-01-01', to: '2019-01-01' }).next(),
    ).toThrow('from before to');
  });
});

function isTestNhsNumber(number: string): boolean {
  if (!/^99\d{8}$/.test(number)) return false;
  const sum = [...number].slice(0, 9).reduce((total, digit, i) => total + Number(digit) * (10 - i), 0);
  return (11 - (sum % 11)) % 11 === Number(number[9]);
}

function hasIdentifier(resource: Resource, value: string): boolean {
  return (
    (resource['identifier'] as { value: string }[] | undefined)?.some?.(
      (identifier) => identifier.value === value,
    ) ?? false
  );
}

function registeredPractices(): string[] {
  return people.map((bundles) => {
    const patient = bundles[0]!.entry.find(({ resource }) => resource.resourceType === 'Patient')!.resource;
    return (patient['generalPractitioner'] as { reference: string }[])[0]!.reference;
  });
}

function lastPatient(bundles: readonly TransactionBundle[]): Resource {
  const own = bundles[0]!.entry[0]!.resource.id;
  return bundles
    .flatMap(({ entry }) => entry.map(({ resource }) => resource))
    .findLast(({ id }) => id === own)!;
}

function namesOf(bundle: TransactionBundle): string[] {
  return bundle.entry.map(({ request, fullUrl }) => (request.method === 'PUT' ? request.url : fullUrl));
}

function referencesOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === 'reference' && typeof inner === 'string' ? [inner] : referencesOf(inner),
  );
}
