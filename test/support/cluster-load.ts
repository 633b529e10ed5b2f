/**
 * People who write to a cluster and people who look, at all of its gateways, whatever happens to it meanwhile. What was
 * acknowledged is kept in a ledger; whoever looks, at the record and at pages of a care setting, checks that nothing is missing,
 * short, or goes back.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import type { RecordedEvent } from '@carelog/event-store';

export interface ClusterLoadOptions {
  readonly gateways: readonly string[];
  /** Of a system that may write and see everything. */
  readonly token: string;
  readonly writers?: number;
  /** Between an answer and the next request of the same person. */
  readonly pauseMs?: number;
  /** Gateways that are asked just now; every one unless told. Asked where each request begins. */
  readonly inUse?: () => readonly string[];
}

export interface ClusterLoad {
  /** Resolves when everybody has got an answer to something that they asked for after this call. */
  goesOn(): Promise<void>;
  /** Requests that were answered that they may be tried again, or not at all. */
  failures(): readonly string[];
  /** Resolves when nobody asks any more; the next call of `goesOn` lets them ask again. */
  stop(): Promise<void>;
  /**
   * Fails unless the log has what was acknowledged, once, and nothing that was said not to be there; and everything was well that
   * was seen. `after`: where the log was before anybody wrote, whose events are left out; 0 unless told.
   */
  expectHolds(events: readonly RecordedEvent[], after?: number): void;
}

interface Acknowledged {
  readonly stream: string;
  readonly revision: number;
  readonly position: number;
}

interface Answer {
  readonly status: number;
  readonly position: number;
  readonly json: { id?: string; meta?: { versionId: string }; total?: number; issue?: { code: string }[]; entry?: [{ resource: { section: Section[] } }] }; // prettier-ignore
}

interface Section {
  readonly title: string;
  readonly entry?: readonly unknown[];
}

/** `unsent`: nobody has heard it. `lost`: somebody may have. */
type Asked = Answer | 'unsent' | 'lost';

const LOOK_MS = 20;
const AFTER_FAILURE_MS = 100;
const PATIENCE_MS = 40_000;
const GOES_ON_WITHIN_MS = 120_000;
const LATELY = 40;
/** A page of the care setting `acute` has no more of them. */
const RESULTS_SHOWN = 20;

