/** What an integration team does first: the guide as it is written, and a client that is interrupted all the time. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient, type CarelogEvent } from '../../libs/client/src/index.ts';
import { startEmptyStack, type Stack } from '../support/start-stack.ts';

const ROOT = join(import.meta.dirname, '../..');
const GUIDE = join(ROOT, 'docs/guides/connect-a-source.md');

let stack: Stack;
const folder = mkdtempSync(join(tmpdir(), 'carelog-guide-'));
beforeAll(async () => {
  stack = await startEmptyStack();
});
afterAll(async () => {
  await stack.remove();
  rmSync(folder, { recursive: true });
});

interface Block {
  readonly language: string;
  readonly text: string;
}

const blocks: readonly Block[] = [...readFileSync(GUIDE, 'utf8').matchAll(/^```(\w*)\n([^]*?)^```$/gm)].map(
  ([, language = '', text = '']) => ({ language, text }),
);

it('the guide does what it says, block by block', async () => {
  const env = {
    ...process.env,
    HOSPITAL: folder,
    CARELOG_URL: stack.url,
    CARELOG_TOKEN: await stack.token('publisher'),
  };
  let said: string | undefined;
  let compared = 0;
  for (const [index, { language, text }] of blocks.entries()) {
    if (language === 'js') writeFileSync(join(folder, /^\/\/ ([a-z]+\.js)\n/.exec(text)![1]!), text);
    else if (language === 'sh') said = await run(text, index === 0 ? ROOT : folder, env);
    else if (language === 'text') {
      expect(said).toMatch(asPattern(text));
      compared += 1;
    } else throw new Error(`A block in ${language}, which is not run.`);
  }
  expect([blocks.length > 15, compared]).toEqual([true, 7]);
}, 120_000);

/** What the commands print. */
async function run(text: string, cwd: string, env: NodeJS.ProcessEnv): Promise<string> {
  const child = spawn('bash', ['-euo', 'pipefail', '-c', text], { cwd, env });
  let [said, wrong] = ['', ''];
  child.stdout.on('data', (bytes: Buffer) => (said += bytes.toString()));
  child.stderr.on('data', (bytes: Buffer) => (wrong += bytes.toString()));
  // Not until all that it started has ended: a stream of events that was read from is told so by the next thing that it says.
  const [code] = await Promise.all([
    new Promise((resolve) => child.once('exit', resolve)),
    new Promise((resolve) => child.stdout.once('end', resolve)),
  ]);
  expect(code, `${text}\n${said}${wrong}`).toBe(0);
  return said;
}

function asPattern(text: string): RegExp {
  const parts = text.trim().split('…').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')); // prettier-ignore
  return new RegExp(`^${parts.join('.*')}\\s*$`);
}

describe('a client', () => {
  const source = 'urn:example:interrupted';
  const observation = (patient: string, value: number) => ({
    resourceType: 'Observation',
    id: `${patient}-${value}`,
    status: 'final',
    code: { text: 'Heart rate' },
    valueInteger: value,
    subject: { reference: `Patient/${patient}` },
  });

  it('publishes once and hears once and in order, while connections break and the server begins anew', async () => {
    const people = ['ada', 'bob', 'cyd'];
    const each = 60;
    const tokens = () => stack.token('publisher');
    // The server comes back under another address, as behind a load balancer it would not; and one connection in four breaks.
    let asked = 0;
    const unreliable: typeof fetch = async (input, init) => {
      const { pathname, search } = new URL(String(input));
      asked += 1;
      const response = await fetch(stack.url + pathname + search, init);
      if (pathname === '/activities' && asked % 4 === 0) throw new TypeError('the answer got lost');
      return response;
    };
    const client = createClient({ url: 'http://carelog.invalid', token: tokens, fetch: unreliable });
    const begun = await client.publish(
      people.map((id) => ({ source, data: { resourceType: 'Patient', id, name: [{ family: id }] } })),
    );
    expect(begun.map(({ kind }) => kind)).toEqual(people.map(() => expect.stringMatching(/^recorded/)));

    const handled: CarelogEvent[] = [];
    let place: string | undefined = '0';
    let subscriber = new AbortController();
    const all = people.length * (each + 1);
    const hearing = (async () => {
      while (handled.length < all) {
        subscriber = new AbortController();
        const cursor = { load: () => place, save: (id: string) => void (place = id) };
        await client.subscribe({ cursor, signal: subscriber.signal, patient: people }, (event) => {
          handled.push(event);
          // Like a process that is stopped now and then, and started again.
          if (handled.length % 50 === 0 || handled.length === all) subscriber.abort();
        });
      }
    })();
    for (let value = 1; value <= each; value += 1) {
      const sent = people.map((it) => ({ source, id: `${it} ${value}`, data: observation(it, value) }));
      const results = await client.publish(sent);
      expect(results.map(({ kind }) => kind)).toEqual(people.map(() => expect.stringMatching(/^recorded/)));
      if (value === 25) stack = await stack.restart();
    }
    await hearing;
    const stream = (event: CarelogEvent): string => String(event['resource']);
    expect(new Set(handled.map(stream)).size).toBe(all);
    for (const it of people) {
      const own = handled.filter(({ subject }) => subject === `Patient/${it}`).map(stream);
      const inOrder = Array.from({ length: each }, (_, index) => `Observation/${it}-${index + 1}`);
      expect(own).toEqual([`Patient/${it}`, ...inOrder]);
    }
  }, 120_000);
});
