/**
 * Facts without anybody in them: what indicators compare and count, with pseudonyms in place of everything by which a person or
 * an entry of their record could be looked up. Equal things stay equal, so that the rules of the care settings hold on them.
 */
import { createCipheriv, createDecipheriv, createHash } from 'node:crypto';
import type { Code, Fact } from '../care-settings/fact.ts';
import type { Told } from '../care-settings/care-settings-projection.ts';
import { doseOf } from '../care-settings/medicines.ts';
import { isTooBroad, namesNothing } from '../care-settings/broad-codes.ts';
import { formsIn, normalised, strengthsIn } from '../care-settings/names.ts';

/** A digest under a key of the installation, the same for the same kind and value, that nobody without the key can make. */
export type Digest = (kind: string, value: string) => string;

export interface Pseudonyms {
  /** For `Type/id`; keeps the type. */
  of(reference: string): string;
  /** For words that only have to stay equal. */
  forWords(words: string): string;
  /** Where a person's history lies, so that only who has the key can find it; the same for the same. */
  seal(partition: string): string;
  unseal(sealed: string): string;
}

const LENGTH = 22;
const REMEMBERED_MAX = 20_000;

/** All of them change with the key: one installation's pseudonyms say nothing to another. */
export function pseudonymsBy(digest: Digest): Pseudonyms {
  const known = new Map<string, string>();
  const key = createHash('sha256').update(digest('population', 'where histories lie')).digest();
  const nonceOf = (partition: string) =>
    Buffer.from(digest('population nonce', partition), 'base64url').subarray(0, 12);
  return {
    of(reference) {
      const before = known.get(reference);
      if (before !== undefined) return before;
      const type = /^[A-Za-z]+(?=\/)/.exec(reference)?.[0] ?? 'Other';
      const pseudonym = `${type}/${digest('population', reference).slice(0, LENGTH)}`;
      if (known.size >= REMEMBERED_MAX) known.clear();
      known.set(reference, pseudonym);
      return pseudonym;
    },
    // Letters that no rule takes for a number or a unit.
    forWords: (words) => [...Buffer.from(digest('population words', words), 'base64url').subarray(0, 12)].map((it) => String.fromCharCode(97 + (it >> 4), 97 + (it & 15))).join(''), // prettier-ignore
    seal(partition) {
      const nonce = nonceOf(partition);
      const cipher = createCipheriv('aes-256-gcm', key, nonce);
      const sealed = [nonce, cipher.update(partition, 'utf8'), cipher.final(), cipher.getAuthTag()];
      return Buffer.concat(sealed).toString('base64url');
    },
    unseal(sealed) {
      const bytes = Buffer.from(sealed, 'base64url');
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12));
      decipher.setAuthTag(bytes.subarray(-16));
      return decipher.update(bytes.subarray(12, -16), undefined, 'utf8') + decipher.final('utf8');
    },
  };
}

/** Whether the event tells of somebody something that is kept. */
export const isForCounting = (
  { fact, beyondCare, patients }: Told,
  isKept: (fact: Fact) => boolean,
): boolean =>
  patients.length > 0 &&
  fact !== undefined &&
  beyondCare?.isLeftOut === false &&
  (fact.kind !== 'consent' || beyondCare.optedOutUntil !== undefined) &&
  isKept(fact);

/** The same event, of which the population may keep all. Without a fact it stands for what is gone, or is not for counting. */
export function pseudonymised(told: Told, isKept: (fact: Fact) => boolean, pseudonyms: Pseudonyms): Told {
  const { source, fact, beyondCare, patients, mark } = told;
  const kept = isForCounting(told, isKept) ? factOf(fact!, beyondCare!, pseudonyms) : undefined;
  // By its id or position the event could be found in the log.
  const { organisation, careSetting, occurredAt } = source;
  const bare = { position: 0, organisation, system: '', careSetting, occurredAt, recordedAt: '' };
  return {
    ...told,
    mark: mark && { ...mark, of: pseudonyms.forWords(mark.of) },
    stream: pseudonyms.of(told.stream),
    patients: kept === undefined ? [] : patients.map((it) => pseudonyms.of(it)),
    fact: kept,
    json: kept && JSON.stringify({ fact: kept, source: bare }),
    source: { ...bare, event: '' },
  };
}

