// `npm run build`: condenses the FHIR definitions into .cache/, once for each version of them and of the code that does it.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { node, root, runOrExit } from './workspace.mjs';

const builder = path.join(root, 'libs/fhir/src/build-definitions.ts');
const sources = [
  builder,
  path.join(root, 'libs/fhir/src/r4-corrections.ts'),
  path.join(root, 'package-lock.json'),
];
const stamp = path.join(root, '.cache/build-stamp');

/** Builds when the sources changed since the last build. Needs the dependencies; ends the process when it fails. */
export function build() {
  const hash = createHash('sha256');
  for (const source of sources) hash.update(readFileSync(source));
  const wanted = hash.digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  runOrExit(node, [builder]);
  mkdirSync(path.dirname(stamp), { recursive: true });
  writeFileSync(stamp, wanted);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) build();
