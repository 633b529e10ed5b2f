/** What people do at a terminal: every command as a process of its own, against a server as a process of its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, renameSync, writeFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as wait } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { openSqliteSubscriptionStore } from '@carelog/subscriptions';
import { aPatient, anObservation, temporaryFolder } from '@carelog/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { keepOne } from '../../libs/subscriptions/src/some-subscription.ts';
import { startServer, type ServerProcess } from '../support/server-process.ts';

const CARELOG = fileURLToPath(new URL('../../apps/carelog/bin/carelog.mjs', import.meta.url));
const folder = temporaryFolder();
const data = path.join(folder, 'data');

let server: ServerProcess;
beforeAll(async () => {
  server = await startServer(data);
});
afterAll(() => server.end());

describe('asked wrongly, it says how to ask, with exit code 2', () => {
  test.each([
    ['no such command', ['improt', 'x'], 'Did you mean import'],
    ['no file to import', ['import'], "missing required argument 'files or folders'"],
    [
      'a file that is not there',
      ['import', 'no-such-file.json'],
      'There is no such file or folder: no-such-file.json',
    ],
    ['a folder with nothing in it', ['import', '<empty>'], 'nothing to import'],
    ['a number that is none', ['demo', '--patients', 'many'], 'Give a whole number from 1'],
    ['no such persona', ['token', 'plumber'], 'community-nurse'],
    ['no such projection', ['rebuild', 'weather'], 'record'],
    ['a care setting by itself', ['rebuild', 'acute'], 'rebuild care-settings'],
    ['an address that is none', ['status', '--url', 'record'], 'http or https address'],
    ['keys beside the log', ['backup', 'b', '--keys', 'b/keys'], 'Name another folder'],
  ])('%s', async (_, args, message) => {
    mkdirSync(path.join(folder, 'empty'), { recursive: true });
    const { code, stderr } = await carelog(
      args.map((arg) => arg.replace('<empty>', path.join(folder, 'empty'))),
    );
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });

  test('without a server it says so, with exit code 1', async () => {
    const { code, stderr } = await carelog(['import', write('lonely.json', aPatient())], { PORT: '1' });
    expect(stderr).toContain('No Carelog server answers');
    expect(code).toBe(1);
  });
});

test('token prints the token and nothing else', async () => {
  const { code, stdout } = await carelog(['token', 'gp']);
  expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  expect(code).toBe(0);
});

test('a command uses the token it is given, and no secret of the data folder', async () => {
  const elsewhere = { CARELOG_DATA: path.join(folder, 'no-secrets-here') };
  const CARELOG_TOKEN = await server.token('operator');
  expect(await carelog(['status'], elsewhere)).toMatchObject({ code: 1 });
  expect(await carelog(['status'], { ...elsewhere, CARELOG_TOKEN })).toMatchObject({ code: 0 });
});

describe('import', () => {
  test('takes a folder of every kind of file, in whatever order they refer to each other, and twice without a double', async () => {
    // By name the observations come first.
    write(
      'mixed/a.ndjson.gz',
      gzipSync(lines(20, (i) => anObservation('Patient/mixed-1', { id: `mixed-${i}` }))),
    );
    write('mixed/b/collection.json', {
      resourceType: 'Bundle',
      type: 'collection',
      entry: [{ fullUrl: 'urn:uuid:0198c5a0-0000-7000-8000-000000000001', resource: aPatient() }, { resource: anObservation('urn:uuid:0198c5a0-0000-7000-8000-000000000001') }],
    }); // prettier-ignore
    write('mixed/c.json', aPatient({ id: 'mixed-1' }));
    write('mixed/d.txt', 'not looked at');
    const before = await resources();
    expect(await importing('mixed')).toMatchObject({
      code: 0,
      summary: { files: 3, recorded: 23, duplicate: 0, refused: 0 },
    });
    expect(await importing('mixed')).toMatchObject({
      code: 0,
      summary: { files: 3, recorded: 0, duplicate: 23, refused: 0 },
    });
    expect((await resources()) - before).toBe(23);
  });

  test('keeps numbers as they were written', async () => {
    const text = JSON.stringify(anObservation('Patient/mixed-1', { id: 'exact' })).replace(
      '"value":72',
      '"value":72.00',
    );
    write('exact.json', text);
    expect(await importing('exact.json')).toMatchObject({ code: 0, summary: { recorded: 1 } });
    expect(await (await get('/fhir/R4/Observation/exact')).text()).toContain('"value":72.00');
  });

  test('takes a correction as a new version, not as a duplicate', async () => {
    const corrected = { id: 'corrected', birthDate: '1971-01-01' };
    write('corrections/1.ndjson', [aPatient({ id: 'corrected' }), aPatient(corrected), aPatient(corrected)].map((one) => JSON.stringify(one)).join('\n')); // prettier-ignore
    expect(await importing('corrections')).toMatchObject({ summary: { recorded: 2, duplicate: 1 } });
    expect(await importing('corrections')).toMatchObject({ summary: { recorded: 0, duplicate: 3 } });
    expect(await (await get('/fhir/R4/Patient/corrected')).json()).toMatchObject({
      birthDate: '1971-01-01',
      meta: { versionId: '2' },
    });
  });

  test('says what was refused: file, place, expression and remedy, and nothing of what it holds', async () => {
    const wrong = aPatient({
      id: 'wrong',
      name: [{ family: 'Quillfeather' }],
      birthDate: '1970-13-01',
      gender: 'F',
    });
    const file = write(
      'refused/lines.ndjson',
      [aPatient({ id: 'right' }), wrong].map((one) => JSON.stringify(one)).join('\n'),
    );
    write('refused/not-fhir.json', { name: 'package' });
    const { code, stdout, stderr } = await carelog(['import', path.join(folder, 'refused')]);
    expect(stdout).toContain('1 recorded, 0 duplicate, 2 refused');
    expect(stdout).toContain(`${file}, line 2 (4`);
    expect(stdout).toMatch(/^ {2}birthDate: /m);
    expect(stdout).toMatch(/^ {2}gender: /m);
    expect(stdout).toContain('There is no resourceType');
    expect(stdout + stderr).not.toContain('Quillfeather');
    expect(code).toBe(1);
  });

  test('killed in the middle and begun again, it records everything once', async () => {
    // Nothing in these lines but their place tells them apart, and every tenth has no id.
    const file = write(
      'killed.ndjson',
      lines(2_000, (i) => anObservation('Patient/mixed-1', i % 10 === 0 ? {} : { id: `killed-${i}` })),
    );
    const before = await resources();
    const first = start(['import', file]);
    await recorded(300);
    first.kill('SIGKILL');
    await ended(first);
    const { code, stdout } = await carelog(['import', file, '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ refused: 0 });
    expect(code).toBe(0);
    expect((await resources()) - before).toBe(2_000);
  });

  test('told to stop, it finishes what it sent, says how far it came, and goes on another time', async () => {
    const file = write(
      'stopped.ndjson',
      lines(4_000, (i) => anObservation('Patient/mixed-1', { id: `stopped-${i}` })),
    );
    const before = await resources();
    const first = start(['import', file, '--json']);
    const output = outputOf(first);
    await recorded(200);
    first.kill('SIGINT');
    const { code, stdout } = await output;
    expect(code).toBe(1);
    const summary = JSON.parse(stdout) as { recorded: number; stopped: string };
    expect(summary.stopped).toContain('Import again');
    expect((await resources()) - before).toBe(summary.recorded);
    expect(await importing('stopped.ndjson')).toMatchObject({
      summary: { recorded: 4_000 - summary.recorded, duplicate: summary.recorded },
    });
  });

  test('outlives a server that is killed and started again', async () => {
    const file = write(
      'outlived.ndjson',
      lines(4_000, (i) => anObservation('Patient/mixed-1', { id: `outlived-${i}` })),
    );
    const before = await resources();
    const output = outputOf(start(['import', file, '--json']));
    await recorded(400);
    await server.kill();
    server = await startServer(data, { PORT: new URL(server.url).port });
    const { code, stdout } = await output;
    expect(JSON.parse(stdout)).toMatchObject({ refused: 0 });
    expect(code).toBe(0);
    expect((await resources()) - before).toBe(4_000);
  });
});

test('demo records a population, and nothing the second time', async () => {
  const first = await carelog(['demo', '--patients', '3', '--seed', '4', '--json']);
  const { recorded, duplicate } = JSON.parse(first.stdout) as { recorded: number; duplicate: number };
  expect(first.code).toBe(0);
  expect(recorded).toBeGreaterThan(100);
  const again = await carelog(['demo', '--patients', '3', '--seed', '4', '--json']);
  expect(JSON.parse(again.stdout)).toMatchObject({
    recorded: 0,
    duplicate: recorded + duplicate,
    refused: 0,
  });
});

test('status says what the server holds, and rebuild builds the view again', async () => {
  const { stdout } = await carelog(['status']);
  expect(stdout).toMatch(/^log +event \d+, epoch /m);
  expect(stdout).toMatch(/^view +record: at event \d+/m);
  const before = await resources();
  const read = async () => (await get('/fhir/R4/Patient/corrected')).text();
  const shown = await read();
  const rebuilt = await carelog(['rebuild', 'record']);
  expect(rebuilt.stderr + rebuilt.stdout).toContain('record is rebuilt');
  expect(rebuilt.code).toBe(0);
  expect(await resources()).toBe(before);
  expect(await read()).toBe(shown);
});

test('replay lists the events of one patient in order, and opens them only when asked', async () => {
  const { code, stdout } = await carelog(['replay', '--patient', 'corrected']);
  const [, ...events] = stdout.trim().split('\n');
  expect(events.map((line) => /Patient\/corrected #(\d)  (\w+)/.exec(line)?.slice(1))).toEqual([
    ['1', 'new'],
    ['2', 'amend'],
  ]);
  expect(stdout).not.toContain('1971-01-01');
  expect(code).toBe(0);
  const opened = await carelog(['replay', '--patient', 'corrected', '--content', '--json']);
  const last = JSON.parse(opened.stdout.trim().split('\n').at(-1)!) as Record<string, unknown>;
  expect(last).toMatchObject({ revision: 2, action: 'amend', content: { birthDate: '1971-01-01' } });
  const none = await carelog(['replay', '--patient', 'nobody']);
  expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining('no Patient/nobody') as string });
});

test('a backup with its keys, put back, serves the same record', async () => {
  const [copy, restored] = [path.join(folder, 'copy'), path.join(folder, 'restored')];
  const subscriptions = openSqliteSubscriptionStore({ path: path.join(data, 'subscriptions.sqlite') });
  const subscribed = await keepOne(subscriptions, { status: 'off' });
  await subscriptions.close();
  const { code, stdout } = await carelog(['backup', restored, '--keys', copy]);
  expect(code).toBe(0);
  expect(stdout).toContain('To restore');
  expect(readdirSync(path.join(restored, 'access'))).toEqual(['log.sqlite']);
  const again = await carelog(['backup', restored]);
  expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('exists already') as string });
  const copied = openSqliteSubscriptionStore({ path: path.join(restored, 'subscriptions.sqlite') });
  expect(await copied.read(subscribed.id)).toEqual(subscribed);
  await copied.close();
  renameSync(copy, path.join(restored, 'keyring'));
  const other = await startServer(restored);
  try {
    const served = await until(
      () => get('/fhir/R4/Patient/corrected', 'publisher', other),
      ({ status }) => status !== 503,
    );
    expect(await served.json()).toMatchObject({ birthDate: '1971-01-01', meta: { versionId: '2' } });
  } finally {
    await other.end();
  }
});

function start(args: readonly string[], env: Record<string, string> = {}): ChildProcess {
  const settings = { PORT: new URL(server.url).port, CARELOG_DATA: data, ...env };
  return spawn(process.execPath, [CARELOG, ...args], {
    env: { ...process.env, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function outputOf(
  child: ChildProcess,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  let [stdout, stderr] = ['', ''];
  child.stdout!.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr!.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  return { code: await ended(child), stdout, stderr };
}

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.once('close', (code) => resolve(code)));
}

function carelog(args: readonly string[], env?: Record<string, string>) {
  return outputOf(start(args, env));
}

async function importing(name: string): Promise<{ code: number | null; summary: unknown }> {
  const { code, stdout } = await carelog(['import', path.join(folder, name), '--json']);
  return { code, summary: JSON.parse(stdout) as unknown };
}

function write(name: string, content: unknown): string {
  const file = path.join(folder, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(
    file,
    typeof content === 'string' || Buffer.isBuffer(content) ? content : JSON.stringify(content),
  );
  return file;
}

function lines(count: number, line: (index: number) => unknown): string {
  return Array.from({ length: count }, (_, i) => JSON.stringify(line(i))).join('\n');
}

const tokens = new Map<string, Promise<string>>();

async function get(route: string, persona = 'publisher', from = server): Promise<Response> {
  const whose = `${persona} ${from.process.pid}`;
  if (!tokens.has(whose)) tokens.set(whose, from.token(persona));
  return fetch(`${from.url}${route}`, { headers: { authorization: `Bearer ${await tokens.get(whose)}` } });
}

interface Status {
  readonly log: { readonly position: number };
  readonly resources: number;
  readonly projections: readonly { readonly lag: number }[];
}

async function status(): Promise<Status> {
  return (await (await get('/status', 'operator')).json()) as Status;
}

/** Current resources, once the view shows everything that is in the log. */
async function resources(): Promise<number> {
  const shown = await until(status, ({ projections }) => projections.every(({ lag }) => lag === 0));
  return shown.resources;
}

/** Resolves when this many more events are in the log than when it was called. */
async function recorded(more: number): Promise<void> {
  const { position } = (await status()).log;
  await until(status, ({ log }) => log.position >= position + more);
}

async function until<T>(ask: () => Promise<T>, holds: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (holds(answer)) return answer;
    await wait(20);
  }
}
