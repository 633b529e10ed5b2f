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

// CodeSystem.caseSensitive is true for every code system that HL7's R4 definitions hold under these two names, but for the
// tables of version 2, which do not say; UCUM: https://ucum.org/ucum#section-Character-Set-and-Lexical-Rules
const CASE_SENSITIVE = ['http://terminology.hl7.org/CodeSystem/', 'http://hl7.org/fhir/'];
const CASE_UNKNOWN = 'http://terminology.hl7.org/CodeSystem/v2-';
const UCUM = 'http://unitsofmeasure.org';

function mindsCase(system: string): boolean {
  if (!system.startsWith('http://')) return false;
  if (system.startsWith(CASE_UNKNOWN)) return false;
  return system === UCUM || CASE_SENSITIVE.some((it) => system.startsWith(it));
}
