/** Helm itself, lint and template, as a library on a Java runtime: no binary to fetch, no cluster to ask. */
import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';

const run = promisify(execFile);
const infra = path.resolve(import.meta.dirname, '../../infra/helm');
const cache = path.resolve(import.meta.dirname, '../../.cache');

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly spec?: unknown;
}

export interface Rendered {
  /** What Helm's lint says, warnings count as failures. */
  readonly lint: { readonly failed: boolean; readonly messages: string };
  /** By the name of the values. */
  readonly manifests: ReadonlyMap<string, readonly Manifest[]>;
  /** By the name of the values: why Helm refused them. */
  readonly refusals: ReadonlyMap<string, string>;
}

/** What is missing to run Helm here, with the remedy; undefined where nothing is. */
export async function helmIsMissing(): Promise<string | undefined> {
  const programs = [
    ['java', 'default-jre-headless'],
    ['mvn', 'maven'],
  ] as const;
  for (const [program, debian] of programs) {
    const there = await run('sh', ['-c', 'command -v "$0"', program]).then(
      () => true,
      () => false,
    );
    if (!there) return `${program} is missing; on Debian: apt-get install ${debian}`;
  }
  return undefined;
}

/** Lints the chart and fills it in with each of these values (YAML, by name). */
export async function renderChart(
  chart: string,
  values: Readonly<Record<string, string>>,
): Promise<Rendered> {
  const jars = await fetchJars();
  const work = mkdtempSync(path.join(tmpdir(), 'carelog-helm-'));
  try {
    for (const [name, text] of Object.entries(values))
      writeFileSync(path.join(work, `${name}.values.yaml`), text);
    const settings = [`-Dchart=${chart}`, `-Dwork=${work}`];
    const script = path.join(infra, 'render.bsh');
    const failed = await run('java', [...settings, '-cp', `${jars}/*`, 'bsh.Interpreter', script]).then(
      () => false,
      (fault: { code?: unknown; stderr?: string }) => {
        if (fault.code === 1) return true;
        throw new Error(`Helm could not be run: ${fault.stderr ?? ''}`);
      },
    );
    const texts = readdirSync(work).map(
      (file) => [file, readFileSync(path.join(work, file), 'utf8')] as const,
    );
    const ending = (suffix: string) =>
      texts.filter(([file]) => file.endsWith(suffix) && !file.endsWith('.values.yaml'));
    return {
      lint: { failed, messages: texts.find(([file]) => file === 'lint.txt')?.[1] ?? '' },
      manifests: new Map(ending('.yaml').map(([file, text]) => [file.slice(0, -5), documentsOf(text)])),
      refusals: new Map(ending('.error').map(([file, text]) => [file.slice(0, -6), text])),
    };
  } finally {
    rmSync(work, { recursive: true });
  }
}

function documentsOf(text: string): Manifest[] {
  const documents = parseAllDocuments(text, { uniqueKeys: true });
  const errors = documents.flatMap((document) => document.errors);
  if (errors.length > 0) throw new Error(`What Helm filled in is not YAML: ${errors[0]!.message}`);
  return documents.map((document) => document.toJS() as Manifest | null).filter((it) => it !== null);
}

/** Once: about 30 MB. */
async function fetchJars(): Promise<string> {
  const version = /<artifactId>helm-java<\/artifactId>\s*<version>([^<]+)/.exec(
    readFileSync(path.join(infra, 'pom.xml'), 'utf8'),
  )?.[1];
  const jars = path.join(cache, `helm-${version}`);
  if (existsSync(jars)) return jars;
  const draft = `${jars}.${process.pid}`;
  const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${draft}`];
  await run('mvn', ['--batch-mode', '--quiet', '--file', path.join(infra, 'pom.xml'), ...goal]);
  renameSync(draft, jars);
  return jars;
}
