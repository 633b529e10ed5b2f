/** Reads `GET /events` as a client does that knows no more of it than its standard: https://html.spec.whatwg.org/multipage/server-sent-events.html */
import { get, type IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';

export interface ReadEvent {
  readonly id: string;
  /** A CloudEvent. */
  readonly data: Readonly<Record<string, string>>;
}

export interface EventReader {
  readonly status: number;
  /** Of an answer that is no stream. */
  readonly text: string;
  readonly events: readonly ReadEvent[];
  /** What it would send as `Last-Event-ID`: of the last event, or of a sign of life since. */
  readonly lastId: string | undefined;
  readonly isEnded: boolean;
  /** Resolves when the connection is no more. */
  readonly ended: Promise<void>;
  /** Takes nothing from the connection until it is told to go on. */
  pause(): void;
  resume(): void;
  /** Breaks the connection. */
  break(): void;
}

/** Resolves when the head of the answer is there. `headers`: `authorization` or `cookie`, and where it goes on. */
export async function readEvents(
  url: string,
  headers: Readonly<Record<string, string>>,
): Promise<EventReader> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get(url, { headers: { accept: 'text/event-stream', ...headers } }, resolve).once('error', reject);
  });
  const events: ReadEvent[] = [];
  const reader = {
    status: response.statusCode!,
    text: '',
    events,
    lastId: headers['last-event-id'],
    isEnded: false,
    ended: new Promise<void>((resolve) => void response.once('close', resolve)),
    pause: () => void response.pause(),
    resume: () => void response.resume(),
    break: () => void response.destroy(),
  };
  response.on('error', () => {});
  response.once('close', () => (reader.isEnded = true));
  if (reader.status !== 200) {
    for await (const part of response) reader.text += String(part);
    return reader;
  }
  let id = reader.lastId;
  let data: string | undefined;
  const lines = createInterface({ input: response, crlfDelay: Infinity });
  // What is broken off is an end like any other.
  lines.on('error', () => {});
  lines.on('line', (line) => {
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = line.slice(colon + 1).replace(/^ /, '');
    if (field === 'id') id = value;
    else if (field === 'data') data = data === undefined ? value : `${data}\n${value}`;
    else if (line === '') {
      reader.lastId = id;
      if (data !== undefined) events.push({ id: id!, data: JSON.parse(data) as ReadEvent['data'] });
      data = undefined;
    }
  });
  return reader;
}