export function startClusterLoad(options: ClusterLoadOptions): ClusterLoad {
  const { gateways, token, writers = 3, pauseMs = 30, inUse = () => gateways } = options;
  const ledger: Acknowledged[] = [];
  const reached = new Map<string, number>();
  /** Streams of which one version more may be there than was acknowledged. */
  const maybeMore = new Set<string>();
  const observed = new Map<string, number>();
  const people: string[] = [];
  /** Highest position of each view, and of each thing what was seen of it last, at each gateway. */
  const lastAt = new Map(gateways.map((gateway) => [gateway, { record: 0, page: 0 }]));
  const seenAt = new Map(gateways.map((gateway) => [gateway, new Map<string, number>()]));
  const wrong: string[] = [];
  const successes = new Map<string, number>();
  let maybeNew = 0;
  const failed: string[] = [];
  let isEnding = false;

  async function ask(
    gateway: string,
    method: string,
    path: string,
    body?: object,
    ifMatch?: number,
  ): Promise<Asked> {
    const headers: Record<string, string> = { authorization: `Bearer ${token}` };
    if (body !== undefined) headers['content-type'] = 'application/fhir+json';
    if (ifMatch !== undefined) headers['if-match'] = `W/"${ifMatch}"`;
    try {
      const answer = await fetch(`${gateway}/fhir/R4/${path}`, {
        method,
        headers,
        signal: AbortSignal.timeout(PATIENCE_MS),
        ...(body && { body: JSON.stringify(body) }),
      });
      const json = (await answer.json()) as Answer['json'];
      const position = Number(answer.headers.get('carelog-position'));
      if (answer.status === 503) failed.push(`${method} ${path}: 503 ${JSON.stringify(json)}`);
      else if (![200, 201].includes(answer.status))
        wrong.push(`${method} ${path}: ${answer.status} ${JSON.stringify(json)}`);
      return { status: answer.status, position, json };
    } catch (fault) {
      const isUnsent = (fault as { cause?: { code?: string } }).cause?.code === 'ECONNREFUSED';
      if (!isUnsent) failed.push(`${method} ${path}: ${(fault as Error).message}`);
      return isUnsent ? 'unsent' : 'lost';
    }
  }

  /** Undefined where nothing was acknowledged; then `onDoubt` is told whether it may be there all the same. */
  async function write(
    method: 'POST' | 'PUT',
    path: string,
    body: object,
    onDoubt: () => void,
    ifMatch?: number,
  ) {
    let asked: Asked = 'unsent';
    // As a load balancer does: whoever refuses the connection has heard nothing, and another one is asked.
    for (const gateway of shuffled(inUse())) {
      asked = await ask(gateway, method, path, body, ifMatch);
      if (asked !== 'unsent') break;
    }
    if (asked === 'unsent') return void failed.push(`${method} ${path}: refused everywhere`);
    if (asked === 'lost') return void onDoubt();
    const { status, position, json } = asked;
    if (status === 503 && json.issue?.[0]?.code === 'incomplete') return void onDoubt();
    if (status !== 200 && status !== 201) return undefined;
    const acknowledged = {
      stream: `${path.split('/')[0]}/${json.id}`,
      revision: Number(json.meta!.versionId),
      position,
    };
    ledger.push(acknowledged);
    reached.set(acknowledged.stream, acknowledged.revision);
    return acknowledged;
  }

  const put = ({ stream, revision }: Acknowledged, body: object) =>
    write('PUT', stream, { ...body, id: stream.split('/')[1] }, () => maybeMore.add(stream), revision);

  async function keepWriting(name: string): Promise<void> {
    let person: Acknowledged | undefined;
    let moving: Acknowledged | undefined;
    for (let count = 0; !isEnding; count += 1) {
      const text = `${name} ${count}`;
      let done: Acknowledged | undefined;
      if (person === undefined) {
        done = person = await write('POST', 'Patient', patient(text), () => (maybeNew += 1));
        if (person !== undefined) people.push(person.stream);
      } else if (count % 10 === 5) {
        // Its versions come by the lanes of different people, and each waits for the one before it.
        const body = condition(people[Math.floor(Math.random() * people.length)]!, text);
        moving = done =
          moving === undefined
            ? await write('POST', 'Condition', body, () => (maybeNew += 1))
            : await put(moving, body);
      } else if (count % 2 === 0) {
        const { stream } = person;
        done = await put(person, patient(text));
        // Whoever does not know whether the last version is there takes another person.
        person = done ?? (maybeMore.has(stream) ? undefined : person);
      } else {
        const { stream } = person;
        done = await write('POST', 'Observation', observation(stream, count), () => (maybeNew += 1));
        if (done !== undefined) observed.set(stream, (observed.get(stream) ?? 0) + 1);
      }
      if (done !== undefined) successes.set(name, (successes.get(name) ?? 0) + 1);
      if (count % 50 === 49) person = undefined;
      await delay(done === undefined ? AFTER_FAILURE_MS : pauseMs);
    }
  }

  async function keepLooking(gateway: string): Promise<void> {
    const seen = seenAt.get(gateway)!;
    const last = lastAt.get(gateway)!;
    for (let count = 0; !isEnding; count += 1) {
      const chosen = ledger[ledger.length - 1 - Math.floor(Math.random() * Math.min(LATELY, ledger.length))];
      if (chosen === undefined || !inUse().includes(gateway)) {
        await delay(LOOK_MS);
        continue;
      }
      const { stream } = chosen;
      const isPerson = stream.startsWith('Patient/');
      const [isCount, isPage] = [isPerson && count % 4 === 0, isPerson && count % 4 === 2];
      const observations = observed.get(stream) ?? 0;
      const floor = isCount
        ? observations
        : isPage
          ? Math.min(observations, RESULTS_SHOWN)
          : reached.get(stream)!;
      const floorPosition = ledger.at(-1)!.position;
      const path = isCount ? `Observation?subject=${stream}&_summary=count` : isPage ? `${stream}/$summary?profile=acute` : stream; // prettier-ignore
      const asked = await ask(gateway, 'GET', path);
      const isAnswer = typeof asked === 'object' && asked.status === 200;
      if (isAnswer) {
        const { total, meta, entry } = asked.json;
        const shown = isCount ? total! : isPage ? resultsOn(entry![0].resource.section) : Number(meta!.versionId); // prettier-ignore
        const before = Math.max(floor, seen.get(path) ?? 0);
        const view = isPage ? 'page' : 'record';
        if (shown < before) wrong.push(`GET ${path}: shows ${shown} after ${before}`);
        if (asked.position < last[view])
          wrong.push(`GET ${path}: position ${asked.position} after ${last[view]}`);
        if (asked.position < floorPosition)
          wrong.push(`GET ${path}: position ${asked.position}, when ${floorPosition} was recorded`);
        seen.set(path, shown);
        last[view] = asked.position;
        successes.set(gateway, (successes.get(gateway) ?? 0) + 1);
      }
      await delay(isAnswer ? pauseMs : AFTER_FAILURE_MS);
    }
  }

  const names = Array.from({ length: writers }, (_, index) => `writer ${index}`);
  const everybody = [...names, ...gateways];
  let working: Promise<unknown> | undefined;
  return {
    async goesOn() {
      working ??= Promise.all([...names.map(keepWriting), ...gateways.map(keepLooking)]);
      // What is under way may have been asked before: the second answer from now on was certainly asked for after it.
      const goals = new Map(everybody.map((name) => [name, (successes.get(name) ?? 0) + 2]));
      const waiting = () => everybody.filter((name) => (successes.get(name) ?? 0) < goals.get(name)!);
      for (const until = Date.now() + GOES_ON_WITHIN_MS; waiting().length > 0; await delay(LOOK_MS)) {
        if (Date.now() > until) throw new Error(`${waiting().join(', ')} got no answer any more.`);
      }
    },
    failures: () => failed,
    async stop() {
      isEnding = true;
      await working;
      working = undefined;
      isEnding = false;
    },
    expectHolds(events, after = 0) {
      expect(wrong).toEqual([]);
      expect(events.map(({ position }) => position)).toEqual(events.map((_, index) => after + index + 1));
      expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
      const versions = new Map(events.map((event) => [`${event.stream}|${event.revision}`, event.position]));
      expect(versions.size).toBe(events.length);
      const missing = ledger.filter(
        ({ stream, revision, position }) => versions.get(`${stream}|${revision}`) !== position,
      );
      expect(missing).toEqual([]);
      const acknowledged = new Set(ledger.map(({ stream, revision }) => `${stream}|${revision}`));
      expect(acknowledged.size).toBe(ledger.length);
      const others = events.filter(({ stream, revision }) => !acknowledged.has(`${stream}|${revision}`));
      const isOneMore = ({ stream, revision }: RecordedEvent) =>
        maybeMore.has(stream) && revision === reached.get(stream)! + 1;
      const unexpected = others
        .filter((event) => !isOneMore(event))
        .map(({ stream, revision }) => `${stream}|${revision}`);
      expect(unexpected.filter((version) => !version.endsWith('|1'))).toEqual([]);
      expect(unexpected.length).toBeLessThanOrEqual(maybeNew);
    },
  };
}

const patient = (text: string) => ({ resourceType: 'Patient', name: [{ family: 'Grey', text }] });

const observation = (subject: string, value: number) => ({
  resourceType: 'Observation',
  status: 'final',
  category: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'laboratory' }] }], // prettier-ignore
  code: { text: 'Potassium' },
  subject: { reference: subject },
  valueInteger: value,
});

const condition = (subject: string, text: string) => ({
  resourceType: 'Condition',
  code: { text },
  subject: { reference: subject },
});

const resultsOn = (sections: readonly Section[]) =>
  sections.find(({ title }) => title.startsWith('Results'))!.entry?.length ?? 0;

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
