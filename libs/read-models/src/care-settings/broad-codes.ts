/**
 * Codes that say of what sort a thing is and not what it is: two things of one such code may be different, and the words beside
 * it decide. Codes and names are SNOMED CT's.
 */
import type { Fact } from './fact.ts';
import { normalised } from './names.ts';

/** Whether things of this code may be different. */
export const isTooBroad = (code: string): boolean => SAYS_NOTHING.has(code) || SAYS_LITTLE.has(code);

/** Whether the words are no more than the name of such a code, which two different things may have. */
export function namesNothing({ codes, text }: Pick<Fact, 'codes' | 'text'>): boolean {
  const said = bare(text);
  return NAMES.has(said) || codes.some(({ code, display }) => SAYS_NOTHING.has(code) && bare(display ?? '') === said); // prettier-ignore
}

/** Without the tag of the hierarchy that fully specified names end in. */
const bare = (name: string) => normalised(name).replace(/ \((?:disorder|finding|event|situation|product|substance)\)$/, ''); // prettier-ignore

/**
 * By code, what it is called. The first ones stand where a system could not translate its own:
 * https://digital.nhs.uk/developer/api-catalogue/gp-connect-access-record-structured-fhir; those of allergies without an allergen are
 * from https://build.fhir.org/ig/IHTSDO/snomed-ig/ValueSet-allergyintolerance-finding-code.html
 */
const SAYS_NOTHING: ReadonlyMap<string, readonly string[]> = new Map([
  ['196411000000103', ['transfer-degraded record entry']],
  ['196421000000109', ['transfer-degraded medication entry']],
  ['196431000000106', ['transfer-degraded referral']],
  ['196441000000102', ['transfer-degraded request']],
  ['196451000000104', ['transfer-degraded plan']],
  ['196461000000101', ['transfer-degraded drug allergy']],
  ['196471000000108', ['transfer-degraded non-drug allergy']],
  ['420134006', ['propensity to adverse reaction', 'propensity to adverse reactions']],
  ['418038007', ['propensity to adverse reactions to substance', 'propensity to adverse reaction to substance']],
  ['419511003', ['propensity to adverse reactions to drug', 'propensity to adverse reaction to drug']],
  ['418471000', ['propensity to adverse reactions to food', 'propensity to adverse reaction to food']],
  ['609328004', ['allergic disposition', 'allergy']],
  ['609433001', ['hypersensitivity disposition', 'hypersensitivity']],
  ['609396006', ['non-allergic hypersensitivity disposition']],
  ['419199007', ['allergy to substance']],
  ['416098002', ['allergy to drug', 'drug allergy']],
  ['414285001', ['allergy to food', 'food allergy']],
  ['426232007', ['environmental allergy']],
  ['782197009', ['intolerance to substance']],
  ['59037007', ['intolerance to drug', 'drug intolerance']],
  ['235719002', ['intolerance to food', 'food intolerance']],
  ['281647001', ['adverse reaction']],
  ['62014003', ['adverse reaction to drug', 'adverse reaction caused by drug', 'adverse drug reaction']],
  ['419076005', ['allergic reaction']],
  ['416093006', ['allergic reaction to drug', 'allergic reaction caused by drug']],
  ['418634005', ['allergic reaction to substance', 'allergic reaction caused by substance']],
  ['421961002', ['hypersensitivity reaction']],
  ['39579001', ['anaphylaxis']],
  ['105590001', ['substance']],
  ['410942007', ['drug or medicament', 'drug', 'medication', 'medicine']],
  ['373873005', ['pharmaceutical / biologic product']],
  ['763158003', ['medicinal product']],
  ['787859002', ['vaccine product', 'vaccine']],
  ['33879002', ['administration of vaccine to produce active immunity', 'vaccination', 'immunisation']],
  ['64572001', ['disease', 'disorder']],
  ['404684003', ['clinical finding']],
  ['55607006', ['problem']],
  ['363787002', ['observable entity']],
  ['71388002', ['procedure']],
  ['272379006', ['event']],
  ['261665006', ['unknown']],
  ['74964007', ['other']],
  ['138875005', ['snomed ct concept']],
]); // prettier-ignore

const NAMES = new Set([...SAYS_NOTHING.values()].flat());

/** Kinds of many things: who says no more means all of them, and is one with who says the same. */
const SAYS_LITTLE = new Set([
  '91934008', // Allergy to nut
  '91937001', // Allergy to seafood
  '300913006', // Allergy to shellfish
  '300910009', // Allergy to pollen
  '232347008', // Allergy to animal dander
  '717234006', // Allergy to animal
  '419474003', // Allergy to mould
  '390952000', // Allergy to dust
  '363346000', // Malignant neoplastic disease
  '55342001', // Neoplastic disease
  '40733004', // Disorder caused by infection
  '417746004', // Traumatic injury
  '125605004', // Fracture of bone
  '416462003', // Wound
  '22253000', // Pain
]);
