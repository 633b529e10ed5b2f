/** What is published is what was tested: packed as for a registry, installed elsewhere, used by plain Node. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

const PACKAGE = join(import.meta.dirname, '..');
const folder = mkdtempSync(join(tmpdir(), 'carelog-client-'));
const installed = join(folder, 'node_modules/@carelog/client');

beforeAll(() => {
  run('npm', ['pack', '--pack-destination', folder], PACKAGE);
  const [tarball] = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
  writeFileSync(join(folder, 'package.json'), '{ "name": "hospital", "private": true, "type": "module" }');
  run('npm', ['install', '--offline', '--no-audit', '--no-fund', join(folder, tarball!)], folder);
});
afterAll(() => rmSync(folder, { recursive: true }));

function run(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  expect(status, stdout + stderr).toBe(0);
  return stdout;
}

it('holds what is needed, and nothing else', () => {
  const { dependencies, exports } = JSON.parse(
    readFileSync(join(installed, 'package.json'), 'utf8'),
  ) as Record<string, Record<string, { types: string }>>;
  expect(dependencies).toBeUndefined();
  expect(exports!['.']!.types).toBe('./dist/index.d.ts');
  expect(readdirSync(installed).sort()).toEqual(['LICENSE', 'README.md', 'dist', 'package.json']);
  const built = readdirSync(join(installed, 'dist'));
  expect(built.filter((name) => !/^[a-z-]+(\.d\.ts|\.js)$/.test(name) || name.includes('spec'))).toEqual([]);
  for (const name of built) {
    const text = readFileSync(join(installed, 'dist', name), 'utf8');
    // Of browsers and Node alike, and of nobody else.
    const own = name.endsWith('.d.ts') ? /^\.\/[a-z-]+\.(js|ts)$/ : /^\.\/[a-z-]+\.js$/;
    const imported = [...text.matchAll(/(?:from|import\()\s*'([^']*)'/g)].map(([, from]) => from!);
    expect(imported.filter((from) => !own.test(from))).toEqual([]);
  }
});

it('has types that a stricter compiler than ours takes, for Node and for browsers', () => {
  const code = `import { createClient, CarelogError, type PublishResult } from '@carelog/client';
    const client = createClient({ url: 'http://localhost', token: () => 'x' });
    export const one: Promise<PublishResult> = client.publish({ source: 'urn:x', data: { resourceType: 'Basic', code: {} } as { resourceType: string } });
    export const several: Promise<readonly PublishResult[]> = client.publish([]);
    export const end = client.subscribe({ cursor: { load: () => undefined, save: async () => {} } }, (event) => void event.subject?.length);
    export const refused = (fault: unknown) => fault instanceof CarelogError && fault.problems[0]?.message;
    // @ts-expect-error An event has a source.
    void client.publish({ data: { resourceType: 'Basic' } });`;
  mkdirSync(join(folder, 'types'));
  writeFileSync(join(folder, 'types/use.ts'), code);
  const compilerOptions = { noEmit: true, strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, target: 'es2022', module: 'nodenext', skipLibCheck: false }; // prettier-ignore
  const tsc = join(PACKAGE, '../../node_modules/typescript/bin/tsc');
  const typeRoots = [join(PACKAGE, '../../node_modules/@types')];
  for (const [name, more] of Object.entries({
    browser: { lib: ['es2022', 'dom'], types: [] },
    node: { lib: ['es2022'], types: ['node'], typeRoots, skipLibCheck: true },
  })) {
    const config = { compilerOptions: { ...compilerOptions, ...more }, files: ['use.ts'] };
    writeFileSync(join(folder, 'types', `${name}.json`), JSON.stringify(config));
    run('node', [tsc, '-p', `types/${name}.json`], folder);
  }
});

it('publishes and subscribes from plain Node', async () => {
  const server = createServer((request, response) => {
    if (request.url === '/activities') {
      request.resume();
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"results":[{"index":0,"status":201,"location":"here"}]}'); // prettier-ignore
    } else {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('id: e-1\ndata: {"specversion":"1.0","id":"1","source":"s","type":"flag.raised"}\n\n');
    }
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  writeFileSync(
    join(folder, 'use.mjs'),
    `import { createClient } from '@carelog/client';
    const client = createClient({ url: '${url}', token: () => 'x' });
    const { kind, location } = await client.publish({ source: 'urn:x', data: { resourceType: 'Flag' } });
    const controller = new AbortController();
    const types = [];
    await client.subscribe({ cursor: { load: () => undefined, save: () => controller.abort() }, signal: controller.signal }, (event) => void types.push(event.type));
    console.log(JSON.stringify([kind, location, types]));`,
  );
  const child = spawn(process.execPath, ['use.mjs'], { cwd: folder });
  let said = '';
  child.stdout.on('data', (bytes: Buffer) => (said += bytes.toString()));
  child.stderr.on('data', (bytes: Buffer) => (said += bytes.toString()));
  await new Promise((resolve) => child.once('close', resolve));
  server.closeAllConnections();
  server.close();
  expect(said.trim()).toBe('["recorded","here",["flag.raised"]]');
});
