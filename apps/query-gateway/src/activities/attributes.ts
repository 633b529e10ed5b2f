/** The rules for attributes of an event. https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#context-attributes */
import { looksLikeNhsNumber, type Problem } from '@carelog/fhir';

export type Attributes = Readonly<Record<string, unknown>>;

/** Of any attribute. */
export const LENGTH_MAX = 1_024;
const ID_LENGTH_MAX = 256;
const EXTENSIONS_MAX = 50;

/** An attribute that is text; undefined otherwise. */
export function textOf(attributes: Attributes, name: string): string | undefined {
  const value = attributes[name];
  return typeof value === 'string' ? value : undefined;
}

/** Everything that is wrong with them, each problem with the name of its attribute. */
export function attributeProblems(attributes: Attributes): readonly Problem[] {
  const problems: Problem[] = [];
  const refuse = (
    name: string,
    message: string,
    code = 'value',
    category: Problem['category'] = 'incorrect',
  ) => problems.push({ category, code, message, expression: name });
  for (const name of REQUIRED) {
    if (isAbsent(attributes[name])) refuse(name, `The event has no ${name}. ${REMEDIES[name]}`, 'required');
  }
  const extensions: string[] = [];
  for (const [name, value] of Object.entries(attributes)) {
    if (isAbsent(value)) continue;
    if (Object.hasOwn(RULES, name)) {
      const rule = name as keyof typeof RULES;
      if (typeof value !== 'string' || !RULES[rule](value))
        refuse(name, `This is no ${name}. ${REMEDIES[rule]}`);
    } else extensions.push(name);
  }
  if (carriesNhsNumber(attributes['subject']))
    refuse('subject', NUMBER_IN_SUBJECT, 'business-rule', 'rejected');
  if (extensions.length > EXTENSIONS_MAX) refuse('', TOO_MANY_EXTENSIONS, 'too-costly');
  else for (const name of extensions) problems.push(...extensionProblems(name, attributes[name]));
  return problems;
}

/** In JSON an attribute that is null is one that is not set. */
const isAbsent = (value: unknown): boolean => value === undefined || value === null;

const REQUIRED = ['specversion', 'id', 'source', 'type'] as const;

const isText = (text: string, most: number): boolean =>
  text.length > 0 && text.length <= most && !CONTROL.test(text);
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#type-system: what a String must not hold.
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

const RULES = {
  specversion: (text: string) => text === '1.0',
  id: (text: string) => isText(text, ID_LENGTH_MAX),
  source: (text: string) => isUriReference(text),
  type: (text: string) => isText(text, ID_LENGTH_MAX),
  time: isTimestamp,
  datacontenttype: (text: string) => /^application\/(fhir\+)?json\s*(;|$)/i.test(text),
  dataschema: (text: string) => /^[A-Za-z][A-Za-z0-9+.-]*:/.test(text) && isUriReference(text),
  subject: (text: string) => isText(text, LENGTH_MAX),
} as const;

const REMEDIES: Readonly<Record<keyof typeof RULES, string>> = {
  specversion: 'Send "1.0".',
  id: `Send 1 to ${ID_LENGTH_MAX} characters, for example a UUID, that no other event of this source has.`,
  source: `Send a URI or URI-reference of at most ${LENGTH_MAX} characters that names the system it comes from.`,
  type: 'Send the activity that the data is, for example encounter.started, its national name, or activity.published.',
  time: 'Send a time as RFC 3339 writes it, for example 2026-01-31T10:00:00Z, or leave it out.',
  datacontenttype: 'Only JSON is taken: send application/fhir+json or application/json, or leave it out.',
  dataschema: 'Send an absolute URI, or leave it out.',
  subject: `Send 1 to ${LENGTH_MAX} characters, for example Patient/ and the id, or leave it out.`,
};

// https://www.rfc-editor.org/rfc/rfc3986#appendix-A, as far as characters go.
function isUriReference(text: string): boolean {
  if (text.length === 0 || text.length > LENGTH_MAX) return false;
  if (!/^[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=%]+$/.test(text)) return false;
  return text.indexOf('#') === text.lastIndexOf('#') && !/%(?![0-9A-Fa-f]{2})/.test(text);
}

// https://www.rfc-editor.org/rfc/rfc3339#section-5.6; a second may be a leap second.
function isTimestamp(text: string): boolean {
  const match = TIMESTAMP.exec(text);
  if (match === null) return false;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [number, number, number, number, number, number]; // prettier-ignore
  const [offsetHour, offsetMinute] = [Number(match[7] ?? 0), Number(match[8] ?? 0)];
  const isDay = month >= 1 && month <= 12 && day >= 1 && day <= new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate(); // prettier-ignore
  return isDay && hour < 24 && minute < 60 && second <= 60 && offsetHour < 24 && offsetMinute < 60;
}
const TIMESTAMP = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.\d{1,12})?(?:[Zz]|[+-](\d\d):(\d\d))$/;

/** `Patient/…`, `system|…` and the bare number. */
function carriesNhsNumber(subject: unknown): boolean {
  if (typeof subject !== 'string' || subject.length > LENGTH_MAX) return false;
  return subject.split(/[/|:?=&]/).some(looksLikeNhsNumber);
}
const NUMBER_IN_SUBJECT =
  'The subject has the shape of an NHS number, which must not travel in attributes: they are written to logs on the way. Send Patient/ and the id, or leave it out; the data says whom it is about.';

// Of a name: the specification asks for 20 characters at most, and has others taken all the same.
const EXTENSION_NAME = /^[a-z0-9]{1,64}$/;
const TOO_MANY_EXTENSIONS = `The event has more than ${EXTENSIONS_MAX} extension attributes. Send those that are needed.`;

function extensionProblems(name: string, value: unknown): readonly Problem[] {
  const isNamed = EXTENSION_NAME.test(name);
  // A name that is none may be anything, and is not repeated.
  const place = isNamed ? { expression: name } : {};
  const wrong = (message: string): Problem => ({ category: 'incorrect', code: 'value', message, ...place });
  const isValue =
    typeof value === 'boolean' ||
    (typeof value === 'number' && Number.isInteger(value) && Math.abs(value) <= 0x7fffffff) ||
    (typeof value === 'string' && value.length <= LENGTH_MAX && !CONTROL.test(value));
  return [
    ...(isNamed ? [] : [wrong('An extension attribute has another name than lower-case letters and digits. Rename it or leave it out.')]), // prettier-ignore
    ...(isValue ? [] : [wrong(`An extension attribute is text of at most ${LENGTH_MAX} characters, a 32-bit integer or a boolean. Send it so, or as part of the data.`)]), // prettier-ignore
  ];
}
