/**
 * Under which search parameters index rows are kept. A parameter that reads what others read together (`combo-code` reads
 * what `code` and `component-code` read) has no rows of its own: a search by it asks for theirs.
 */
import { searchParametersOf, subjectParametersOf, type SearchParameter } from '@carelog/fhir';

/** The codes under which values of this parameter are found; its own code alone for most. */
export function storedUnder(type: string, code: string): readonly string[] {
  return storageOf(type).get(code) ?? [code];
}

/** Whether rows are kept under this parameter's own code. */
export function isStored(type: string, code: string): boolean {
  return storageOf(type).get(code) === undefined;
}

/** Whether lists about one patient are asked for by this token parameter, so that its rows are kept by patient too. */
export const isByPatient = (code: string): boolean => BY_PATIENT.has(code);

const BY_PATIENT = new Set(['code', 'category', 'type', 'class', 'vaccine-code']);

type Storage = ReadonlyMap<string, readonly string[]>;
const storages = new Map<string, Storage>();

function storageOf(type: string): Storage {
  let storage = storages.get(type);
  if (storage === undefined) storages.set(type, (storage = storageFor(type)));
  return storage;
}

function storageFor(type: string): Storage {
  const subjects = subjectParametersOf(type);
  const parameters = searchParametersOf(type)
    .filter((it) => it.expression !== undefined && !subjects.includes(it.code))
    .map((it) => ({ code: it.code, type: it.type, paths: pathsOf(type, it) }))
    .filter((it) => it.paths.size > 0)
    .sort((a, b) => a.paths.size - b.paths.size);
  const storage = new Map<string, readonly string[]>();
  for (const [index, { code, type: kind, paths }] of parameters.entries()) {
    const parts = parameters
      .slice(0, index)
      .filter((it) => it.type === kind && !storage.has(it.code) && it.paths.isSubsetOf(paths));
    const covered = new Set(parts.flatMap((it) => [...it.paths]));
    if (paths.isSubsetOf(covered))
      storage.set(
        code,
        parts.map((it) => it.code),
      );
  }
  return storage;
}

/** The alternatives of the parameter's expression that concern this type, as written. */
function pathsOf(type: string, { expression = '', targets }: SearchParameter): Set<string> {
  const own = new RegExp(String.raw`^\(*(?:${type}\b|[a-z])`);
  const paths = expression.split('|').map((path) => path.trim()).filter((path) => own.test(path)); // prettier-ignore
  // Where a whole resource is read, only those of the target types are: `composition` and `message` of a Bundle differ.
  return new Set(paths.map((path) => (path.endsWith('.resource') ? `${path} ${targets?.join()}` : path)));
}
