/**
 * Listens to many streams of events in a process of its own, and says how long after they were recorded events came. It does as
 * little as it can: what it takes of the processors the server has not.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { fileURLToPath } from 'node:url';

export interface ListenTo {
  readonly url: string;
  readonly token: string;
}

export interface Heard {
  /** Milliseconds from being recorded to being heard, in order of size. */
  readonly lags: readonly number[];
}

export interface Listeners {
  readonly pid: number;
  /** Resolves when all of these are open. */
  open(streams: readonly ListenTo[]): Promise<void>;
  /** What was heard since this was asked last. */
  heard(): Promise<Heard>;
  end(): Promise<void>;
}

type Told = { readonly kind: 'open'; readonly streams: readonly ListenTo[] } | { readonly kind: 'heard' };

export function startListeners(): Listeners {
  const child = fork(fileURLToPath(import.meta.url), { serialization: 'advanced' });
  const ask = async <Answer>(told: Told): Promise<Answer> => {
    child.send(told);
    const [answer] = (await once(child, 'message')) as [Answer & { readonly fault?: string }];
    if (answer.fault !== undefined) throw new Error(answer.fault);
    return answer;
  };
  return {
    pid: child.pid!,
    open: async (streams) => void (await ask({ kind: 'open', streams })),
    heard: () => ask<Heard>({ kind: 'heard' }),
    async end() {
      child.kill();
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
}

const OPENED_AT_ONCE = 50;
const RECORDED = '"recordedtime":"';
const INSTANT = '2026-01-01T00:00:00.000Z'.length;

function listen(): void {
  const agent = new Agent({ keepAlive: true, maxSockets: Infinity });
  let lags: number[] = [];
  process.on('message', (told: Told) => {
    if (told.kind === 'open') {
      openAll(told.streams).then(
        () => process.send!({}),
        (fault: unknown) => process.send!({ fault: (fault as Error).message }),
      );
      return;
    }
    const heard = { lags: Float64Array.from(lags).sort() };
    lags = [];
    process.send!({ lags: [...heard.lags] });
  });

  async function openAll(streams: readonly ListenTo[]): Promise<void> {
    for (let from = 0; from < streams.length; from += OPENED_AT_ONCE)
      await Promise.all(streams.slice(from, from + OPENED_AT_ONCE).map(openOne));
  }

  function openOne({ url, token }: ListenTo): Promise<void> {
    return new Promise((resolve, reject) => {
      const request = get(url, { agent, headers: { authorization: `Bearer ${token}` } }, (response) => {
        if (response.statusCode !== 200)
          return reject(new Error(`${url} was answered with ${response.statusCode}.`));
        let rest = '';
        response.setEncoding('latin1');
        response.on('data', (part: string) => {
          const now = Date.now();
          const text = rest + part;
          let at = text.indexOf(RECORDED);
          let end = 0;
          for (; at >= 0 && at + RECORDED.length + INSTANT <= text.length; at = text.indexOf(RECORDED, end)) {
            end = at + RECORDED.length + INSTANT;
            lags.push(now - Date.parse(text.slice(at + RECORDED.length, end)));
          }
          rest = text.slice(Math.max(end, text.length - RECORDED.length - INSTANT));
        });
        resolve();
      });
      request.on('error', reject);
    });
  }
}

if (import.meta.main) listen();
