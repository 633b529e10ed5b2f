/**
 * An application that follows `GET /events` with the client library, as a process of its own, to be killed. What it does with an
 * event is to write a line, in which its cursor is too: both are kept, or neither.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { createClient } from '../../../libs/client/src/index.ts';

export interface ClientChildSettings {
  readonly urls: readonly string[];
  readonly token: string;
  readonly subscriptions: readonly {
    readonly file: string;
    readonly query: Readonly<Record<string, string>>;
  }[];
}

export interface ClientLine {
  readonly place: string;
  /** Absent where nothing was for it up to there. */
  readonly resource?: string;
  readonly version?: number;
}

/** What it has written; a line that was broken off is none. */
export function linesOf(file: string): readonly ClientLine[] {
  if (!existsSync(file)) return [];
  const text = readFileSync(file, 'utf8');
  return text.slice(0, text.lastIndexOf('\n') + 1).split('\n').filter(Boolean).map((line) => JSON.parse(line) as ClientLine); // prettier-ignore
}

const given = process.env['CLIENT_CHILD'];
if (given !== undefined) {
  // Without whoever started it there is nobody to tell.
  process.once('disconnect', () => process.exit());
  await follow(JSON.parse(given) as ClientChildSettings);
}

async function follow({ urls, token, subscriptions }: ClientChildSettings): Promise<void> {
  let asked = Math.floor(Math.random() * urls.length);
  // As behind a load balancer.
  const balanced: typeof fetch = (input, init) => {
    const { pathname, search } = new URL(String(input));
    return fetch(urls[(asked += 1) % urls.length]! + pathname + search, init);
  };
  const client = createClient({ url: 'http://carelog.invalid', token: () => token, fetch: balanced });
  await Promise.all(
    subscriptions.map(({ file, query }) => {
      let kept = linesOf(file).at(-1)?.place;
      const keep = (line: ClientLine): void => {
        appendFileSync(file, `${JSON.stringify(line)}\n`);
        kept = line.place;
      };
      const cursor = {
        load: () => kept,
        save: (place: string) => (place === kept ? undefined : keep({ place })),
      };
      return client.subscribe({ ...query, cursor }, (event, place) =>
        keep({ place, resource: String(event['resource']), version: Number(event['versionid']) }),
      );
    }),
  );
}
