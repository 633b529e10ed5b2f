/** Requests over HTTP, each beside the bare server that answers the same bytes. */
import { startServer, type ServerProcess } from '../support/server-process.ts';
import type { Load } from './client.ts';
import { inFolder } from './folder.ts';
import { startHttpFloor, type HttpFloor } from './http-floor.ts';
import { cellOf, type RequestRow } from './report.ts';
import type { Settings } from './settings.ts';
import { loadTargets, TRANSACTION, type Targets } from './targets.ts';

export interface Subject {
  readonly name: string;
  readonly method: 'GET' | 'POST';
  readonly paths: readonly string[];
  readonly body?: string;
  /** What one answer counts as. */
  readonly counts?: number;
}

/** What a row is measured on, and how. */
export interface Measuring {
  readonly server: ServerProcess;
  readonly floor: HttpFloor;
  readonly settings: Settings;
}

/** Reads come first, on the record as it was loaded; writes let the view catch up before anything else is measured. */
export function requestRows(settings: Settings): Promise<RequestRow[]> {
  return inFolder(async (folder) => {
    settings.say('loading the people');
    const server = await startServer(folder);
    const floor = await startHttpFloor();
    try {
      const targets = await loadTargets(server);
      const rows: RequestRow[] = [];
      for (const subject of subjects(targets)) {
        settings.say(subject.name);
        rows.push(await rowOf(subject, targets, { server, floor, settings }));
      }
      return rows;
    } finally {
      await floor.end();
      await server.end();
    }
  });
}

function subjects(targets: Targets): Subject[] {
  const { read, history, search, everything, observation, transaction } = targets;
  return [
    { name: 'read', method: 'GET', paths: read },
    { name: '`_history` of 20', method: 'GET', paths: history },
    { name: 'search, 50 of 100 among 501', method: 'GET', paths: search },
    { name: 'the same, not asked before', method: 'GET', paths: neverTwice(search) },
    { name: '`$everything` of 502', method: 'GET', paths: everything },
    { name: 'single durable POST', method: 'POST', paths: ['/Observation'], body: observation },
    {
      name: `transaction of ${TRANSACTION}, resources`,
      method: 'POST',
      paths: [''],
      body: transaction,
      counts: TRANSACTION,
    },
  ];
}

// The question is the same and its text is another, so that no answer is found in memory.
export function neverTwice(paths: readonly string[]): string[] {
  const TEXTS = 1_000;
  return paths.flatMap((path) => Array.from({ length: TEXTS }, (_, i) => `${path}&_pretty=${i}`));
}

export async function rowOf(
  { name, method, paths, body, counts = 1 }: Subject,
  { base, token }: Targets,
  { server, floor, settings }: Measuring,
): Promise<RequestRow> {
  const { client, runs, seconds } = settings;
  const sent = { method, ...(body !== undefined && { body }) };
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json' };
  const answer = await fetch(`${base}${paths[0]}`, { ...sent, headers });
  floor.serve('/', await answer.bytes());
  const rate = async (load: Pick<Load, 'base' | 'paths' | 'token'>, connections: number) =>
    counts * (await client.rate({ ...sent, ...load, connections, seconds }));
  const cells = [];
  for (const connections of settings.connections) {
    cells.push(
      await cellOf(async () => {
        const figures: number[] = [];
        const floors: number[] = [];
        for (let run = 0; run < runs; run += 1) {
          floors.push(await rate({ base: floor.url, paths: ['/'], token }, connections));
          figures.push(await rate({ base, paths, token }, connections));
          if (method === 'POST') await settled(server);
        }
        return { figures, floors };
      }),
    );
  }
  return { name, cells };
}

/** Resolves when every view has reached the head of the log. */
export async function settled(server: ServerProcess): Promise<void> {
  const headers = { authorization: `Bearer ${await server.token('operator')}` };
  for (;;) {
    const answer = await fetch(`${server.url}/status`, { headers });
    const { projections } = (await answer.json()) as { projections: { lag: number }[] };
    if (projections.every(({ lag }) => lag === 0)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
