// With a collector that is a server of ours: what a site's own would get.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLog } from './log.ts';
import { spanIn, spanOfRequest, startTracing, type Tracing } from './tracing.ts';

interface ExportedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly links?: readonly { readonly traceId: string }[];
  readonly attributes: readonly { readonly key: string; readonly value: object }[];
  readonly startTimeUnixNano: string;
}

const log = createLog('silent');
const carried = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const spans: ExportedSpan[] = [];
const collector = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    const body = JSON.parse(Buffer.concat(parts).toString()) as Exported;
    for (const { scopeSpans } of body.resourceSpans)
      for (const scope of scopeSpans) spans.push(...scope.spans);
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
});
interface Exported {
  readonly resourceSpans: readonly { readonly scopeSpans: readonly { readonly spans: ExportedSpan[] }[] }[];
}

let tracing: Tracing;

beforeEach(async () => {
  spans.length = 0;
  collector.listen(0, '127.0.0.1');
  await once(collector, 'listening');
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] =
    `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
  process.env['OTEL_TRACES_SAMPLER_ARG'] = '0';
  tracing = await startTracing('test', log);
});
afterEach(async () => {
  await tracing.close();
  collector.close();
  delete process.env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  delete process.env['OTEL_TRACES_SAMPLER_ARG'];
});

describe('the trace of an activity', () => {
  it('goes from step to step, also by way of another process, in one trace', async () => {
    const received = spanOfRequest(carried);
    const begun = Date.now() - 500;
    spanIn(received.trace, 'recorded').end({ events: 2 });
    spanIn(received.trace, 'projected', begun).end({ projection: 'record', lane: 1 });
    received.end({ status: 201 });
    await tracing.close();
    const [recorded, projected, root] = spans;
    expect(spans.map(({ name }) => name)).toEqual(['recorded', 'projected', 'received']);
    expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
    expect([recorded!.parentSpanId, projected!.parentSpanId]).toEqual([root!.spanId, root!.spanId]);
    expect(Number(projected!.startTimeUnixNano) / 1e6).toBeCloseTo(begun, -1);
    expect(recorded!.attributes).toEqual([{ key: 'events', value: { intValue: 2 } }]);
  });

  it('is its own, linked to that of the client: what a client sends does not get into the log', async () => {
    const received = spanOfRequest(carried);
    received.end();
    await tracing.close();
    expect(received.trace).not.toContain('0af7651916cd43dd8448eb211c80319c');
    expect(spans[0]!.links!.map(({ traceId }) => traceId)).toEqual(['0af7651916cd43dd8448eb211c80319c']);
  });

  it.each([
    ['is not sampled', carried.replace(/01$/, '00')],
    ['is none', undefined],
    ['is all zeros', `00-${'0'.repeat(32)}-${'0'.repeat(16)}-01`],
    ['is something else', `${carried}; drop`],
  ])('is not begun where that of the client %s and the share is 0', (_, header) => {
    expect(spanOfRequest(header).trace).toBeUndefined();
    expect(spanIn(undefined, 'recorded').trace).toBeUndefined();
  });
});

it('is off without a collector', async () => {
  await tracing.close();
  delete process.env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  await startTracing('test', log);
  expect(spanOfRequest(carried).trace).toBeUndefined();
});

it('outlives a collector that is not there', async () => {
  collector.closeAllConnections();
  collector.close();
  const received = spanOfRequest(carried);
  received.end();
  await expect(tracing.close()).resolves.toBeUndefined();
});
