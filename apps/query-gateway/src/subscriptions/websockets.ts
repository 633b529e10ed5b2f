/**
 * The websocket channel: a client binds a connection to its subscriptions by a token, and is sent what gets a number from then on.
 * What it missed before it reads by `$events`. https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#websockets
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Log } from '@carelog/service-kit';
import type { StoredSubscription } from '@carelog/subscriptions';
import { WebSocketServer, type WebSocket } from 'ws';
import type { Gateway } from '../gateway.ts';
import { recordNotification } from './decide-notices.ts';
import { boundBy } from './binding-token.ts';
import { topics } from './event-filter.ts';
import type { Held } from './held.ts';
import { dueEvents } from './due-events.ts';
import { notificationText, type NotificationType } from './notification.ts';
import { termsOf, type Terms } from './parse-subscription.ts';
import { statusOf } from './served.ts';

export interface WebsocketsOptions {
  readonly gateway: Gateway;
  readonly log: Pick<Log, 'debug'>;
  /** URL of the FHIR API. */
  readonly base: () => string;
  /** Calls back with subscriptions that got numbers here. */
  readonly onNumbered: (listener: (held: Pick<Held, 'id' | 'events'>) => void) => () => void;
}

const BIND = 'bind-with-token ';
/** Connections that nobody bound yet, and how long one may stay so. */
const UNBOUND_MAX = 500;
const UNBOUND_OF_ADDRESS_MAX = 50;
const UNBOUND_MS = 10_000;
const BOUND_MAX = 10_000;
const SUBSCRIPTIONS_MAX = 100;
const MESSAGE_BYTES_MAX = 16 * 1024;
/** With so much not taken by the client it is hung up on: what it misses it reads by `$events`. */
const WAITING_BYTES_MAX = 4 * 1024 * 1024;
/** Numbers that another process gave are looked for so often, and whether a subscription has ended. */
const LOOK_EVERY_MS = 500;
const PING_EVERY_MS = 30_000;

const ENDED = 'The subscription has ended.';
/** https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1 */
const CLOSED = { goingAway: 1001, policy: 1008, tryAgain: 1013 } as const;

interface Bound {
  readonly id: string;
  stored: StoredSubscription;
  terms: Terms;
  /** The last number that was given, as far as is known here. */
  events: number;
  /** The last number that was sent. */
  sent: number;
  sentAt: number;
  /** Nothing may be told of what has a number up to this, and was not sent. */
  withheldUpTo: number;
}

class Connection {
  readonly socket: WebSocket;
  readonly bound = new Map<string, Bound>();
  isAlive = true;
  working: Promise<void> | undefined;
  isAskedAgain = false;

  constructor(socket: WebSocket) {
    this.socket = socket;
  }
}

export class Websockets {
  readonly #options: WebsocketsOptions;
  readonly #server = new WebSocketServer({ noServer: true, maxPayload: MESSAGE_BYTES_MAX, perMessageDeflate: false }); // prettier-ignore
  readonly #connections = new Set<Connection>();
  readonly #byId = new Map<string, Set<Connection>>();
  readonly #unbound = new Map<string, number>();
  #unboundCount = 0;
  #isLooking = false;
  readonly #timers: NodeJS.Timeout[];
  readonly #stopListening: () => void;
  readonly #waits = (fault: unknown): void => this.#options.log.debug({ fault: (fault as Error).name }, 'websockets wait'); // prettier-ignore

