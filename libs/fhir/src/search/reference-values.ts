/** The values of reference parameters. https://hl7.org/fhir/R4/search.html#reference */
import { isResourceType } from '../definitions.ts';
import { unescape } from './escapes.ts';
import type { ReferenceValue } from './query.ts';
import type { SearchParameter } from './search-parameters.ts';
import type { ValueReader } from './token-values.ts';

/**
 * How a reference parameter reads its values; `type` where a modifier names one (`subject:Patient`). URLs that begin with
 * `base` are to resources of this server.
 */
export function referenceReader(
  { code, targets = [] }: SearchParameter,
  type: string | undefined,
  base: string,
): ValueReader<ReferenceValue> {
  const own = `${base}/`;
  const types = type === undefined ? targets : [type];
  const read = (text: string) => {
    const value = unescape(text);
    const local = value.startsWith(own) ? value.slice(own.length) : value;
    const named = LOCAL.exec(local)?.[1];
    if (named !== undefined && isResourceType(named))
      return type === undefined || type === named ? [{ target: local }] : undefined;
    // An id alone may be that of any type which the parameter can point at.
    if (ID.test(local)) return types.map((it) => ({ target: `${it}/${local}` }));
    return type === undefined && ABSOLUTE.test(local) ? [{ target: local }] : undefined;
  };
  const form =
    type === undefined
      ? `${code} must be an id, Type/id or an absolute URL; /_history/ and a version may end it.`
      : `${code}:${type} must be an id or ${type}/id.`;
  return { read, form };
}

const ID = /^[A-Za-z0-9.-]{1,64}$/;
const LOCAL = /^([A-Z][A-Za-z]+)\/[A-Za-z0-9.-]{1,64}(?:\/_history\/[A-Za-z0-9.-]{1,64})?$/;
const ABSOLUTE = /^[A-Za-z][A-Za-z0-9+.-]*:\S+$/;
