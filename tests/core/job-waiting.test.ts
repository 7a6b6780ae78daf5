import { describe, expect, test } from 'vitest'
import { planTasks } from '#core/dag.ts'
import type { Pipeline } from '#core/pipeline.ts'
import { DEFAULTS } from '#core/settings.ts'
import { aJob, jobId, T0, taskId } from './kit/builders.ts'
import { JobRun } from './kit/job-run.ts'

/** A job that no engine can serve yet, and what ends the wait. */
const WAIT_MS = 300_000
const WAIT = `wait:${jobId()}`

function waiting(): JobRun {
  return JobRun.created(aJob({ engines: [], unavailable: { behavior: 'wait', waitMs: WAIT_MS } }))
}

function pipeline(): Pipeline {
  const { pipeline } = aJob()
  if (pipeline === null) throw new Error('expected a pipeline')
  return pipeline
}

const select = (run: JobRun) => run.tell({ type: 'selected', pipeline: pipeline() })

test('[J39] it asks the registry to be told, is pending without tasks, and says why', () => {
  const run = waiting()
  expect(run.orders).toEqual(['index:1', WAIT])
  expect(run.view).toMatchObject({ status: 'pending', stages: [], why: 'asks for engines' })
  expect(run.tell({ type: 'unselected', why: 'No agent is connected.' })).toBe('ok')
  expect(run.view.why).toBe('No agent is connected.')
  expect(run.unanswered).not.toContain(WAIT)
})

test('[J39] told its engines it is planned and begins', () => {
  const run = waiting()
  expect(select(run)).toBe('ok')
  expect(run.orders).toEqual([`enqueue:${taskId('prepare')}:1`])
  expect(run.published.map(({ event }) => event.type)).toEqual(['job.status', 'job.status', 'task.queued'])
  expect(run.view.stages.map(({ stage }) => stage)).toEqual(
    planTasks(jobId(), aJob().parameters, pipeline(), null).map(({ stage }) => stage),
  )
  expect(run.view.why).toBe('queued')
  expect(run.unanswered).not.toContain(WAIT)
})

describe('twice, late and out of order', () => {
  test('[J39] selected again is a duplicate; a reason for waiting that comes after it is stale', () => {
    const run = waiting()
    select(run)
    const { seq } = run.job
    expect(select(run)).toBe('duplicate')
    expect(run.tell({ type: 'unselected', why: 'late' })).toBe('stale')
    expect([run.job.seq, run.view.why]).toEqual([seq, 'queued'])
  })

  test('[J39] selected after the end is a conflict and plans nothing', () => {
    const run = waiting()
    run.tell({ type: 'cancel' })
    expect(select(run)).toBe('conflict')
    expect(run.view).toMatchObject({ status: 'cancelled', stages: [] })
  })

  test('[J39] evicted anywhere it asks, and is planned, as before', () => {
    const run = waiting()
    run.reload()
    expect(run.nextWakeMs).toBe(run.nowMs)
    run.wakeAfter(0)
    expect(run.orders).toContain(WAIT)
    run.tell({ type: 'unselected', why: 'nobody' })
    run.reload()
    expect(run.view.why).toBe('waits for engines')
    select(run)
    run.reload()
    expect(run.view.stages).toHaveLength(3)
  })

  test('[J39] it asks again every five minutes, should the registry have lost it', () => {
    const run = JobRun.created(aJob({ engines: [], unavailable: { behavior: 'wait', waitMs: 86_000_000 } }))
    run.tell({ type: 'unselected', why: 'nobody' })
    run.tell({ type: 'effect.answered', id: 'index:1' })
    expect(run.nextWakeMs).toBe(T0 + 5 * DEFAULTS.inquiryMs)
    run.wakeAfter(5 * DEFAULTS.inquiryMs)
    expect(run.orders).toEqual([WAIT])
    expect(run.view.why).toBe('nobody')
  })
})

describe('the wait ends', () => {
  test('[J40] after the time that its caller gave it: failed with no_capable_engine and the last reason', () => {
    const run = waiting()
    run.tell({ type: 'unselected', why: 'No agent is connected.' })
    run.wakeAfter(WAIT_MS - 1)
    expect(run.view.status).toBe('pending')
    run.wakeAfter(1)
    expect(run.view).toMatchObject({
      status: 'failed',
      error: {
        code: 'no_capable_engine',
        message: 'No engine became available within 300 s: No agent is connected.',
        stage: null,
      },
    })
    expect(run.orders).toContain('unwait')
  })

  test('[J40] one that found its engines is not ended by it', () => {
    const run = waiting()
    run.nowMs += WAIT_MS - 1
    select(run)
    run.wakeAfter(1)
    expect(run.view.status).toBe('pending')
  })

  test('[J40] by a cancel: it is taken off the list', () => {
    const run = waiting()
    expect(run.tell({ type: 'cancel' })).toBe('ok')
    expect([...run.orders].sort()).toEqual([`index:${run.job.seq}`, 'unwait'])
    expect(run.unanswered).not.toContain(WAIT)
  })
})

describe('the limit of a job', () => {
  test('[J36] a job that is not done by then fails, whatever it does, and takes its tasks back', () => {
    const run = JobRun.transcribing()
    run.nowMs = T0 + DEFAULTS.jobLimitMs - 1
    run.wakeAfter(0)
    expect(run.view.status).toBe('running')
    expect(run.nextWakeMs).toBeLessThanOrEqual(T0 + DEFAULTS.jobLimitMs)
    run.wakeAfter(1)
    expect(run.view).toMatchObject({
      status: 'failed',
      error: { code: 'job_limit', message: 'the job was not done within 24 hours', stage: null },
    })
    expect(run.orders).toContain(`cancel:${taskId('transcribe')}:1`)
  })

  test('[J36] one that ended is not touched by it', () => {
    const run = JobRun.transcribing()
    run.tell({ type: 'cancel' })
    const { seq } = run.job
    run.wakeAfter(2 * DEFAULTS.jobLimitMs)
    expect(run.job.seq).toBe(seq)
  })
})
