/**
 * The primitive types of R4: which JSON value each takes, its pattern, its range, and dates that exist.
 * https://hl7.org/fhir/R4/datatypes.html#primitive
 */

/** Says what the value should be, as the end of a sentence; undefined when it is right. */
export type PrimitiveCheck = (value: unknown) => string | undefined;

export const primitiveChecks: Readonly<Record<string, PrimitiveCheck>> = {
  boolean: (value) => (typeof value === 'boolean' ? undefined : '`true` or `false`, without quotes'),
  integer: integer(-2147483648, 'a whole number from -2147483648 to 2147483647'),
  unsignedInt: integer(0, 'a whole number from 0 to 2147483647'),
  positiveInt: integer(1, 'a whole number from 1 to 2147483647'),
  decimal: (value) =>
    typeof value === 'number' && Number.isFinite(value)
      ? undefined
      : 'a number, without quotes and within range',
  string: text(
    isText,
    'a string that is not empty, of at most 1,048,576 characters, without control characters',
  ),
  markdown: text(
    isText,
    'a string that is not empty, of at most 1,048,576 characters, without control characters',
  ),
  code: text(
    (it) => /^[^\s]+( [^\s]+)*$/.test(it),
    'a code: no blanks at either end, only single blanks inside',
  ),
  id: text((it) => /^[A-Za-z0-9\-.]{1,64}$/.test(it), 'an id: 1 to 64 of the characters A-Z a-z 0-9 - .'),
  'element-id': text((it) => it !== '' && !/\s/.test(it), 'a string without blanks'),
  uri: text(isUri, 'a URI: not empty, without blanks'),
  url: text(isUri, 'a URL: not empty, without blanks'),
  canonical: text(isUri, 'a canonical URL: not empty, without blanks'),
  oid: text((it) => /^urn:oid:[0-2](\.(0|[1-9][0-9]*))+$/.test(it), 'an OID such as `urn:oid:1.2.3`'),
  uuid: text((it) => UUID.test(it), 'a UUID in lower case after `urn:uuid:`'),
  date: text(isDate, 'a date that exists, as `2024`, `2024-05` or `2024-05-31`'),
  dateTime: text(
    isDateTime,
    'a date that exists, and if it has a time, seconds and an offset: `2024-05-31T09:30:00+01:00`',
  ),
  instant: text(isInstant, 'a full date and time with seconds and an offset: `2024-05-31T09:30:00+01:00`'),
  time: text((it) => TIME.test(it), 'a time with seconds and no offset, as `09:30:00`'),
  base64Binary: text(isBase64, 'base64, not empty and padded to a multiple of four characters'),
};

const UUID = /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const TIME = /^([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?$/;
const DATE = /^(?!0000)[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?$/;
const DATE_TIME =
  /^(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))$/;
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/;
const DAY_LENGTH = '2024-05-31'.length;

function text(holds: (value: string) => boolean, should: string): PrimitiveCheck {
  return (value) => (typeof value === 'string' && holds(value) ? undefined : should);
}

function integer(min: number, should: string): PrimitiveCheck {
  return (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= min && value <= 2147483647
      ? undefined
      : should;
}

function isText(value: string): boolean {
  // For most strings a loop costs a third of a regular expression.
  if (value.length > 100) return value.length <= 1048576 && !CONTROL.test(value);
  for (let i = 0; i < value.length; i++) {
    const char = value.charCodeAt(i);
    if (char < 0x20 && char !== 0x09 && char !== 0x0a && char !== 0x0d) return false;
  }
  return value !== '';
}

function isUri(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const char = value.charCodeAt(i);
    if (char <= 0x20) return false;
    if (char >= 0x7f) return !/\s/.test(value);
  }
  return value !== '';
}

function isDate(value: string): boolean {
  return DATE.test(value) && dayExists(value);
}

function isDateTime(value: string): boolean {
  return value.length > DAY_LENGTH ? isInstant(value) : isDate(value);
}

function isInstant(value: string): boolean {
  return DATE_TIME.test(value) && dayExists(value);
}

function dayExists(date: string): boolean {
  // Only the last days of a month can be missing.
  if (date.length < DAY_LENGTH || date.charCodeAt(8) < 0x32) return true;
  const day = Number(date.slice(8, DAY_LENGTH));
  if (day <= 28) return true;
  const month = Number(date.slice(5, 7));
  if (month !== 2) return day <= 30 || ![4, 6, 9, 11].includes(month);
  const year = Number(date.slice(0, 4));
  return day === 29 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

function isBase64(value: string): boolean {
  // Searching for what is wrong takes constant memory; matching all of a large attachment would not.
  const dense = /\s/.test(value) ? value.replaceAll(/\s+/g, '') : value;
  if (dense === '' || dense.length % 4 !== 0) return false;
  const end = dense.endsWith('==') ? dense.length - 2 : dense.endsWith('=') ? dense.length - 1 : dense.length;
  const wrong = dense.search(/[^0-9A-Za-z+/]/);
  return wrong === -1 || wrong === end;
}
