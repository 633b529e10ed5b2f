/** An endpoint of rest-hooks, which answers as it is told, and keeps what it took. */
import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface TakenNotification {
  readonly type: string;
  /** How many events its subscription had. */
  readonly events: number;
  /** Event numbers, in order. */
  readonly numbers: readonly number[];
  readonly focuses: readonly string[];
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface HookEndpoint {
  readonly origin: string;
  /** Everything that came, also what was not taken. */
  readonly came: readonly TakenNotification[];
  /** What was answered with 2xx. */
  readonly taken: readonly TakenNotification[];
  /** How it answers from now on; 200 unless told. */
  answer: (request: IncomingMessage, response: ServerResponse) => void;
  /** Takes no connections any more. */
  close(): Promise<void>;
  /** Takes them again, where it did before. */
  open(): Promise<void>;
}

interface Parameter {
  readonly name: string;
  readonly valueCode?: string;
  readonly valueString?: string;
  readonly valueReference?: { readonly reference: string };
  readonly part?: readonly Parameter[];
}

export async function startHookEndpoint(): Promise<HookEndpoint> {
  const came: TakenNotification[] = [];
  const taken: TakenNotification[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const notification = read(Buffer.concat(parts).toString(), request.headers);
      came.push(notification);
      response.once('finish', () => {
        if (response.statusCode >= 200 && response.statusCode < 300) taken.push(notification);
      });
      endpoint.answer(request, response);
    });
  });
  const listen = (at: number): Promise<void> =>
    new Promise((resolve) => void server.listen(at, '127.0.0.1', resolve));
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const endpoint: HookEndpoint = {
    origin: `http://127.0.0.1:${port}`,
    came,
    taken,
    answer: (_, response) => void response.end(),
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
    open: () => listen(port),
  };
  return endpoint;
}

export function read(body: string, headers: IncomingHttpHeaders = {}): TakenNotification {
  const bundle = JSON.parse(body) as { entry: { resource: { parameter: Parameter[] } }[] };
  const { parameter } = bundle.entry[0]!.resource;
  const parts = parameter.filter(({ name }) => name === 'notification-event').map((it) => it.part ?? []);
  const of = (name: string) => parts.map((part) => part.find((it) => it.name === name));
  return {
    type: parameter.find(({ name }) => name === 'type')!.valueCode!,
    events: Number(parameter.find(({ name }) => name === 'events-since-subscription-start')!.valueString),
    numbers: of('event-number').map((it) => Number(it!.valueString)),
    focuses: of('focus').flatMap((it) => it?.valueReference?.reference.split('/').slice(-2).join('/') ?? []),
    headers,
    body,
  };
}

/** As https://www.standardwebhooks.com says that an endpoint checks. */
export function isSigned({ headers, body }: TakenNotification, secret: string): boolean {
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
  const text = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  const signature = createHmac('sha256', key).update(text).digest('base64');
  return headers['webhook-signature'] === `v1,${signature}`;
}
