/** The activity writer as a Nest microservice: gateways hand over requests through it, over TLS with the services' own key. */
import type { AddressInfo, Server } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { ALIVE_PATTERN, RECORD_PATTERN, type RecordActivity, type RecordRequest, type WriterAnswer } from '@carelog/activity'; // prettier-ignore
import { describeFault, nestLog, tlsForServices, type Log } from '@carelog/service-kit';
import { NestFactory } from '@nestjs/core';
import { ServerTCP } from '@nestjs/microservices';

export interface WriterServiceOptions {
  readonly recordActivity: RecordActivity;
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  readonly serviceKey: Buffer;
  readonly log: Log;
}

export interface WriterService {
  readonly port: number;
  /** Requests that are being recorded now. */
  readonly inHand: number;
  /** Takes nothing more, answers what it has in hand, and resolves when nobody is connected any more. */
  close(): Promise<void>;
}

/** What is in hand is waited for at most so long. */
const DRAIN_MAX_MS = 8_000;
const LOOK_MS = 10;
const ENDING: WriterAnswer = { kind: 'ending' };

/** Resolves when requests are taken. Rejects where the port cannot be bound. */
export async function startWriterService(options: WriterServiceOptions): Promise<WriterService> {
  const { recordActivity, host, port, serviceKey, log } = options;
  let inHand = 0;
  let isEnding = false;

  async function record(request: RecordRequest): Promise<WriterAnswer> {
    if (isEnding) return ENDING;
    inHand += 1;
    try {
      return { kind: 'outcomes', outcomes: await recordActivity.record(request) };
    } catch (fault) {
      log.error(describeFault(fault), 'a request could not be recorded');
      return { kind: 'fault' };
    } finally {
      inHand -= 1;
    }
  }

  const server = new ServerTCP({ host, port, tlsOptions: tlsForServices(serviceKey) });
  server.addHandler(RECORD_PATTERN, record);
  server.addHandler(ALIVE_PATTERN, async () => !isEnding);
  class Writer {}
  const app = await NestFactory.createMicroservice(Writer, {
    strategy: server,
    logger: nestLog(log),
    abortOnError: false,
  });
  await app.listen();
  const { port: bound } = server.unwrap<Server>().address() as AddressInfo;
  let closing: Promise<void> | undefined;
  return {
    port: bound,
    get inHand() {
      return inHand;
    },
    close: () => (closing ??= end()),
  };

  async function end(): Promise<void> {
    isEnding = true;
    const overdue = performance.now() + DRAIN_MAX_MS;
    while (inHand > 0 && performance.now() < overdue) await delay(LOOK_MS);
    await app.close();
  }
}
