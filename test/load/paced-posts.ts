/** Work in an open loop, such as transactions by POST: the next goes off when it is due, whatever became of the ones before. */
import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

export interface Pace {
  readonly perSecond: number;
  readonly seconds: number;
}

export interface Posts extends Pace {
  /** FHIR endpoints that take turns. */
  readonly bases: readonly string[];
  readonly token: string;
  /** Taken in turns too. */
  readonly bodies: readonly string[];
}

/** With so many on their way the server is overrun, and what more is sent would only wait. */
const UNDER_WAY_MAX = 100;

/** Resolves with whether the server kept up, once everything was answered. Throws where an answer is not 2xx. */
export async function pacedPosts({ bases, token, bodies, ...pace }: Posts): Promise<boolean> {
  const agent = new Agent({ keepAlive: true, maxSockets: UNDER_WAY_MAX });
  try {
    return await inOpenLoop(pace, (turn) =>
      post(agent, bases[turn % bases.length]!, token, bodies[turn % bodies.length]!),
    );
  } finally {
    agent.destroy();
  }
}

/** `work` is told which turn it is. Resolves with whether it kept up, once all of it is done. */
export async function inOpenLoop(
  { perSecond, seconds }: Pace,
  work: (turn: number) => Promise<unknown>,
): Promise<boolean> {
  const all: Promise<void>[] = [];
  let underWay = 0;
  const one = async (turn: number): Promise<void> => {
    underWay += 1;
    await work(turn);
    underWay -= 1;
  };
  const begun = performance.now();
  while (all.length < seconds * perSecond && underWay < UNDER_WAY_MAX) {
    const due = Math.min(seconds, (performance.now() - begun) / 1_000) * perSecond;
    while (all.length < due) all.push(one(all.length));
    await delay(1);
  }
  await Promise.all(all);
  return all.length >= seconds * perSecond;
}

function post(agent: Agent, url: string, token: string, body: string): Promise<void> {
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/fhir+json',
    'content-length': Buffer.byteLength(body),
  };
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', agent, headers }, (answer) => {
      const { statusCode = 0 } = answer;
      if (statusCode >= 300) reject(new Error(`A transaction was answered with ${statusCode}.`));
      answer.resume();
      answer.on('end', resolve);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
