/**
 * The life of an activity as OpenTelemetry spans, from the request to the view that shows it, in whichever processes that
 * happens. Off unless OTEL_EXPORTER_OTLP_ENDPOINT names a collector; then it costs one comparison a step. Spans hold words
 * and numbers of ours: no address, no id, nothing of a patient. https://opentelemetry.io/docs/specs/otel/protocol/exporter/
 *
 * One for each process, as OpenTelemetry means it: whoever takes a step says so where it is taken.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Span as OtelSpan, SpanContext } from '@opentelemetry/api';
import type { Log } from './log.ts';

export type Step = 'received' | 'accepted' | 'recorded' | 'relayed' | 'projected' | 'served';

/** Words and numbers of ours, e.g. `{ projection: 'record', lane: 3 }`. */
export type Facts = Readonly<Record<string, string | number>>;

export interface Span {
  /** W3C `traceparent` for what happens because of it; absent where it is not traced. */
  readonly trace?: string;
  end(facts?: Facts, as?: Step): void;
}

export interface Tracing {
  /** Everything until now is handed to the collector, or given up after its time. */
  close(): Promise<void>;
}

interface Tracer {
  begin(
    step: Step,
    parent: SpanContext | undefined,
    startedAt: number | undefined,
    links: SpanContext[],
  ): Span;
  /** Of all requests, the share that is traced though their clients do not ask for it. */
  readonly share: number;
}

let tracer: Tracer | undefined;

/** Without a collector that answers, the exporter would try for longer than a service may take to stop. */
const handOverMilliseconds = 2_000;

/**
 * Traces this process from now on where the environment says so: OTEL_EXPORTER_OTLP_ENDPOINT (and the other settings of
 * OpenTelemetry's exporter), OTEL_SERVICE_NAME, and OTEL_TRACES_SAMPLER_ARG, the share of requests traced, 1 unless told.
 */
export async function startTracing(
  service: string,
  log: Log,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<Tracing> {
  if ((env['OTEL_EXPORTER_OTLP_ENDPOINT'] ?? '') === '') return { close: async () => {} };
  // Loaded only here: a process that does not trace has none of it in memory.
  const [api, sdk, { resourceFromAttributes }, { OTLPTraceExporter }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/exporter-trace-otlp-http'),
  ]);
  const failed = (): void => log.warn('spans could not be handed to the collector');
  const ignored = (): void => {};
  api.diag.setLogger({ error: failed, warn: ignored, info: ignored, debug: ignored, verbose: ignored });
  const provider = new sdk.TracerProvider({
    resource: resourceFromAttributes({ 'service.name': env['OTEL_SERVICE_NAME'] ?? `carelog-${service}` }),
    spanProcessors: [new sdk.BatchSpanProcessor({ exporter: new OTLPTraceExporter() })],
  });
  const spans = provider.getTracer('carelog');
  tracer = {
    share: shareOf(env['OTEL_TRACES_SAMPLER_ARG']),
    begin(step, parent, startedAt, links) {
      const context =
        parent === undefined ? api.ROOT_CONTEXT : api.trace.setSpanContext(api.ROOT_CONTEXT, parent);
      const options = {
        links: links.map((linked) => ({ context: linked })),
        ...(startedAt !== undefined && { startTime: startedAt }),
      };
      return spanOf(spans.startSpan(step, options, context));
    },
  };
  return {
    async close() {
      tracer = undefined;
      await Promise.race([provider.shutdown().catch(failed), delay(handOverMilliseconds)]);
    },
  };
}

/** Whether this process traces: asked once where asking each time would cost. */
export function isTracing(): boolean {
  return tracer !== undefined;
}

/**
 * A request arrived. It begins a trace of its own, so that nothing a client sends gets into the log: the trace that the
 * client carries (`traceparent`) is linked, and asks for this one where it is sampled.
 */
export function spanOfRequest(carried: unknown): Span {
  if (tracer === undefined) return UNTRACED;
  const client = typeof carried === 'string' ? contextOf(carried) : undefined;
  const isAsked = client !== undefined && (client.traceFlags & SAMPLED) !== 0;
  if (!isAsked && Math.random() >= tracer.share) return UNTRACED;
  return tracer.begin('received', undefined, undefined, client === undefined ? [] : [client]);
}

/** A step within a trace of ours, from now on, or since `startedAt` (milliseconds since 1970). */
export function spanIn(trace: string | undefined, step: Step, startedAt?: number): Span {
  if (tracer === undefined || trace === undefined) return UNTRACED;
  const parent = contextOf(trace);
  return parent === undefined ? UNTRACED : tracer.begin(step, parent, startedAt, []);
}

const UNTRACED: Span = { end() {} };
const SAMPLED = 1;

function spanOf(span: OtelSpan): Span {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return {
    trace: `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`,
    end(facts = {}, as) {
      if (as !== undefined) span.updateName(as);
      span.setAttributes(facts).end();
    },
  };
}

/** https://www.w3.org/TR/trace-context/#traceparent-header-field-values */
function contextOf(traceparent: string): SpanContext | undefined {
  const [, traceId = '', spanId = '', flags = ''] =
    /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(traceparent) ?? [];
  if (!/[1-9a-f]/.test(traceId) || !/[1-9a-f]/.test(spanId)) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & SAMPLED, isRemote: true };
}

function shareOf(text: string | undefined): number {
  const share = Number(text ?? 1);
  return share >= 0 && share <= 1 ? share : 1;
}
