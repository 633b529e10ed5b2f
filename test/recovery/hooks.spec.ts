/**
 * Endpoints of rest-hooks that are slow, hang, refuse, redirect, lead to a private address or send a gigabyte back: nobody else
 * notices, and they miss nothing once they are well.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@carelog/engines';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startHookEndpoint, type HookEndpoint, type TakenNotification } from '../support/hook-endpoint.ts';
import { startServer, type ServerProcess } from '../support/server-process.ts';
import { restHook } from '../support/some-subscriptions.ts';

const folder = mkdtempSync(join(tmpdir(), 'carelog-hooks-'));
const data = join(folder, 'data');
const hooks = join(folder, 'hooks.json');

/** Of each kind, all of one owner: more than it may send to at once. */
const EACH = 5;
const EVENTS = 60;
const PROMPTLY_MS = 2_000;
/** What lies in sockets on its way, and is read by nobody. */
const ON_ITS_WAY_BYTES = 32 * 1024 * 1024;
const GIGABYTE = 2 ** 30;
/** Longer than an endpoint that does nothing amiss ever takes, and less than the server waits. */
const SLOW_MS = 4_000;

let most = 0;
/** What each does while it is not well. */
const ways: Readonly<Record<string, (response: ServerResponse, good: HookEndpoint) => void>> = {
  slow: (response) => void setTimeout(() => response.end(), SLOW_MS),
  hangs: () => {},
  refuses: (response) => void response.writeHead(500).end(),
  redirects: (response, good) => void response.writeHead(307, { location: good.origin }).end(),
  'sends a gigabyte': (response) => {
    response.writeHead(500);
    const piece = Buffer.alloc(64 * 1024);
    let sent = 0;
    const more = (): void => {
      while (sent < GIGABYTE && !response.destroyed && response.write(piece)) sent += piece.length;
      most = Math.max(most, sent);
    };
    response.on('drain', more);
    more();
  },
};

let server: ServerProcess;
let good: HookEndpoint;
let unreachable: HookEndpoint;
const bad = new Map<string, HookEndpoint>();
let settings: Readonly<Record<string, string>>;
beforeAll(async () => {
  [good, unreachable] = await Promise.all([startHookEndpoint(), startHookEndpoint()]);
  for (const name of Object.keys(ways)) bad.set(name, await startHookEndpoint());
  allow(false);
  settings = {
    CARELOG_HOOKS: hooks,
    PORT: String(await freePort()),
    CARELOG_LIMIT_SYSTEMS: '10000/10000/512',
  };
  server = await startServer(data, settings);
});
afterAll(async () => {
  await server.end();
  await Promise.all([good, unreachable, ...bad.values()].map((it) => it.close()));
  rmSync(folder, { recursive: true, force: true });
});

/** By a name that leads to this machine: allowed as a name, while its address is not. */
const byName = (): string => unreachable.origin.replace('127.0.0.1', 'localhost');

function allow(privateNames: boolean): void {
  const open = [good, ...bad.values()].map(({ origin }) => ({ origin, allowPrivate: true, allowHttp: true }));
  const named = { origin: byName(), allowHttp: true, ...(privateNames && { allowPrivate: true }) };
  writeFileSync(hooks, JSON.stringify({ hooks: [...open, named] }));
}

async function send(as: string, method: string, path: string, body: object): Promise<string> {
  const headers = {
    authorization: `Bearer ${await server.token(as)}`,
    'content-type': 'application/fhir+json',
  };
  const answer = await fetch(`${server.url}/fhir/R4${path}`, { method, headers, body: JSON.stringify(body) });
  const { id } = (await answer.clone().json()) as { id?: string };
  if (answer.status >= 300 || id === undefined) throw new Error(await answer.text());
  return id;
}

const subscribe = (as: string, endpoint: string): Promise<string> =>
  send(as, 'POST', '/Subscription', restHook({ topic: 'observation', channel: { endpoint } }));

