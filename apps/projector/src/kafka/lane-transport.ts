/**
 * Brings Kafka's lanes to Nest's handlers. Nest's own transport for Kafka commits what nobody handled and takes an error for an
 * answer; here a batch counts as done when its handler says so, and is brought again otherwise.
 */
import {
  consumeLanes,
  KnownMessages,
  type KafkaSettings,
  type LaneConsumer,
  type LaneConsumerOptions,
} from '@carelog/distribution';
import { randomBytes } from 'node:crypto';
import { Server, type CustomTransportStrategy } from '@nestjs/microservices';
import type { LaneDelivery } from './view-projector.ts';

export interface LaneTransportOptions extends Pick<
  LaneConsumerOptions,
  'lanesAtOnce' | 'sessionMilliseconds' | 'clientId'
> {
  readonly kafka: KafkaSettings;
  readonly onFault: (fault: Error) => void;
}

/** What a handler answers. */
export type Delivery = { readonly isDone: true } | { readonly isDone: false; readonly fault: Error };

/**
 * Each handler's pattern is a consumer group of its own for each topic: the handlers of all processes share the lanes out
 * between them, and other installations on the same brokers are left alone.
 */
export class LaneTransport extends Server implements CustomTransportStrategy {
  readonly #options: LaneTransportOptions;
  readonly #consumers: LaneConsumer[] = [];

  constructor(options: LaneTransportOptions) {
    super();
    this.#options = options;
  }

  /** Calls back at once: where no broker answers yet, it is asked again until one does. */
  listen(callback: () => void): void {
    // Kafka deals lanes out in the order of these names: the handlers of a process have the same lanes, and look at a message once.
    const clientId = `carelog-projector-${randomBytes(6).toString('hex')}`;
    const known = new KnownMessages(this.messageHandlers.size);
    const { kafka, ...options } = this.#options;
    for (const pattern of this.messageHandlers.keys()) {
      const consumer = consumeLanes(kafka, {
        clientId,
        known,
        ...options,
        group: `${kafka.topic}-${pattern}`,
        onLanes: (lanes) => void this.#handle(pattern, { kind: 'lanes', lanes }).catch(options.onFault),
        onBatch: (batch) => this.#handle(pattern, { ...batch, kind: 'batch' }),
      });
      this.#consumers.push(consumer);
    }
    callback();
  }

  async close(): Promise<void> {
    await Promise.all(this.#consumers.splice(0).map((consumer) => consumer.close()));
  }

  override on(): never {
    throw new Error('This transport tells of nothing but what its options say.');
  }

  override unwrap<T>(): T {
    return this.#consumers as T;
  }

  async #handle(pattern: string, delivery: LaneDelivery): Promise<void> {
    const handler = this.getHandlerByPattern(pattern);
    if (handler === null) throw new Error(`Nothing handles ${pattern}.`);
    let answer: Delivery | undefined;
    await this.transformToObservable(await handler(delivery)).forEach((value: Delivery) => {
      answer = value;
    });
    if (answer === undefined) throw new Error(`The handler of ${pattern} answered nothing.`);
    if (!answer.isDone) throw answer.fault;
  }
}
