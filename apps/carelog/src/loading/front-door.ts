/**
 * The way in that every client has: Bundles POSTed to the FHIR base of the running server. Waits while the server is
 * busy, tries again when the connection is lost (the key makes that safe), and says per entry what became of it.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Submission } from './submission.ts';

export interface EntryProblem {
  /** FHIRPath; absent where the problem is of the whole. */
  readonly expression?: string;
  readonly message: string;
}
export type EntryResult =
  | { readonly kind: 'recorded' | 'duplicate' }
  | { readonly kind: 'refused'; readonly status: number; readonly problems: readonly EntryProblem[] };

/** One result for each entry; or one for all, where the submission was refused as a whole. */
export type SubmissionResult =
  | { readonly kind: 'answered'; readonly entries: readonly EntryResult[] }
  | { readonly kind: 'refused'; readonly status: number; readonly problems: readonly EntryProblem[] };

/** The import cannot go on: the server is gone, does not let us in, or has no room. The message says what to do. */
export class FrontDoorClosed extends Error {}

export interface FrontDoorOptions {
  /** Address of the server, e.g. `http://127.0.0.1:8080`. */
  readonly url: string;
  /** A fresh token; asked for once, and again when the server no longer takes it. */
  readonly token: () => Promise<string>;
  /** How long a server that does not answer is waited for; 60 seconds unless told. */
  readonly patienceMs?: number;
  /** Ends waiting, not what is being sent. */
  readonly signal?: AbortSignal;
}

export interface FrontDoor {
  /** Throws `FrontDoorClosed`. */
  send(submission: Submission): Promise<SubmissionResult>;
}

const BUSY = new Set([429, 502, 503, 504]);

export async function openFrontDoor(options: FrontDoorOptions): Promise<FrontDoor> {
  const { url, patienceMs = 60_000, signal } = options;
  const base = `${url}/fhir/R4`;
  let token = await options.token();
  await refuseNobody(base);

  return {
    async send(submission) {
      const answer = await post(submission);
      if (answer.status !== 200)
        return { kind: 'refused', status: answer.status, problems: problemsOf(answer.body) };
      const { entry = [] } = answer.body as { entry?: { response: EntryResponse }[] };
      return { kind: 'answered', entries: entry.map(({ response }) => resultOf(response)) };
    },
  };

  async function post(submission: Submission): Promise<{ status: number; body: unknown }> {
    let renewed = false;
    let lostSince: number | undefined;
    for (let attempt = 0; ; attempt++) {
      const response = await fetch(base, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/fhir+json',
          accept: 'application/fhir+json',
          prefer: 'return=minimal',
          'idempotency-key': submission.idempotencyKey,
        },
        body: submission.body,
      })
        .then(async (received) => ({
          status: received.status,
          after: received.headers.get('retry-after'),
          text: await received.text(),
        }))
        .catch(() => undefined);
      if (response === undefined) {
        lostSince ??= Date.now();
        if (Date.now() - lostSince > patienceMs) throw new FrontDoorClosed(`No answer from ${url}. Start Carelog again with npm start, then import again: nothing is doubled.`); // prettier-ignore
        await pause(Math.min(5_000, 100 * 2 ** attempt));
        continue;
      }
      lostSince = undefined;
      if (BUSY.has(response.status)) {
        await pause(response.after ? Number(response.after) * 1000 : Math.min(5_000, 100 * 2 ** attempt));
      } else if (response.status === 401 && !renewed) {
        renewed = true;
        token = await options.token();
      } else {
        closedBy(response.status, url);
        return { status: response.status, body: parsed(response.text) };
      }
    }
  }

  async function pause(ms: number): Promise<void> {
    if (signal?.aborted)
      throw new FrontDoorClosed(
        'Stopped while waiting for the server. Import again later: nothing is doubled.',
      );
    await wait(Math.max(50, ms), undefined, { signal }).catch(() => undefined);
  }
}

interface EntryResponse {
  readonly status: string;
  readonly outcome?: { readonly issue?: readonly { readonly code: string }[] };
}

function resultOf({ status, outcome }: EntryResponse): EntryResult {
  const code = Number.parseInt(status, 10);
  if (code >= 300) return { kind: 'refused', status: code, problems: problemsOf(outcome) };
  const stoodBefore = outcome?.issue?.some((issue) => issue.code === 'duplicate') === true;
  return { kind: stoodBefore ? 'duplicate' : 'recorded' };
}

function problemsOf(outcome: unknown): EntryProblem[] {
  const { issue = [] } = (outcome ?? {}) as {
    issue?: { severity?: string; diagnostics?: string; details?: { text?: string }; expression?: string[] }[];
  };
  const errors = issue.filter(({ severity }) => severity !== 'warning' && severity !== 'information');
  if (errors.length === 0) return [{ message: 'It was refused without a reason.' }];
  return errors.map(({ diagnostics, details, expression }) => ({
    message: diagnostics ?? details?.text ?? 'Refused without a reason.',
    ...(expression?.[0] !== undefined && { expression: expression[0] }),
  }));
}

function closedBy(status: number, url: string): void {
  if (status === 401)
    throw new FrontDoorClosed(
      `${url} does not accept our token. CARELOG_DATA must be the data folder of that server.`,
    );
  if (status === 403) throw new FrontDoorClosed('This persona may not record. Use --as publisher.');
  if (status === 507)
    throw new FrontDoorClosed(
      'The server has no room left on its disk. Make room, then import again: nothing is doubled.',
    );
}

/** Throws `FrontDoorClosed` when nobody answers. */
async function refuseNobody(base: string): Promise<void> {
  const response = await fetch(`${base}/metadata`, { method: 'HEAD' }).catch(() => undefined);
  if (response !== undefined) return;
  throw new FrontDoorClosed(`No Carelog answers at ${base}. Start it with npm start, or name it with --url.`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
