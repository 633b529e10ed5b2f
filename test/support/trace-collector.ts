/** A collector of traces (OTLP over HTTP), which keeps what services hand to it. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface CollectedSpan {
  readonly name: string;
  readonly traceId: string;
  /** As the process calls itself. */
  readonly service: string;
}

export interface TraceCollector {
  /** Settings of a service that hands over what its clients ask to be traced, and soon. */
  readonly env: Readonly<Record<string, string>>;
  /** Everything that was handed over, as it came. */
  said(): string;
  spans(): CollectedSpan[];
  close(): void;
}

export async function startTraceCollector(): Promise<TraceCollector> {
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      bodies.push(Buffer.concat(parts).toString());
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      OTEL_TRACES_SAMPLER_ARG: '0',
      OTEL_BSP_SCHEDULE_DELAY: '100',
    },
    said: () => bodies.join(''),
    spans: () => bodies.flatMap(spansIn),
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

interface Handed {
  readonly resourceSpans: readonly {
    readonly resource: {
      readonly attributes: readonly {
        readonly key: string;
        readonly value: { readonly stringValue?: string };
      }[];
    };
    readonly scopeSpans: readonly { readonly spans: readonly Omit<CollectedSpan, 'service'>[] }[];
  }[];
}

function spansIn(body: string): CollectedSpan[] {
  return (JSON.parse(body) as Handed).resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue ?? '';
    return scopeSpans.flatMap(({ spans }) => spans.map(({ name, traceId }) => ({ name, traceId, service })));
  });
}
