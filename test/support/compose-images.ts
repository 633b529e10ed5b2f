/**
 * The images that infra/compose is brought up from: ours, and stand-ins of the public ones where none can be pulled. They take
 * minutes, most of which is waiting for disk and network, so `npm test` has this file make them beside its first stages:
 * `node test/support/compose-images.ts <file for the outcome>`.
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

/** Names the file with the outcome, where somebody makes them already. */
export const IMAGES_OUTCOME = 'CARELOG_SPEC_IMAGES';
export const OUR_IMAGE = 'carelog-spec';

/** Settings of compose for what stands in for public images. */
type StandIns = Readonly<Record<string, string>>;
type Outcome = { readonly images: StandIns } | { readonly fault: string };

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, '../..');
const LOOK_MS = 250;

/** Makes them, or waits for who does. Rejects with what a program said that failed. */
export async function composeImages(): Promise<StandIns> {
  const file = process.env[IMAGES_OUTCOME];
  if (file === undefined) return makeImages();
  while (!existsSync(file)) await delay(LOOK_MS);
  const outcome = JSON.parse(readFileSync(file, 'utf8')) as Outcome;
  if ('fault' in outcome) throw new Error(outcome.fault);
  return outcome.images;
}

async function makeImages(): Promise<StandIns> {
  const isOffline = await run('docker', ['pull', '--quiet', 'node:26.10.0-bookworm-slim']).then(() => false, () => true); // prettier-ignore
  if (isOffline) await must('bash', 'infra/images/make-bases.sh');
  const base = isOffline ? ['--build-arg', 'BASE=carelog-base/node'] : [];
  await must('docker', 'build', ...base, '-t', OUR_IMAGE, '-f', 'infra/images/Dockerfile', '.');
  return isOffline ? { POSTGRES_IMAGE: 'carelog-base/postgres', KAFKA_IMAGE: 'carelog-base/kafka' } : {};
}

/** Runs it in the root of the repository. */
async function must(program: string, ...args: readonly string[]): Promise<void> {
  const env = { ...process.env, DOCKER_BUILDKIT: '0' };
  try {
    await run(program, [...args], { cwd: root, env, maxBuffer: 64 * 1024 * 1024 });
  } catch (cause) {
    const { stderr = '', stdout = '' } = cause as { stderr?: string; stdout?: string };
    throw new Error(`${program} ${args.join(' ')} failed: ${stderr.slice(-2_000)}${stdout.slice(-2_000)}`, { cause }); // prettier-ignore
  }
}

const [, program = '', file] = process.argv;
if (import.meta.filename === program && file !== undefined) {
  const outcome = await makeImages().then((images) => ({ images }), (fault: unknown) => ({ fault: String(fault) })); // prettier-ignore
  writeFileSync(`${file}.new`, JSON.stringify(outcome));
  renameSync(`${file}.new`, file);
}