  constructor(options: WebsocketsOptions) {
    this.#options = options;
    this.#stopListening = options.onNumbered(({ id, events }) => this.#numbered(id, events));
    this.#timers = [
      setInterval(() => void this.#lookOnce(), LOOK_EVERY_MS).unref(),
      setInterval(() => this.#ping(), PING_EVERY_MS).unref(),
    ];
  }

  get count(): number {
    return this.#connections.size;
  }

  /** A request to become a websocket. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const address = request.socket.remoteAddress ?? '';
    const ofAddress = this.#unbound.get(address) ?? 0;
    const isFull =
      this.#unboundCount >= UNBOUND_MAX || ofAddress >= UNBOUND_OF_ADDRESS_MAX || this.count >= BOUND_MAX;
    if (isFull) {
      socket.end('HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'); // prettier-ignore
      return;
    }
    this.#server.handleUpgrade(request, socket, head, (opened) => this.#welcome(opened, address));
  }

  close(): void {
    this.#stopListening();
    for (const timer of this.#timers) clearInterval(timer);
    for (const { socket } of this.#connections) socket.close(CLOSED.goingAway, 'The server is ending.');
    this.#server.close();
    // Whoever does not answer the goodbye is not waited for.
    setTimeout(() => this.#connections.forEach(({ socket }) => socket.terminate()), 1_000).unref();
  }

  #welcome(socket: WebSocket, address: string): void {
    const connection = new Connection(socket);
    this.#connections.add(connection);
    this.#unboundCount += 1;
    this.#unbound.set(address, (this.#unbound.get(address) ?? 0) + 1);
    let isCounted = true;
    const settle = (): void => {
      if (!isCounted) return;
      isCounted = false;
      clearTimeout(overdue);
      this.#unboundCount -= 1;
      const left = this.#unbound.get(address)! - 1;
      if (left === 0) this.#unbound.delete(address);
      else this.#unbound.set(address, left);
    };
    const overdue = setTimeout(() => socket.close(CLOSED.policy, 'Nobody bound this connection in time.'), UNBOUND_MS); // prettier-ignore
    socket.on('error', (fault) => this.#options.log.debug({ fault: fault.name }, 'a websocket failed'));
    socket.on('pong', () => (connection.isAlive = true));
    socket.on('close', () => {
      settle();
      this.#connections.delete(connection);
      for (const id of connection.bound.keys()) this.#unbind(connection, id);
    });
    socket.on('message', (data, isBinary) => {
      const text = isBinary ? '' : (data as Buffer).toString();
      this.#bind(connection, text).then(
        (isBound) => isBound && settle(),
        () => socket.close(CLOSED.tryAgain, 'The subscriptions cannot be read just now. Come again in a moment.'), // prettier-ignore
      );
    });
  }

  /** False, and the end of the connection, where the message is no token that is good now. */
  async #bind(connection: Connection, text: string): Promise<boolean> {
    const { store, key } = this.#options.gateway.subscriptions;
    const { socket, bound } = connection;
    const binding = text.startsWith(BIND)
      ? boundBy(key, text.slice(BIND.length).trim(), Date.now())
      : undefined;
    if (binding === undefined || bound.size + binding.ids.length > SUBSCRIPTIONS_MAX) {
      socket.close(CLOSED.policy, 'Send bind-with-token and a token of $get-ws-binding-token that is not over.'); // prettier-ignore
      return false;
    }
    const found = await Promise.all(binding.ids.map((id) => store.read(id)));
    if (socket.readyState !== socket.OPEN) return false;
    for (const stored of found.filter((it) => it !== undefined)) {
      const terms = termsOf(stored.resource, topics);
      // It may have changed since there was a token for it.
      if (statusOf(stored) === 'off' || terms.channel.type !== 'websocket') continue;
      const its = { id: stored.id, stored, terms, events: stored.events, sent: stored.events, sentAt: Date.now(), withheldUpTo: 0 }; // prettier-ignore
      bound.set(stored.id, its);
      const others = this.#byId.get(stored.id) ?? new Set();
      this.#byId.set(stored.id, others.add(connection));
      this.#send(connection, its, 'handshake');
    }
    if (bound.size === 0) socket.close(CLOSED.policy, ENDED);
    this.#work(connection);
    return bound.size > 0;
  }

