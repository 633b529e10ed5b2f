/** What is read out of the words that a thing is called by, where no code says it. */

/** Lower case, single blanks, no stop at the end: words that differ in nothing else are the same. */
export function normalised(text: string): string {
  return text.normalize('NFKC').toLowerCase().replace(/\s+/g, ' ').replace(/[\s.;,]+$/, '').trim(); // prettier-ignore
}

/** Which side of the body, where a name says so. */
export function sidesIn(name: string): string {
  return [...new Set(normalised(name).match(/\b(?:left|right|bilateral)\b/g))].toSorted().join(' ');
}

/** Every amount in a name, `0.5 g` as `500mg`: a code that says no strength must not hide one. */
export function strengthsIn(name: string): string {
  const found = normalised(name)
    .replaceAll(/(\d),(?=\d{3})/g, '$1')
    .matchAll(/(\d+(?:\.\d+)?)\s*(micrograms?|mcg|µg|μg|ug|nanograms?|ng|mg|g|ml|units?|mmol|%)(?![a-z])/g); // prettier-ignore
  return [...found]
    .map(([, amount, unit]) => {
      const [factor, base] = UNITS[unit!] ?? [1, unit!];
      return `${Number((Number(amount) * factor).toPrecision(9))} ${base}`;
    })
    .join('/');
}

const UNITS: Readonly<Record<string, readonly [factor: number, base: string]>> = {
  g: [1e9, 'ng'],
  mg: [1e6, 'ng'],
  microgram: [1e3, 'ng'],
  micrograms: [1e3, 'ng'],
  mcg: [1e3, 'ng'],
  ug: [1e3, 'ng'],
  μg: [1e3, 'ng'],
  nanogram: [1, 'ng'],
  nanograms: [1, 'ng'],
  unit: [1, 'units'],
};

/** The form and how it lets go of the drug, where a name says so: by the first letters of the words of dm+d. */
export function formsIn(name: string): string {
  const words = normalised(name).replaceAll(
    /\b(?:m\/r|mr|xl|sr|prolonged[- ]release)\b/g,
    'modified-release',
  );
  return FORMS.filter((it) => words.includes(it)).join(' ');
}

const FORMS = [
  'capsule', 'cream', 'drop', 'gel', 'inhaler', 'injection', 'infusion', 'lotion', 'nebuli', 'ointment', 'patch', 'pessar',
  'powder', 'spray', 'solution', 'suppositor', 'suspension', 'tablet', 'modified-release', 'gastro-resistant',
  'dispersible', 'effervescent',
]; // prettier-ignore
