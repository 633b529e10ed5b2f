/** Codes and identifiers, and whether they are what a search asks for. https://hl7.org/fhir/R4/search.html#token */
import type { Element } from './search-oracle-definitions.ts';
import { normal, split, unescape } from './search-oracle-text.ts';

export interface Coded {
  readonly system?: string | undefined;
  readonly code?: string | undefined;
  readonly anyCase: boolean;
}

/**
 * Case counts where the code system says so, and when in doubt it does not. HL7 says so of those that it publishes, but for the
 * tables of v2, and of DICOM's; and UCUM of itself.
 */
function anyCase(system: string | undefined): boolean {
  if (system === undefined) return true;
  if (/^http:\/\/(terminology\.hl7\.org\/CodeSystem\/v2-|hl7\.org\/fhir\/sid\/)/.test(system)) return true;
  const minds =
    /^http:\/\/(hl7\.org\/fhir\/|terminology\.hl7\.org\/CodeSystem\/|unitsofmeasure\.org$|dicom\.nema\.org\/resources\/ontology\/DCM$)/;
  return !minds.test(system);
}

type Fields = Readonly<Record<string, unknown>>;

/** What a token search sees in an element. */
export function codes({ type, value }: Element): Coded[] {
  const { coding, system, code, value: inner } = value as Record<string, unknown> & { coding?: Fields[] };
  const coded = (of: unknown, what: unknown, any = anyCase(of as string | undefined)): Coded[] =>
    of === undefined && what === undefined
      ? []
      : [{ system: of as string | undefined, code: what as string | undefined, anyCase: any }];
  switch (type) {
    case 'CodeableConcept':
      return (coding ?? []).flatMap((each) => coded(each['system'], each['code']));
    case 'Coding':
      return coded(system, code);
    case 'Identifier':
      return coded(system, inner, true);
    case 'ContactPoint':
      return coded(undefined, inner, true);
    case 'string':
      return coded(undefined, value, true);
    default:
      return coded(undefined, String(value), false);
  }
}

export function isToken(element: Element, value: string): boolean {
  const [system, code] = split(value, '|').map(unescape);
  // A code has no system of its own: that of its value set is meant.
  if (element.type === 'code' && code !== undefined && system !== '')
    return (
      (code === '' || code === element.value) &&
      element.codes?.get(system!)?.has(String(element.value)) === true
    );
  return isCoded(codes(element), value);
}

function isCoded(all: readonly Coded[], value: string): boolean {
  const parts = split(value, '|').map(unescape);
  const [system, code] = parts.length === 1 ? [undefined, parts[0]!] : [parts[0]!, parts.slice(1).join('|')];
  return all.some((each) => {
    const sameCode = each.anyCase ? each.code?.toLowerCase() === code.toLowerCase() : each.code === code;
    // Codes without a system may be found in lower case too, whatever their system says: in doubt more is found.
    if (system === undefined)
      return sameCode || (each.system !== undefined && each.code === code.toLowerCase());
    if (system === '') return each.system === undefined && sameCode;
    return each.system === system && (code === '' || sameCode);
  });
}

export function hasText({ type, value }: Element, searched: string): boolean {
  const {
    text,
    display,
    coding,
    type: kind,
  } = value as Record<string, string | undefined> & {
    coding?: Record<string, string>[];
    type?: { text?: string };
  };
  const texts =
    type === 'Identifier'
      ? [kind?.text]
      : [text, display, ...(coding ?? []).map(({ display: each }) => each)];
  return texts.some((each) => each !== undefined && normal(each).startsWith(normal(unescape(searched))));
}

export function isIdentifiedReference({ type, value }: Element, searched: string): boolean {
  const { identifier } = value as { identifier?: { system?: string; value?: string } };
  if (type !== 'Reference' || !identifier) return false;
  return isCoded([{ system: identifier.system, code: identifier.value, anyCase: true }], searched);
}
