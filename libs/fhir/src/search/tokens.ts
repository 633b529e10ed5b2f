/**
 * When two codes are the same. R4: the match minds the case where the code system does; "when in doubt, servers SHOULD treat
 * tokens in a case-insensitive manner", since finding too much is safer than finding too little.
 * https://hl7.org/fhir/R4/search.html#token
 */

/**
 * A code as it is compared: as written where its system is known to mind the case, else in lower case. A code without a
 * system, and a business identifier, is compared in lower case.
 */
export function foldToken(system: string | null | undefined, code: string): string {
  return typeof system === 'string' && mindsCase(system) ? code : code.toLowerCase();
}

// CodeSystem.caseSensitive is true for all that HL7's R4 definitions hold under these names, but for the tables of version 2,
// which do not say, and those that HL7 only gives names to (ICD-10), and for these others;
// UCUM: https://ucum.org/ucum#section-Character-Set-and-Lexical-Rules
const CASE_SENSITIVE = ['http://terminology.hl7.org/', 'http://hl7.org/fhir/'];
const CASE_UNKNOWN = ['http://terminology.hl7.org/CodeSystem/v2-', 'http://hl7.org/fhir/sid/'];
const OTHERS: ReadonlySet<string> = new Set([
  'http://unitsofmeasure.org',
  'http://dicom.nema.org/resources/ontology/DCM',
  'http://healthit.gov/nhin/purposeofuse',
  'http://cds-hooks.hl7.org/CodeSystem/indicator',
  'urn:iso-astm:E1762-95:2013',
  'urn:oid:2.16.840.1.113883.3.1937.98.5.8',
  'urn:oid:1.2.36.1.2001.1001.101.104.16592',
]);

function mindsCase(system: string): boolean {
  return CASE_SENSITIVE.some((it) => system.startsWith(it))
    ? !CASE_UNKNOWN.some((it) => system.startsWith(it))
    : OTHERS.has(system);
}
