/** W3C Trace Context, level 1. Pure. */
export interface TraceParent {
  readonly traceId: string
  readonly parentSpanId: string
}

const TRACEPARENT =
  /^(?<version>[0-9a-f]{2})-(?<trace>[0-9a-f]{32})-(?<parent>[0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/

/** Null for a header that is missing or malformed: the standard has a receiver begin a trace of its own then. */
export function parseTraceparent(header: string | null): TraceParent | null {
  const groups = TRACEPARENT.exec(header?.trim() ?? '')?.groups
  const { version, trace, parent } = groups ?? {}
  if (trace === undefined || parent === undefined || version === 'ff') return null
  return /^0+$/.test(trace) || /^0+$/.test(parent) ? null : { traceId: trace, parentSpanId: parent }
}
