/** `carelog demo`: the synthetic population, through the front door of the running server. */
import { createHash } from 'node:crypto';
import { generatePopulation } from '@carelog/synthetic';
import type { TransactionBundle } from '@carelog/synthetic';
import type { Submission } from '../loading/submission.ts';
import type { Summary } from '../loading/load.ts';
import { load } from '../loading/load.ts';
import { openFrontDoor } from '../loading/front-door.ts';
import { printSummary } from '../loading/print-summary.ts';
import { serverUrl } from './settings.ts';
import { showProgress, stopOnInterrupt } from '../loading/progress.ts';
import { ownTokenOr } from './token.ts';

/** Answers the exit code. Throws `CommandFailure` when it could not begin. */
export async function demo(options: {
  patients: number;
  seed: number;
  url?: string;
  json?: true;
}): Promise<number> {
  const url = serverUrl(options.url);
  const begun = performance.now();
  const progress = showProgress(options.patients);
  const summary = await loadPopulation({
    url,
    token: () => ownTokenOr('publisher', url),
    people: options.patients,
    seed: options.seed,
    signal: stopOnInterrupt(),
    onPerson: () => progress.add(1),
    onProgress: progress.show,
  });
  progress.end();
  return printSummary(summary, { ms: performance.now() - begun, ...(options.json && { json: true }) });
}

export interface PopulationLoad {
  readonly url: string;
  readonly token: () => Promise<string>;
  readonly people: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
  readonly onPerson?: () => void;
  readonly onProgress?: (summary: Summary) => void;
}

/** Records the population, organisations first; what was recorded before is left as it is. Throws `FrontDoorClosed`. */
export async function loadPopulation(options: PopulationLoad): Promise<Summary> {
  const { url, token, people, seed, signal, onPerson, onProgress } = options;
  const frontDoor = await openFrontDoor({ url, token, ...(signal && { signal }) });
  const population = generatePopulation({ seed, people });
  const organisations = population.next();
  const how = { inFlight: 8, ...(signal && { signal }), ...(onProgress && { onProgress }) };
  const summary: Summary = { recorded: 0, duplicate: 0, refused: 0, refusals: [] };
  if (!organisations.done)
    await load(frontDoor, [submissions('organisations', organisations.value)], { ...how, summary });
  await load(frontDoor, persons(), { ...how, summary });
  return summary;

  function* persons(): Generator<Iterable<Submission>> {
    let number = 0;
    for (const bundles of population) {
      yield submissions(`person ${++number}`, bundles);
      onPerson?.();
    }
  }
}

/** A message that is repeated in the population has the identifier of the first, and so the same key. */
function* submissions(file: string, bundles: readonly TransactionBundle[]): Generator<Submission> {
  for (const bundle of bundles) {
    const { system, value } = bundle.identifier;
    const idempotencyKey = createHash('sha256').update(`${system}|${value}`).digest('base64url');
    yield {
      file,
      body: JSON.stringify(bundle),
      idempotencyKey,
      places: bundle.entry.map((entry) => entry.request.url),
    };
  }
}
