/** The channels of FHIR Subscriptions in this process: numbering, rest-hooks and websockets, from when they start to when they stop. */
import type { Log } from '@carelog/service-kit';
import type { HookSender } from '@carelog/subscriptions';
import type { FastifyInstance } from 'fastify';
import type { Gateway } from '../gateway.ts';
import { Deliveries } from './deliveries.ts';
import { WEBSOCKET_PATH } from './operations.ts';
import { Websockets } from './websockets.ts';

export interface ChannelsOptions {
  readonly gateway: Gateway;
  readonly hooks: HookSender;
  readonly log: Pick<Log, 'warn' | 'debug'>;
  /** URL of the FHIR API; asked once channels have started. */
  readonly base: () => string;
}

export class Channels {
  readonly #deliveries: Deliveries;
  readonly #websockets: Websockets;
  readonly #hooks: HookSender;

  constructor(options: ChannelsOptions) {
    this.#hooks = options.hooks;
    this.#deliveries = new Deliveries(options);
    const onNumbered = this.#deliveries.onNumbered.bind(this.#deliveries);
    this.#websockets = new Websockets({ ...options, onNumbered });
  }

  /** Takes websockets at this server. */
  mount(server: FastifyInstance): void {
    server.upgrades.set(WEBSOCKET_PATH, (request, socket, head) =>
      this.#websockets.upgrade(request, socket, head),
    );
    server.addHook('preClose', (done) => {
      this.#websockets.close();
      done();
    });
  }

  /** What is under way. */
  load() {
    const { sending, waiting } = this.#hooks.load();
    return { ...this.#deliveries.load(), sending, waiting, websockets: this.#websockets.count };
  }

  start(): void {
    this.#deliveries.start();
  }

  /** A subscription was made, changed or ended here. */
  changed(): void {
    this.#deliveries.look();
  }

  /** Resolves when nothing more is sent. */
  async stop(): Promise<void> {
    this.#websockets.close();
    await this.#deliveries.stop();
  }
}
