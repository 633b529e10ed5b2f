/** Loads the synthetic population into an empty log at the first start, and finishes the load if it was interrupted. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { issueToken, personas, type Config, type Log } from '@carelog/service-kit';
import { loadPopulation } from './commands/demo.ts';
import { dataPaths } from './paths.ts';

export const DEMO_SEED = 1;
export const DEMO_PEOPLE = 120;

/** What the data folder says of the load; no file means that it was not begun. */
type Marker = { readonly state: 'loading' | 'loaded'; readonly people: number; readonly seed: number };

/** Loads through the front door of the service at `url`. Does nothing where the log was begun by anything else. */
export async function loadDemoPopulation(
  config: Config,
  url: string,
  emptyLog: boolean,
  log: Log,
): Promise<void> {
  const path = dataPaths(config.dataFolder).demo;
  const marker = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Marker) : undefined;
  if (marker === undefined ? !emptyLog : marker.state === 'loaded') return;
  const plan = marker ?? { state: 'loading', people: DEMO_PEOPLE, seed: DEMO_SEED };
  const mark = (state: Marker['state']): void => writeFileSync(path, JSON.stringify({ ...plan, state }));
  mark('loading');
  const summary = await loadPopulation({
    url,
    people: plan.people,
    seed: plan.seed,
    token: () => publisherToken(config, url),
  });
  log.info({ recorded: summary.recorded, refused: summary.refused }, 'synthetic population loaded');
  if (summary.stopped === undefined) mark('loaded');
}

async function publisherToken({ dataFolder }: Config, url: string): Promise<string> {
  const outcome = await issueToken({ dataFolder, personas, persona: 'publisher', url });
  if (outcome.kind === 'refused') throw new Error(outcome.message);
  return outcome.token;
}
