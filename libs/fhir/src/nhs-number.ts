/**
 * NHS numbers: ten digits of which the last checks the others (modulus 11), and how FHIR carries them.
 * https://www.datadictionary.nhs.uk/attributes/nhs_number.html
 */

export const nhsNumberSystem = 'https://fhir.nhs.uk/Id/nhs-number';

/** Still on the wire in older messages. */
export const legacyNhsNumberSystem = 'http://fhir.nhs.net/Id/nhs-number';

/** Extension on `Patient.identifier` that says how far the number has been traced (codes 01 to 08). */
export const nhsNumberVerificationStatusUrl =
  'https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus';

/** Whether an identifier's system says that its value is an NHS number. */
export function isNhsNumberSystem(system: unknown): boolean {
  return system === nhsNumberSystem || system === legacyNhsNumberSystem;
}

/** Whether the text is exactly ten digits with the right check digit: no blanks, as FHIR identifiers carry it. */
export function isNhsNumber(text: unknown): text is string {
  if (typeof text !== 'string' || !/^\d{10}$/.test(text)) return false;
  let sum = 0;
  for (let i = 0; i < 9; i++) sum += (10 - i) * (text.charCodeAt(i) - ZERO);
  // 11 counts as 0; 10 has no digit, so no number has it.
  return (11 - (sum % 11)) % 11 === text.charCodeAt(9) - ZERO;
}

/** Whether an id would give a person away: a valid NHS number in itself, however it is spaced. */
export function looksLikeNhsNumber(id: string): boolean {
  return isNhsNumber(id.replaceAll(/[\s.-]/g, ''));
}

/** The code (`01` to `08`) of the verification status extension on an identifier, when it has one. */
export function nhsNumberVerificationStatus(identifier: unknown): string | undefined {
  const { extension } = (identifier ?? {}) as { extension?: unknown };
  if (!Array.isArray(extension)) return undefined;
  const status = (
    extension as ({ url?: unknown; valueCodeableConcept?: { coding?: { code?: unknown }[] } } | null)[]
  ).find((it) => it?.url === nhsNumberVerificationStatusUrl);
  const code = status?.valueCodeableConcept?.coding?.[0]?.code;
  return typeof code === 'string' ? code : undefined;
}

const ZERO = 0x30;
