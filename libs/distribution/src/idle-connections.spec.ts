import { createRequire } from 'node:module';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { letIdleConnectionsRest } from './idle-connections.ts';

interface Queue {
  throttledUntil: number;
  push(request: object): void;
  fulfillRequest(response: object): void;
}

const require = createRequire(import.meta.url);
const RequestQueue = require('kafkajs/src/network/requestQueue') as new (options: object) => Queue;

describe('a connection of kafkajs', () => {
  let sent: number[];

  beforeEach(() => {
    vi.useFakeTimers();
    letIdleConnectionsRest();
    sent = [];
  });
  afterEach(() => vi.useRealTimers());

  it('asks for nothing where nothing waits', () => {
    const queue = opened();
    send(queue, 1);
    queue.fulfillRequest({ correlationId: 1, payload: null, size: 0 });
    expect(sent).toEqual([1]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('sends what the broker told it to hold back, once the time is over, and rests again', () => {
    const queue = opened();
    queue.throttledUntil = Date.now() + 200;
    send(queue, 1);
    send(queue, 2);
    vi.advanceTimersByTime(199);
    expect(sent).toEqual([]);
    vi.advanceTimersByTime(20);
    expect(sent).toEqual([1, 2]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('sends what had to wait for an answer to another request', () => {
    const queue = opened(1);
    send(queue, 1);
    send(queue, 2);
    expect(sent).toEqual([1]);
    queue.fulfillRequest({ correlationId: 1, payload: null, size: 0 });
    expect(sent).toEqual([1, 2]);
    vi.advanceTimersByTime(50);
    expect(vi.getTimerCount()).toBe(0);
  });

  function opened(maxInFlightRequests: number | null = null): Queue {
    const logger = { debug() {}, warn() {} };
    return new RequestQueue({
      maxInFlightRequests,
      requestTimeout: 1_000,
      enforceRequestTimeout: false,
      logger,
    });
  }

  function send(queue: Queue, correlationId: number): void {
    const entry = { correlationId, resolve() {}, reject() {} };
    queue.push({ entry, expectResponse: true, sendRequest: () => sent.push(correlationId) });
  }
});
