/**
 * The published real input through the front door: what is accepted reads back as it was sent, and what is refused is
 * listed in real-data.refusals.txt. Each refusal there was checked against R4 4.0.1 and against the rules of the record
 * (docs/life-of-an-activity.md): a change in it is a change of judgement.
 */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openFrontDoor } from '../../apps/carelog/src/loading/front-door.ts';
import { findFiles, type SourceFile } from '../../apps/carelog/src/loading/files.ts';
import { load, type Summary } from '../../apps/carelog/src/loading/load.ts';
import { readFile } from '../../apps/carelog/src/loading/read-file.ts';
import type { Submission } from '../../apps/carelog/src/loading/submission.ts';
import {
  problemLines,
  realDataPresent,
  realFiles,
  tellingStrings,
  type RealFile,
} from '../../libs/fhir/src/real-data.ts';
import { difference, keptIn, onSqlite, permutedLog, rebuiltFrom } from '../support/care-settings-contents.ts';
import { isCluster, startEmptyStack, type Answer, type Stack } from '../support/start-stack.ts';

const named = (what: string) => (realDataPresent ? what : `${what} (skipped: ../shared/data is not there)`);

type Resource = Record<string, unknown> & { readonly resourceType: string; readonly id: string };
interface Bundle {
  readonly total?: number;
  readonly entry?: readonly {
    readonly fullUrl?: string;
    readonly resource: Resource;
    readonly response: { readonly location: string };
  }[];
}

let stack: Stack;
beforeAll(async () => {
  stack = await startEmptyStack();
});
afterAll(() => stack.remove());

describe.skipIf(!realDataPresent)(named('40 Synthea patients'), () => {
  const folder = fileURLToPath(new URL('../../../shared/data/synthea-r4', import.meta.url));
  let files: readonly SourceFile[];
  beforeAll(async () => {
    const found = await findFiles([folder]);
    files = found.kind === 'found' ? found.files : [];
  });

  it('are imported whole, and a second time without a double', async () => {
    const first = await importAll();
    // Patients share some of their organisations and practitioners: 48 entries are of those that came before.
    expect(first).toEqual({ recorded: 8580, duplicate: 48, refused: 0, refusals: [] });
    const before = await held();
    expect(before.people).toBe(40);
    expect(before.resources).toBe(8580);
    expect(await importAll()).toEqual({ recorded: 0, duplicate: 8628, refused: 0, refusals: [] });
    expect(await held()).toEqual(before);
  });

  it('read back as they were sent, but for the references between them, which are resolved', async () => {
    for (const file of files) {
      const [submission] = (await Array.fromAsync(readFile(file, () => {}))) as [Submission];
      const { body, idempotencyKey } = submission;
      // Known by its key, so this tells where each entry went.
      const answer = await stack.fhir('POST', '', { body, headers: { 'idempotency-key': idempotencyKey } });
      const locations = (answer.json as Bundle).entry!.map((entry) =>
        entry.response.location.replace(/\/_history.*/, ''),
      );
      const sent = asWritten(body) as Bundle;
      const targets = new Map(sent.entry!.map(({ fullUrl }, index) => [fullUrl!, locations[index]!]));
      const gets = locations.map((url) => ({ request: { method: 'GET', url } }));
      const read = await stack.fhir('POST', '', {
        body: { resourceType: 'Bundle', type: 'batch', entry: gets },
      });
      const served = (asWritten(read.text) as Bundle).entry!;
      for (const [index, { resource }] of sent.entry!.entries())
        expect(content(served[index]!.resource), locations[index]).toEqual(
          content(resolved(resource, targets)),
        );
    }
  });

  async function importAll(): Promise<Summary> {
    const frontDoor = await openFrontDoor({ url: stack.url, token: () => stack.token('publisher') });
    return load(
      frontDoor,
      files.map((file) => readFile(file, () => {})),
    );
  }

  /** What the log, the view, searches and whole records hold. */
  async function held() {
    const people = (await stack.fhir('GET', '/Patient?_count=1000')).json as Bundle;
    const records = [];
    for (const { resource } of people.entry ?? [])
      records.push([
        resource.id,
        (await stack.fhir('GET', `/Patient/${resource.id}/$everything?_count=1`)).json.total,
      ]);
    const conditions = (await stack.fhir('GET', '/Condition?_summary=count')).json.total as number;
    const status = (await stack.fhir('GET', `${stack.url}/status`, { as: 'operator' })).json as {
      people: number;
      resources: number;
      log: { position: number };
    };
    const { people: registered, resources, log } = status;
    return { people: registered, resources, position: log.position, records, conditions };
  }
});

