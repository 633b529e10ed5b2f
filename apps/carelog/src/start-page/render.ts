/** The start page: what runs, how far it is, and how to get in. Holds nothing that a stranger may not see. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import nunjucks from 'nunjucks';

export interface StartPageFacts {
  readonly version: string;
  readonly startedAt: Date;
  /** Whether a made-up population is loaded into an empty log. */
  readonly demo: boolean;
  readonly people: number;
  readonly events: number;
  /** Position of the last event of the log. */
  readonly head: number;
  readonly projections: readonly ProjectionFacts[];
  readonly personas: readonly { readonly name: string; readonly title: string }[];
  /** How clients reach the service, without a slash at the end. */
  readonly url: string;
}

export interface ProjectionFacts {
  readonly name: string;
  readonly position: number;
  /** Events of the log that it has not applied yet. */
  readonly lag: number;
  /** Patients whose part of the view stopped at an event that it could not apply. */
  readonly parked: number;
}

/** The folder that holds `nhsuk/`: templates, style sheet and images of nhsuk-frontend. */
export const nhsukFolder = join(
  dirname(fileURLToPath(import.meta.resolve('nhsuk-frontend/package.json'))),
  'dist',
);

const templates = new nunjucks.Environment(
  new nunjucks.FileSystemLoader([import.meta.dirname, nhsukFolder]),
  { autoescape: true, trimBlocks: true, lstripBlocks: true },
);

/** A whole HTML document. Pure: the same facts give the same page. */
export function renderStartPage(facts: StartPageFacts): string {
  return templates.render('start-page.njk', {
    ...facts,
    startedAt: { iso: facts.startedAt.toISOString(), text: moment.format(facts.startedAt) },
    people: count(facts.people),
    events: count(facts.events),
    head: count(facts.head),
    projections: facts.projections.map(({ name, position, lag, parked }) => ({
      name,
      position: count(position),
      lag: count(lag),
      state: stateOf(lag, parked),
    })),
  });
}

function stateOf(lag: number, parked: number): { text: string; colour: string } {
  if (parked > 0)
    return { text: `Incomplete for ${count(parked)} ${parked === 1 ? 'person' : 'people'}`, colour: 'red' };
  return lag === 0 ? { text: 'Up to date', colour: 'green' } : { text: 'Catching up', colour: 'yellow' };
}

const count = (number: number): string => number.toLocaleString('en-GB');
const moment = new Intl.DateTimeFormat('en-GB', {
  dateStyle: 'long',
  timeStyle: 'short',
  timeZone: 'Europe/London',
});