function factOf(
  fact: Fact,
  { person, optedOutUntil }: NonNullable<Told['beyondCare']>,
  pseudonyms: Pseudonyms,
): Fact {
  const { kind, type, codes, text, status, from, to, over, statusSince, issued, categories, refs, identifiers, parts, grade, note, reason } = fact; // prettier-ignore
  if (kind === 'consent') return optOut(optedOutUntil!);
  const isMedicine = kind === 'medicine' || kind === 'dispensing';
  const isPerson = kind === 'person';
  const began = isPerson ? person?.bornIn : from;
  const coded = codes.map((it) => codeOf(it, pseudonyms));
  const practices = person?.practice === undefined ? {} : { practice: [person.practice] };
  const { practice: _, organisation: __, ...others } = refs;
  const sex = isPerson ? person?.sex : codeLike(grade);
  const dose = doseOf({ fact });
  const said = isMedicine
    ? note === undefined
      ? undefined
      : pseudonyms.forWords(dose)
    : kind === 'referral'
      ? codeLike(note)
      : undefined;
  const marks = isMedicine ? parts?.map((it) => ({ codes: it.codes.map((one) => codeOf(one, pseudonyms)), text: '' })) : undefined; // prettier-ignore
  return {
    kind,
    type,
    codes: coded,
    text: isMedicine
      ? medicineName(text, !namesNothing(fact) && codes.every(({ code }) => isTooBroad(code)), pseudonyms)
      : '',
    status: codeLike(status) ?? 'unknown',
    ...(began !== undefined && { from: began }),
    ...(to !== undefined && { to: isPerson ? to.slice(0, 10) : to }),
    ...(over !== undefined && { over: 'stated' }),
    ...(statusSince !== undefined && { statusSince }),
    ...(issued !== undefined && { issued }),
    categories: categories.map((it) => codeOf(it, pseudonyms)),
    refs: isPerson ? { ...refsOf(person?.isHidden ? others : refs, pseudonyms), ...practices } : refsOf(refs, pseudonyms), // prettier-ignore
    identifiers: identifiers.map((it) => pseudonyms.forWords(it)),
    ...(marks !== undefined && marks.length > 0 && { parts: marks }),
    ...(sex !== undefined && { grade: sex }),
    ...(said !== undefined && { note: said }),
    ...(reason !== undefined && { reason: 'stated' }),
  };
}

const optOut = (until: number): Fact => ({
  kind: 'consent',
  type: 'Consent',
  codes: [],
  text: '',
  status: 'opted-out',
  ...(Number.isFinite(until) && { to: new Date(until).toISOString() }),
  categories: [],
  refs: {},
  identifiers: [],
});

/** What a name says of strength and form is no name; the rest only has to stay equal where it is known by its words. */
function medicineName(name: string, isByWords: boolean, pseudonyms: Pseudonyms): string {
  const told = [isByWords ? pseudonyms.forWords(normalised(name)) : '', strengthsIn(name).replaceAll('/', ' '), formsIn(name)]; // prettier-ignore
  return told.filter((it) => it !== '').join(' ');
}

/** Words of FHIR or of a code list, which a person's name could stand in the place of. */
const codeLike = (code: string | undefined) =>
  code !== undefined && /^(?:[A-Z]{1,10}|[a-z]+(?:-[a-z]+)*)$/.test(code) ? code : undefined;

/** Terminologies that many share, whose codes name nobody. */
const SHARED = /^(?:http:\/\/(?:snomed\.info\/sct|loinc\.org|hl7\.org\/|terminology\.hl7\.org\/)|https:\/\/(?:dmd\.nhs\.uk$|fhir\.hl7\.org\.uk\/|fhir\.nhs\.uk\/|fhir\.carelog\.example\/))/; // prettier-ignore
/** What looks like an NHS number only stays equal. */
const CODE = /^(?!\d{10}$)[A-Za-z0-9.-]{1,24}$/;

function codeOf({ system, code }: Code, pseudonyms: Pseudonyms): Code {
  const isShared = system === undefined ? PLAIN.has(code) : SHARED.test(system) && CODE.test(code);
  return { ...(system !== undefined && isShared && { system }), code: isShared ? code : pseudonyms.forWords(`${system ?? ''}|${code}`) }; // prettier-ignore
}
/** Without a system only what rules look for. */
const PLAIN: ReadonlySet<string> = new Set([
  'laboratory',
  'imaging',
  'discharge',
  'inpatient',
  'outpatient',
  'community',
]);

/** Organisations are no persons: by them it is counted. */
const ORGANISATION = /^Organization\/[A-Za-z0-9.-]{1,64}$/;

const refsOf = (refs: Fact['refs'], pseudonyms: Pseudonyms): Fact['refs'] =>
  Object.fromEntries(Object.entries(refs).map(([name, to]) => [name, to.map((it) => (ORGANISATION.test(it) ? it : pseudonyms.of(it)))])); // prettier-ignore
