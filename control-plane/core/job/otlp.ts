import type { JobTrace, TraceAttempt } from '#protocol/trace.ts'
import type { TraceContext } from './facts.ts'

/**
 * A job's timeline as one OTLP/HTTP JSON body (OpenTelemetry protocol 1.x, `ExportTraceServiceRequest`): a span for the
 * job, one for each attempt, and for what an attempt did. No transcript, file name or key is in it. Pure.
 */
export function otlpBody(trace: JobTrace, context: TraceContext): unknown {
  const rootId = spanId(trace.job_id)
  const root = {
    traceId: trace.trace_id,
    spanId: rootId,
    ...(context.parentSpanId === null ? {} : { parentSpanId: context.parentSpanId }),
    name: 'transcription',
    kind: SPAN_KIND_INTERNAL,
    startTimeUnixNano: nanos(trace.created_at, 0),
    endTimeUnixNano: nanos(trace.completed_at ?? trace.created_at, 0),
    attributes: attributes({ 'dalston.job_id': trace.job_id, 'dalston.status': trace.status }),
    status: { code: trace.status === 'failed' ? STATUS_ERROR : STATUS_OK },
  }
  const spans = [root, ...trace.attempts.flatMap((attempt) => attemptSpans(trace.trace_id, rootId, attempt))]
  return {
    resourceSpans: [
      {
        resource: { attributes: attributes({ 'service.name': 'dalston' }) },
        scopeSpans: [{ scope: { name: 'dalston' }, spans }],
      },
    ],
  }
}

const SPAN_KIND_INTERNAL = 1
const STATUS_OK = 1
const STATUS_ERROR = 2

/** The attempt, and inside it what it waited for and did, one after another. */
function attemptSpans(traceId: string, parentSpanId: string, attempt: TraceAttempt): unknown[] {
  const name = `${attempt.task_id}/${attempt.fence}`
  const ownId = spanId(name)
  const span = (id: string, parent: string, title: string, start: string, end: string) => ({
    traceId,
    spanId: id,
    parentSpanId: parent,
    name: title,
    kind: SPAN_KIND_INTERNAL,
    startTimeUnixNano: start,
    endTimeUnixNano: end,
  })
  const endedAt = attempt.ended_at ?? attempt.started_at ?? attempt.queued_at
  const whole = {
    ...span(ownId, parentSpanId, attempt.stage, nanos(attempt.queued_at, 0), nanos(endedAt, 0)),
    attributes: attributes({
      'dalston.task_id': attempt.task_id,
      'dalston.fence': attempt.fence,
      'dalston.engine': attempt.engine_id,
      'dalston.model': attempt.model_id,
      'dalston.agent': attempt.agent_id,
      'dalston.outcome': attempt.outcome,
      'dalston.error': attempt.error?.code ?? null,
    }),
    status: { code: attempt.error === null ? STATUS_OK : STATUS_ERROR },
  }
  let offsetMs = 0
  const phases = PHASES.flatMap(([phase, field]) => {
    const durationMs = attempt[field]
    if (durationMs === null || durationMs === 0) return []
    const start = nanos(attempt.queued_at, offsetMs)
    offsetMs += durationMs
    return [
      span(
        spanId(`${name}/${phase}`),
        ownId,
        `${attempt.stage}.${phase}`,
        start,
        nanos(attempt.queued_at, offsetMs),
      ),
    ]
  })
  return [whole, ...phases]
}

const PHASES = [
  ['queue', 'queue_ms'],
  ['transfer', 'transfer_ms'],
  ['swap', 'swap_ms'],
  ['load', 'load_ms'],
  ['run', 'run_ms'],
] as const

function attributes(values: Readonly<Record<string, string | number | null>>): unknown[] {
  return Object.entries(values).flatMap(([key, value]) => {
    if (value === null) return []
    return [{ key, value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: value } }]
  })
}

/** Nanoseconds as text: they are larger than a number can hold. */
function nanos(at: string, plusMs: number): string {
  return `${Date.parse(at) + plusMs}000000`
}

/** 16 hexadecimal digits from a name, the same whenever the body is made again: FNV-1a, 64 bits. */
function spanId(name: string): string {
  let hash = 0xcbf29ce484222325n
  for (let index = 0; index < name.length; index++) {
    hash = ((hash ^ BigInt(name.charCodeAt(index))) * 0x100000001b3n) & 0xffffffffffffffffn
  }
  return hash.toString(16).padStart(16, '0')
}
