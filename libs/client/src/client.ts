/** The way in: publishes activities to a Carelog server, and tells of what is recorded there. */
import { openConnection } from './connection.ts';
import { publishAll, type NewEvent, type PublishOptions, type PublishResult } from './publish.ts';
import { subscribe, type EventHandler, type SubscribeOptions } from './subscribe.ts';

export interface ClientOptions {
  /** Root of the server, e.g. `https://carelog.example.nhs.uk`; no path of the FHIR API. */
  readonly url: string;
  /** A bearer token. Asked once, and again when the server does not take it any more. */
  readonly token: () => string | Promise<string>;
  /** Instead of the global `fetch`. */
  readonly fetch?: typeof globalThis.fetch;
}

export interface CarelogClient {
  /**
   * Publishes one event, or several in their order, and says what became of each. Sends again what could not be sent or taken just
   * now, under the same ids, so that each is recorded once. Never rejects because of what a server says, or does not.
   */
  publish(event: NewEvent, options?: PublishOptions): Promise<PublishResult>;
  publish(events: readonly NewEvent[], options?: PublishOptions): Promise<readonly PublishResult[]>;
  /**
   * Gives each event once to the handler, in order, from where the cursor says; connects again whenever that is needed. Resolves
   * when the signal aborts. Rejects with a `CarelogError` where the server refuses, and with what the handler or the cursor throws.
   */
  subscribe(options: SubscribeOptions, handler: EventHandler): Promise<void>;
}

export function createClient(options: ClientOptions): CarelogClient {
  const connection = openConnection(options);
  function publish(event: NewEvent, options?: PublishOptions): Promise<PublishResult>;
  function publish(events: readonly NewEvent[], options?: PublishOptions): Promise<readonly PublishResult[]>;
  async function publish(
    sent: NewEvent | readonly NewEvent[],
    options: PublishOptions = {},
  ): Promise<PublishResult | readonly PublishResult[]> {
    if (isSeveral(sent)) return publishAll(connection, sent, options);
    const [result] = await publishAll(connection, [sent], options);
    return result!;
  }
  return { publish, subscribe: (options, handler) => subscribe(connection, options, handler) };
}

const isSeveral = (sent: NewEvent | readonly NewEvent[]): sent is readonly NewEvent[] => Array.isArray(sent);
