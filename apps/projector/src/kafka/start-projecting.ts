/** A Nest microservice that keeps views from Kafka's lanes: for each view one controller, over a transport of our own. */
import { Controller, type DynamicModule, type LoggerService, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, Payload } from '@nestjs/microservices';
import { LaneTransport, type Delivery, type LaneTransportOptions } from './lane-transport.ts';
import { ViewProjector, type Ground, type LaneDelivery, type View } from './view-projector.ts';

export interface ProjectingOptions extends Omit<LaneTransportOptions, 'onFault'> {
  readonly views: readonly View<unknown>[];
  readonly ground: Ground;
}

export interface Projecting {
  readonly projectors: readonly Pick<ViewProjector<unknown>, 'view' | 'isReady' | 'samples'>[];
  /** Resolves when the batches at work are done and the groups are left. The views stay open. */
  close(): Promise<void>;
}

/** Resolves at once: lanes come when Kafka is there and has shared them out. */
export async function startProjecting({
  views,
  ground,
  ...transport
}: ProjectingOptions): Promise<Projecting> {
  const { log } = ground;
  const projectors = views.map((view) => new ViewProjector(view, ground));
  const root: DynamicModule = {
    module: class Projector {},
    controllers: projectors.map(controllerOf),
  };
  const app = await NestFactory.createMicroservice(root, {
    strategy: new LaneTransport({
      ...transport,
      onFault: ({ name, message }) => log.warn({ fault: name }, `Kafka is connected to anew: ${message}`),
    }),
    logger: quiet,
    abortOnError: false,
  });
  await app.listen();
  return {
    projectors,
    async close() {
      await app.close();
      await Promise.all(projectors.map((projector) => projector.stop()));
    },
  };
}

// Written as calls, because decorators are no part of what Node strips.
function controllerOf(projector: ViewProjector<unknown>): Type {
  class ViewController {
    // Nest would log a fault that is thrown, with its stack, and hand on another one.
    deliver(delivery: LaneDelivery): Promise<Delivery> {
      return projector.deliver(delivery).then(
        () => ({ isDone: true }),
        (fault: Error) => ({ isDone: false, fault }),
      );
    }
  }
  const { prototype } = ViewController;
  Controller()(ViewController);
  Payload()(prototype, 'deliver', 0);
  EventPattern(projector.view.name)(
    prototype,
    'deliver',
    Object.getOwnPropertyDescriptor(prototype, 'deliver')!,
  );
  return ViewController;
}

/** Faults of ours are logged where they are known; what Nest says of them has their stacks in it. */
const quiet: LoggerService = { log() {}, warn() {}, error() {} };