const of = (all: readonly TakenNotification[], id: string) => all.filter(({ body }) => body.includes(`Subscription/${id}"`)); // prettier-ignore
const toldOf = (all: readonly TakenNotification[], id: string): readonly string[] => of(all, id).flatMap(({ focuses }) => focuses); // prettier-ignore
const greeted = (all: readonly TakenNotification[], id: string): boolean => of(all, id).some(({ type }) => type === 'handshake'); // prettier-ignore

it(
  'keep nobody else waiting, and get everything in order once they are well',
  { timeout: 180_000 },
  async () => {
    const generalPractitioner = [{ identifier: { system: 'https://fhir.nhs.uk/Id/ods-organization-code', value: 'Y90001' } }]; // prettier-ignore
    await send('publisher', 'PUT', '/Patient/p', { resourceType: 'Patient', id: 'p', generalPractitioner });
    const mine = await subscribe('gp', `${good.origin}/mine`);
    const theirs = new Map<string, HookEndpoint>();
    for (let at = 0; at < EACH; at += 1) {
      for (const endpoint of bad.values())
        theirs.set(await subscribe('publisher', `${endpoint.origin}/${at}`), endpoint);
      theirs.set(await subscribe('publisher', `${byName()}/${at}`), unreachable);
    }
    const reachable = [[mine, good] as const, ...theirs].filter(([, endpoint]) => endpoint !== unreachable);
    await expect
      .poll(() => reachable.filter(([id, { taken }]) => !greeted(taken, id)), { timeout: 60_000 })
      .toEqual([]);
    const misbehaved = new Set<string>();
    for (const [name, endpoint] of bad)
      endpoint.answer = (_, response) => {
        misbehaved.add(name);
        ways[name]!(response, good);
      };

    const expected: string[] = [];
    const took: number[] = [];
    const record = async (): Promise<void> => {
      const id = `o-${expected.length}`;
      const observation = { resourceType: 'Observation', id, status: 'final', code: { text: 'Pulse' }, subject: { reference: 'Patient/p' } }; // prettier-ignore
      await send('publisher', 'PUT', `/Observation/${id}`, observation);
      expected.push(`Observation/${id}`);
      const recorded = performance.now();
      await expect
        .poll(() => toldOf(good.taken, mine).length, { timeout: 30_000, interval: 5 })
        .toBe(expected.length);
      took.push(performance.now() - recorded);
    };
    // The last of them while all of the others are known to do their worst.
    while (expected.length < EVENTS || misbehaved.size < bad.size) await record();
    expect(took.sort((a, b) => a - b)[Math.ceil(took.length * 0.99) - 1]).toBeLessThan(PROMPTLY_MS);
    expect(toldOf(good.taken, mine)).toEqual(expected);
    expect(good.came.filter(({ body }) => !body.includes(`Subscription/${mine}"`))).toEqual([]);
    expect(unreachable.came).toEqual([]);
    expect(most).toBeLessThan(ON_ITS_WAY_BYTES);

    for (const endpoint of bad.values()) endpoint.answer = (_, response) => void response.end();
    // What the operator allows is read when the server starts.
    await server.end();
    allow(true);
    server = await startServer(data, settings);
    await record();
    await expect
      .poll(
        () => [...theirs].filter(([id, { taken }]) => new Set(toldOf(taken, id)).size < expected.length),
        { timeout: 90_000, interval: 100 },
      ) // prettier-ignore
      .toEqual([]);
    for (const [id, { came, taken }] of theirs) {
      expect([...new Set(toldOf(taken, id))]).toEqual(expected);
      let highest = 0;
      for (const { numbers } of of(came, id).filter(({ type }) => type === 'event-notification')) {
        expect(numbers).toEqual(numbers.map((_, at) => numbers[0]! + at));
        expect(numbers[0]).toBeLessThanOrEqual(highest + 1);
        highest = Math.max(highest, numbers.at(-1)!);
      }
      expect(highest).toBe(expected.length);
    }
  },
);
