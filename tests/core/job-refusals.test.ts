import { describe, expect, test } from 'vitest'
import { DEFAULTS } from '#core/settings.ts'
import { MAX_RETRIES } from '#protocol/stage.ts'
import type { TaskError } from '#protocol/task.ts'
import { agentId, aJob, completed, EVERY_STAGE, failed, HANDED_BACK, T0, taskId } from './kit/builders.ts'
import { JobRun } from './kit/job-run.ts'

/** Runs that are refused, by the budget, by an engine that is not there, or because they come too late. */
const NOBODY: TaskError = { code: 'no_capable_engine', message: 'No engine is there.', retryable: false }

describe('the budget', () => {
  test.each([0, 1, 10])('[J35] max_retries = %i holds for every stage', (maxRetries) => {
    const run = JobRun.created(aJob(), { settings: { ...DEFAULTS, maxRetries } })
    for (let failures = 0; failures < maxRetries; failures++) {
      run.start('prepare')
      run.finish('prepare', { outcome: failed(true) })
      expect(run.view.status).toBe('running')
      run.wakeAfter(60_000)
    }
    run.start('prepare')
    run.finish('prepare', { outcome: failed(true) })
    expect(run.view.status).toBe('failed')
    expect(run.task('prepare').failures).toBe(maxRetries + 1)
  })

  test('[J35] without it each stage has its own', () => {
    const run = JobRun.transcribing(aJob({ speakerDetection: 'diarize' }))
    for (let failures = 0; failures <= MAX_RETRIES.diarize; failures++) {
      expect(run.task('diarize').status).toBe('ready')
      run.start('diarize')
      run.finish('diarize', { outcome: failed(true) })
      run.wakeAfter(60_000)
    }
    expect(run.task('diarize').status).toBe('skipped')
  })
})

describe('who failed it', () => {
  const avoided = (run: JobRun) => {
    const order = run.effects.find((effect) => effect.type === 'tracked' && effect.id.startsWith('enqueue:'))
    return order?.type === 'tracked' && order.effect.type === 'registry.enqueue'
      ? order.effect.dispatch.avoid
      : null
  }

  test('[J37] is told with the next enqueue, the newest last; a hand-back and an uncounted loss blame nobody', () => {
    const run = JobRun.created()
    run.start('prepare', 1, agentId(1))
    run.finish('prepare', { outcome: failed(true), agent: agentId(1) })
    run.wakeAfter(60_000)
    expect(avoided(run)).toEqual([agentId(1)])
    run.start('prepare', 2, agentId(2))
    run.finish('prepare', { outcome: HANDED_BACK, agent: agentId(2) })
    expect(avoided(run)).toEqual([agentId(1)])
    run.start('prepare', 3, agentId(3))
    run.lose('prepare', false)
    expect(avoided(run)).toEqual([agentId(1)])
    run.start('prepare', 4, agentId(4))
    run.lose('prepare', true)
    run.wakeAfter(60_000)
    expect(avoided(run)).toEqual([agentId(1), agentId(4)])
    run.reload()
    run.start('prepare', 5, agentId(1))
    run.finish('prepare', { outcome: failed(true), agent: agentId(1) })
    run.wakeAfter(60_000)
    expect(avoided(run)).toEqual([agentId(4), agentId(1)])
  })

  test('[J37] at most eight are kept', () => {
    const run = JobRun.created(aJob(), { settings: { ...DEFAULTS, maxRetries: 10 } })
    for (let number = 1; number <= 10; number++) {
      run.start('prepare', number, agentId(number))
      run.finish('prepare', { outcome: failed(true), agent: agentId(number) })
      run.wakeAfter(60_000)
    }
    expect(avoided(run)).toEqual([3, 4, 5, 6, 7, 8, 9, 10].map(agentId))
  })
})

describe('a result that comes too late', () => {
  const F1 = 'artifacts.discard:jobs/job_00000000000000000000000001/transcribe/f1/'
  const late = (run: JobRun) => {
    expect(run.finish('transcribe', { fence: 1, outcome: completed(taskId('transcribe'), 1) })).toBe('stale')
    return run.orders
  }

  test('[J38] what a fence wrote that is over is thrown away', () => {
    const again = JobRun.transcribing()
    again.lose('transcribe', false)
    expect(late(again)).toEqual([F1])
    const waits = JobRun.transcribing()
    waits.lose('transcribe', true)
    expect(waits.task('transcribe')).toMatchObject({ fence: 1, status: 'ready' })
    expect(late(waits)).toEqual([F1])
    const cancelled = JobRun.transcribing()
    cancelled.tell({ type: 'cancel' })
    expect(late(cancelled)).toEqual([F1])
    const hopeless = JobRun.transcribing()
    hopeless.finish('transcribe', { outcome: failed(false) })
    expect(late(hopeless)).toEqual([F1])
  })

  test('[J38] not what the accepted run wrote, nor what its holder still writes, nor anything of an unknown fence', () => {
    const run = JobRun.transcribing()
    const outcome = completed(taskId('transcribe'), 1)
    expect(run.finish('transcribe', { agent: agentId(2), outcome })).toBe('stale')
    expect(run.orders).toEqual([])
    run.finish('transcribe', { fence: 9, outcome: completed(taskId('transcribe'), 9) })
    expect(run.orders).toEqual([])
    run.finish('transcribe', { outcome })
    expect(run.finish('transcribe', { outcome })).toBe('duplicate')
    expect(run.orders).toEqual([])
  })

  test('[J38] a failed run wrote nothing that counts', () => {
    const run = JobRun.transcribing()
    run.lose('transcribe', false)
    run.finish('transcribe', { fence: 1, outcome: failed(true) })
    expect(run.orders).toEqual([])
  })
})

describe('no engine is there any more', () => {
  const lose = (run: JobRun, stage: 'prepare' | 'diarize') =>
    run.tell({ type: 'task.lost', taskId: taskId(stage), fence: 1, counted: false, error: NOBODY })

  test('[J41] a required stage fails the job at once', () => {
    const run = JobRun.created()
    expect(lose(run, 'prepare')).toBe('ok')
    expect(run.view).toMatchObject({
      status: 'failed',
      error: { code: 'no_capable_engine', message: 'No engine is there.', stage: 'prepare' },
    })
    expect(run.task('prepare').failures).toBe(0)
  })

  test('[J41] an optional one is skipped, and the job says what stands in for it', () => {
    const run = JobRun.transcribing(aJob({ speakerDetection: 'diarize' }))
    run.nowMs = T0 + 5_000
    lose(run, 'diarize')
    run.finish('transcribe')
    run.finish('merge')
    expect(run.view.pipeline_warnings).toEqual([
      {
        stage: 'diarize',
        code: 'no_capable_engine',
        message: 'diarize was skipped: No engine is there.',
        status: 'skipped',
        fallback: 'single_speaker',
        timestamp: new Date(T0 + 5_000).toISOString(),
      },
    ])
    expect(run.view.status).toBe('completed')
  })

  test('[J41] so does one that nothing could run when the job was planned', () => {
    const engines = EVERY_STAGE.filter(({ manifest }) => !manifest.stages.includes('detect_topics'))
    const spec = aJob({ engines, enrichment: ['detect_topics'], required: { detect_topics: false } })
    expect(JobRun.created(spec).view.pipeline_warnings).toEqual([
      {
        stage: 'detect_topics',
        code: 'no_capable_engine',
        message: 'detect_topics was skipped: no engine for detect_topics runs',
        status: 'skipped',
        fallback: 'omitted',
        timestamp: new Date(T0).toISOString(),
      },
    ])
  })
})