  #unbind(connection: Connection, id: string): void {
    connection.bound.delete(id);
    const others = this.#byId.get(id);
    others?.delete(connection);
    if (others?.size === 0) this.#byId.delete(id);
  }

  #numbered(id: string, events: number): void {
    for (const connection of this.#byId.get(id) ?? []) {
      const its = connection.bound.get(id)!;
      its.events = Math.max(its.events, events);
      this.#work(connection);
    }
  }

  /** A look that takes long is not overtaken by the next one. */
  async #lookOnce(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    await this.#look().catch(this.#waits);
    this.#isLooking = false;
  }

  /** One question for all of them. */
  async #look(): Promise<void> {
    if (this.#byId.size === 0) return;
    const found = await this.#options.gateway.subscriptions.store.progress([...this.#byId.keys()]);
    for (const [id, connections] of this.#byId) {
      const progress = found.get(id);
      if (progress === undefined || statusOf(progress) === 'off')
        for (const connection of [...connections]) this.#end(connection, id);
      else this.#numbered(id, progress.events);
    }
  }

  #end(connection: Connection, id: string): void {
    this.#unbind(connection, id);
    if (connection.bound.size === 0) connection.socket.close(CLOSED.policy, ENDED);
  }

  #ping(): void {
    for (const connection of this.#connections) {
      if (!connection.isAlive) connection.socket.terminate();
      connection.isAlive = false;
      connection.socket.ping();
    }
  }

  /** One thing after the other, so that numbers come in their order. */
  #work(connection: Connection): void {
    if (connection.working !== undefined) {
      connection.isAskedAgain = true;
      return;
    }
    connection.isAskedAgain = false;
    connection.working = this.#tellAll(connection)
      .catch(this.#waits)
      .finally(() => {
        connection.working = undefined;
        if (connection.isAskedAgain) this.#work(connection);
      });
  }

  async #tellAll(connection: Connection): Promise<void> {
    for (const its of [...connection.bound.values()]) {
      while (its.sent < its.events && (await this.#tell(connection, its)));
      const { heartbeatSeconds } = its.terms.channel;
      if (heartbeatSeconds !== undefined && Date.now() - its.sentAt >= heartbeatSeconds * 1_000)
        this.#send(connection, its, 'heartbeat');
    }
  }

  /** The next ones; false where there is nothing that may be told now. */
  async #tell(connection: Connection, its: Bound): Promise<boolean> {
    const { gateway, base } = this.#options;
    const { store } = gateway.subscriptions;
    if (connection.socket.readyState !== connection.socket.OPEN || its.withheldUpTo >= its.events)
      return false;
    // With whose token it is decided, and how much is told, as it stands now.
    const stored = await store.read(its.id);
    if (stored !== undefined && stored.resource !== its.stored.resource)
      its.terms = termsOf(stored.resource, topics);
    if (stored === undefined || statusOf(stored) === 'off' || its.terms.channel.type !== 'websocket') {
      this.#end(connection, its.id);
      return false;
    }
    its.stored = stored;
    its.events = Math.max(its.events, stored.events);
    const { owner } = stored;
    const { id, terms, sent, events: upTo } = its;
    const due = await dueEvents(gateway, store, { id, owner, terms, told: sent, events: upTo });
    if (due === undefined) {
      its.withheldUpTo = upTo;
      return false;
    }
    const { events, account } = due;
    const last = events.at(-1)!.number;
    if (account.shown.versions !== '') {
      const to = { caller: owner, correlation: `${id}-${last}`, base: base(), subscription: id };
      if (!(await recordNotification(gateway, to, account))) return false;
    }
    this.#send(connection, its, 'event-notification', events);
    gateway.told.websocket += events.length;
    its.sent = last;
    return true;
  }

  #send(
    { socket }: Connection,
    its: Bound,
    type: NotificationType,
    events: Parameters<typeof notificationText>[0]['events'] = [],
  ): void {
    const { stored, terms } = its;
    const subscription = { ...stored, events: Math.max(its.events, stored.events), topic: terms.topic };
    socket.send(notificationText({ type, subscription, base: this.#options.base(), content: terms.channel.content, events })); // prettier-ignore
    its.sentAt = Date.now();
    if (socket.bufferedAmount > WAITING_BYTES_MAX) socket.close(CLOSED.tryAgain, 'Too much waits to be taken. Read on by $events.'); // prettier-ignore
  }
}