describe.skipIf(!realDataPresent)(named('every other JSON resource of R4'), () => {
  it(
    'is stored and reads back equal, or is refused for a reason that was judged right',
    { timeout: 300_000 },
    async () => {
      const files = realFiles().filter(({ file }) => !file.startsWith('synthea-r4/'));
      await registerPeopleReferredTo(files);
      const refusals: string[] = [];
      const stored = new Map<string, number>();
      for (const { file, bytes, text } of files) {
        const type = typeOf(text);
        const answer = await post(type, bytes);
        expect(answer.status, file).toBeLessThan(500);
        const source = file.split('/')[0]!;
        if (answer.status < 300) {
          const { id } = answer.json as Resource;
          const read = await stack.fhir('GET', `/${type}/${id}`);
          expect(read.status, file).toBe(200);
          expect(content(asWritten(read.text) as Resource), file).toEqual(
            content(asWritten(text) as Resource),
          );
          stored.set(source, (stored.get(source) ?? 0) + 1);
        } else {
          expectActionable(answer, file, text);
          refusals.push([`${file} ${answer.status}`, ...problemLines(problemsOf(answer))].join('\n  '));
        }
      }
      const counts = [...stored].map(([source, count]) => `${source}: ${count} stored`);
      await expect(
        [...counts, `${refusals.length} refused`, '', ...refusals, ''].join('\n'),
      ).toMatchFileSnapshot('real-data.refusals.txt');
    },
  );

  /** As the refusal of a reference to nobody advises; ids that are NHS numbers or no ids at all cannot be registered. */
  async function registerPeopleReferredTo(files: readonly RealFile[]): Promise<void> {
    const ids = new Set(
      files.flatMap(({ text }) =>
        [...text.matchAll(/"Patient\/([^"/]+)(?:\/_history\/[^"]*)?"/g)].map(([, id]) => id!),
      ),
    );
    for (const id of ids) {
      const answer = await stack.fhir('PUT', `/Patient/${encodeURIComponent(id)}`, {
        body: { resourceType: 'Patient', id },
      });
      expect([201, 400, 404, 422]).toContain(answer.status);
    }
  }
});

describe.skipIf(!realDataPresent || isCluster)(named('care settings of all of it'), () => {
  it('are rebuilt byte for byte as they were kept, and are the same in another order across patients', async () => {
    const { json } = await stack.fhir('GET', `${stack.url}/status`, { as: 'operator' });
    expect(json.projections.map(({ lag, parked }: { lag: number; parked: [] }) => [lag, parked])).toEqual(json.projections.map(() => [0, []])); // prettier-ignore
    await stack.stop();
    const kept = keptIn(stack.folder);
    expect([...(await rebuiltFrom(stack.folder))]).toEqual([...kept]);
    expect(difference(await onSqlite(await permutedLog(stack.folder, 3)), kept)).toEqual([]);
  });
});

async function post(type: string, body: Buffer): Promise<Answer> {
  const headers = {
    authorization: `Bearer ${await stack.token('publisher')}`,
    'content-type': 'application/fhir+json',
  };
  const response = await fetch(`${stack.base}/${type}`, {
    method: 'POST',
    headers,
    body: new Uint8Array(body),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: JSON.parse(text) };
}

function problemsOf(answer: Answer): { code: string; expression?: string; message: string }[] {
  const { issue } = answer.json as { issue: { code: string; diagnostics: string; expression?: [string] }[] };
  return issue.map(({ code, diagnostics, expression }) => ({
    code,
    message: diagnostics,
    ...(expression && { expression: expression[0] }),
  }));
}

/** Says where in FHIRPath, or in which line where it is no JSON; says how to put it right; repeats nothing of the file. */
function expectActionable(answer: Answer, file: string, text: string): void {
  expect(answer.json.resourceType, file).toBe('OperationOutcome');
  const problems = problemsOf(answer);
  for (const { expression, message } of problems) {
    expect(expression ?? message, file).toMatch(
      expression === undefined ? /line \d+, column \d+/ : /^[A-Z]\w+/,
    );
    expect(message, file).toMatch(/\S{3}.*[.?]$/s);
  }
  const told = problems.map(({ message }) => message).join('\n');
  const values = new Set(text.startsWith('{') ? tellingStrings(asWritten(text)) : []);
  expect(
    [...values].filter((value) => told.includes(value)),
    file,
  ).toEqual([]);
}

/** Also of what is no JSON. */
function typeOf(text: string): string {
  const guessed = /"resourceType"\s*:\s*"(\w+)"/.exec(text)?.[1] ?? '';
  try {
    return (asWritten(text) as Partial<Resource>).resourceType ?? guessed;
  } catch {
    return guessed;
  }
}

/** JSON with its numbers as they are written: 1.0 is not 1.00. */
function asWritten(text: string): unknown {
  const keepNumbers = (_: string, value: unknown, { source }: { source?: string }): unknown =>
    typeof value === 'number' ? `number ${source}` : value;
  return JSON.parse(text.replace(/^\uFEFF/, ''), keepNumbers as (key: string, value: unknown) => unknown);
}

/** Without what a server sets. */
function content({ id: _, meta, ...rest }: Resource): unknown {
  const { versionId: _version, lastUpdated: _updated, ...kept } = (meta ?? {}) as Record<string, unknown>;
  return Object.keys(kept).length > 0 ? { ...rest, meta: kept } : rest;
}

function resolved(resource: Resource, targets: ReadonlyMap<string, string>): Resource {
  const text = JSON.stringify(resource, (_, value: unknown) =>
    typeof value === 'string' ? (targets.get(value) ?? value) : value,
  );
  return JSON.parse(text) as Resource;
}
