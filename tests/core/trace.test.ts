import { describe, expect, test } from 'vitest'
import { factsFrom } from '#core/job/load.ts'
import { otlpBody } from '#core/job/otlp.ts'
import { jobTrace } from '#core/job/trace.ts'
import { coreSettings } from '#core/settings.ts'
import { parseTraceparent } from '#core/traceparent.ts'
import { DEFAULT_SETTINGS } from '#protocol/settings.ts'
import { JobTrace } from '#protocol/trace.ts'
import { agentId, aJob, failed } from './kit/builders.ts'
import { JobRun } from './kit/job-run.ts'

/** Where a job spent its time, and how collectors get it. */
const traceOf = (run: JobRun) => JobTrace.parse(jobTrace(factsFrom(run.records.read())))

describe('the timeline', () => {
  test('[TR1] each attempt has its queue, and what it did, as measured', () => {
    const run = JobRun.created()
    run.nowMs += 1_500
    run.start('prepare')
    run.nowMs += 400
    run.finish('prepare')
    const [prepare, transcribe] = traceOf(run).attempts
    expect(prepare).toMatchObject({
      stage: 'prepare',
      fence: 1,
      outcome: 'completed',
      agent_id: agentId(),
      queue_ms: 1_500,
      transfer_ms: 1,
      load_ms: 1,
      run_ms: 1,
      swap_ms: 0,
    })
    expect(transcribe).toMatchObject({ stage: 'transcribe', outcome: 'open', started_at: null, run_ms: null })
  })

  test('[TR1] an attempt that failed stands beside the one that came after it', () => {
    const run = JobRun.running()
    run.finish('prepare', { outcome: failed(true) })
    run.wakeAfter(60_000)
    run.start('prepare')
    run.tell({ type: 'cancel' })
    const { attempts, status } = traceOf(run)
    expect(attempts.map(({ fence, outcome, error }) => [fence, outcome, error?.code ?? null])).toEqual([
      [1, 'retried', 'engine_failed'],
      [2, 'cancelled', null],
    ])
    expect(status).toBe('cancelled')
  })
})

describe('trace context', () => {
  const good = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  test('[TR2] a traceparent is taken over', () => {
    expect(parseTraceparent(good)).toEqual({
      traceId: '0af7651916cd43dd8448eb211c80319c',
      parentSpanId: 'b7ad6b7169203331',
    })
    expect(parseTraceparent(`cc${good.slice(2)}-what-comes-later`)).not.toBeNull()
  })

  test.each([
    null,
    '',
    'nonsense',
    `ff${good.slice(2)}`,
    good.toUpperCase(),
    `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
  ])('[TR2] %j begins a trace of its own', (header) => expect(parseTraceparent(header)).toBeNull())
})

describe('export', () => {
  const collecting = coreSettings({ ...DEFAULT_SETTINGS, otlp_endpoint: 'http://collector:4318' })

  test('[TR3] with a collector the end of a job orders its export, without one nothing', () => {
    const run = JobRun.running(aJob(), { settings: collecting })
    run.tell({ type: 'cancel' })
    expect(run.unanswered).toContain('trace')
    const plain = JobRun.running()
    plain.tell({ type: 'cancel' })
    expect(plain.unanswered).not.toContain('trace')
  })

  test('[TR3] the body is OTLP: a span for the job under the caller’s, one an attempt, one for what it did', () => {
    const run = JobRun.created()
    run.nowMs += 1_500
    run.start('prepare')
    run.finish('prepare')
    const body = otlpBody(traceOf(run), {
      traceId: '0af7651916cd43dd8448eb211c80319c',
      parentSpanId: 'b7ad6b7169203331',
    })
    const text = JSON.stringify(body)
    // This test knows the shape that otlpBody gives.
    const { spans } = (body as { resourceSpans: [{ scopeSpans: [{ spans: Record<string, unknown>[] }] }] })
      .resourceSpans[0].scopeSpans[0]
    expect(spans[0]).toMatchObject({
      name: 'transcription',
      traceId: '0af7651916cd43dd8448eb211c80319c',
      parentSpanId: 'b7ad6b7169203331',
    })
    expect(spans.map(({ name }) => name)).toEqual([
      'transcription',
      'prepare',
      'prepare.queue',
      'prepare.transfer',
      'prepare.load',
      'prepare.run',
      'transcribe',
    ])
    expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(spans.length)
    expect(text).not.toContain('call.wav')
  })
})
