/** A data folder that was killed, torn, damaged, or is in use: it starts with everything acknowledged, or says why not. */
import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dataPaths } from '../../apps/carelog/src/paths.ts';
import { readLog } from '../support/read-log.ts';
import { startServer, type ServerProcess } from '../support/server-process.ts';

const root = mkdtempSync(join(tmpdir(), 'carelog-damaged-'));
const original = join(root, 'original');
const acknowledged: string[] = [];
let servers: ServerProcess[] = [];
let copies = 0;

async function start(folder: string): Promise<ServerProcess> {
  const server = await startServer(folder);
  servers.push(server);
  return server;
}

beforeAll(async () => {
  const server = await start(original);
  for (let index = 0; index < 60; index += 1) acknowledged.push(await create(server));
  await server.kill();
});
afterAll(async () => {
  for (const server of servers) await server.kill();
  servers = [];
  rmSync(root, { recursive: true, force: true });
});

async function create(server: ServerProcess): Promise<string> {
  const answer = await fetch(`${server.url}/fhir/R4/Organization`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await server.token('publisher')}`,
      'content-type': 'application/fhir+json',
    },
    body: JSON.stringify({ resourceType: 'Organization', name: 'Lasts' }),
  });
  expect(answer.status).toBe(201);
  return `Organization/${((await answer.json()) as { id: string }).id}`;
}

async function readable(server: ServerProcess): Promise<string[]> {
  const headers = { authorization: `Bearer ${await server.token('publisher')}` };
  const answer = await fetch(`${server.url}/fhir/R4/Organization?_count=1000`, { headers });
  const { entry = [] } = (await answer.json()) as { entry?: { resource: { id: string } }[] };
  return entry.map(({ resource }) => `Organization/${resource.id}`);
}

function copyOf(folder: string): string {
  const copy = join(root, `copy-${(copies += 1)}`);
  cpSync(folder, copy, { recursive: true });
  return copy;
}

/** Behind the last frame that carries the salts of the header; what follows is reserve. */
function endOfFrames(wal: string): number {
  const bytes = readFileSync(wal);
  let end = 32;
  while (end < bytes.length && bytes.compare(bytes, 16, 24, end + 8, end + 16) === 0) end += 24 + 4096;
  return end;
}

function cutAndAppend(wal: string, tail: Uint8Array): void {
  truncateSync(wal, endOfFrames(wal));
  appendFileSync(wal, tail);
}

describe('the tail of the log', () => {
  it.each<[string, (wal: string) => void]>([
    ['as the kill left it', () => {}],
    ['with garbage after it', (wal) => cutAndAppend(wal, Buffer.alloc(10_000, 0xa5))],
    ['with zeros after it', (wal) => cutAndAppend(wal, Buffer.alloc(10_000))],
    ['with half a frame after it', (wal) => cutAndAppend(wal, readFileSync(wal).subarray(32, 32 + 2_000))],
  ])('%s: everything acknowledged is served, and writing goes on', async (_, damage) => {
    const folder = copyOf(original);
    damage(`${dataPaths(folder).log}-wal`);
    const server = await start(folder);
    expect((await readable(server)).toSorted()).toEqual(acknowledged.toSorted());
    const another = await create(server);
    expect(await readable(server)).toContain(another);
    expect(await server.end()).toBe(0);
  });

  it('torn off within its last transaction: an unbroken beginning is served', async () => {
    const folder = copyOf(original);
    const wal = `${dataPaths(folder).log}-wal`;
    truncateSync(wal, endOfFrames(wal) - 100);
    const server = await start(folder);
    expect((await readable(server)).toSorted()).toEqual(acknowledged.slice(0, -1).toSorted());
    expect(await server.end()).toBe(0);
  });
});

it('a byte changed in the middle of the log: it does not start, and says which event', async () => {
  const folder = copyOf(original);
  expect(await (await start(folder)).end()).toBe(0);
  const { log } = dataPaths(folder);
  const events = await readLog(log);
  const { content } = events[Math.floor(events.length / 2)]!;
  const bytes = readFileSync(log);
  const at = bytes.indexOf(content.subarray(0, 64));
  expect(at).toBeGreaterThan(0);
  bytes[at + 20]! ^= 1;
  writeFileSync(log, bytes);
  const { position } = events[Math.floor(events.length / 2)]!;
  await expect(start(folder)).rejects.toThrow(
    new RegExp(`ended with 1 .*event ${position} .*[Rr]estore`, 's'),
  );
});

it('a folder in use: the second server ends with 1 and says so, the first goes on', async () => {
  const first = await start(copyOf(original));
  const folder = join(root, `copy-${copies}`);
  await expect(start(folder)).rejects.toThrow(/ended with 1 .*another Carelog is running/s);
  const another = await create(first);
  expect(await readable(first)).toContain(another);
  expect(await first.end()).toBe(0);
});
