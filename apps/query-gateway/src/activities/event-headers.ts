/**
 * Attributes of an event that was sent in binary mode, from `ce-` headers.
 * https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md#3132-http-header-values
 */
import type { Problem } from '@carelog/fhir';

export interface HeaderAttributes {
  readonly values: Readonly<Record<string, string>>;
  readonly problems: readonly Problem[];
}

/** `Content-Type` is `datacontenttype`. */
export function attributesOfHeaders(headers: Readonly<Record<string, string | undefined>>): HeaderAttributes {
  const values: Record<string, string> = Object.create(null) as Record<string, string>;
  const problems: Problem[] = [];
  for (const [name, sent] of Object.entries(headers)) {
    if (name === 'ce-datacontenttype') problems.push(TYPE_TWICE);
    if (!name.startsWith('ce-') || sent === undefined) continue;
    const value = decoded(sent);
    if (value === undefined)
      problems.push({ ...NOT_DECODED, ...(isName(name) && { expression: name.slice(3) }) });
    else values[name.slice(3)] = value;
  }
  const { 'content-type': type } = headers;
  if (type !== undefined) values['datacontenttype'] = type;
  return { values, problems };
}

const isName = (header: string): boolean => /^ce-[a-z0-9]{1,64}$/.test(header);

/** Quotes are taken off, then percent-encoding once; undefined where that gives no text. */
function decoded(sent: string): string | undefined {
  const isQuoted = sent.length > 1 && sent.startsWith('"') && sent.endsWith('"');
  const text = isQuoted ? sent.slice(1, -1).replaceAll(/\\(.)/g, '$1') : sent;
  // Node gives each byte of a header as one character; those who send UTF-8 as it is mean UTF-8.
  const bytes: number[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const hex = text[at] === '%' ? text.slice(at + 1, at + 3) : '';
    if (!/^[0-9a-fA-F]{2}$/.test(hex)) bytes.push(text.charCodeAt(at));
    else {
      bytes.push(Number.parseInt(hex, 16));
      at += 2;
    }
  }
  try {
    return strict.decode(Uint8Array.from(bytes));
  } catch {
    return undefined;
  }
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const NOT_DECODED: Problem = {
  category: 'incorrect',
  code: 'value',
  message:
    'This header is not UTF-8 once it is percent-decoded. Encode it as the HTTP binding of CloudEvents says.',
};

const TYPE_TWICE: Problem = {
  category: 'incorrect',
  code: 'duplicate',
  message: 'The type of the data is said by Content-Type. Leave the header ce-datacontenttype out.',
  expression: 'datacontenttype',
};
