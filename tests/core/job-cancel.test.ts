import { describe, expect, test } from 'vitest'
import { isTakingBack } from '#core/job/state.ts'
import { failed, taskId } from './kit/builders.ts'
import { JobRun } from './kit/job-run.ts'

const prepare = taskId('prepare')
const transcribe = taskId('transcribe')

/** The job machine: start state → event → expected state and orders. */
describe('cancel', () => {
  test.each([
    ['queued', () => JobRun.created(), [`cancel:${prepare}:1`]],
    ['running', () => JobRun.transcribing(), [`cancel:${transcribe}:1`]],
  ])('[J17] a job whose task is %s: the task is taken back, the job cancelled', (_name, start, cancels) => {
    const run = start()
    expect(run.tell({ type: 'cancel' })).toBe('ok')
    expect(run.view.status).toBe('cancelled')
    expect(run.orders).toEqual([`index:${run.job.seq}`, ...cancels])
    expect(run.unanswered.filter((id) => id.startsWith('enqueue:'))).toEqual([])
    expect(run.tell({ type: 'cancel' })).toBe('conflict')
  })

  test('[J17] what waits for its retry is cancelled without a word to the registry', () => {
    const run = JobRun.running()
    run.finish('prepare', { outcome: failed(true) })
    run.tell({ type: 'cancel' })
    expect(run.orders).toEqual([`index:${run.job.seq}`])
    expect(run.task('prepare')).toMatchObject({ status: 'cancelled', retryAtMs: null })
  })

  test('[J27] until the registry has heard that its tasks are over, a job is still taking them back', () => {
    const run = JobRun.transcribing()
    expect(isTakingBack(run.state)).toBe(false)
    run.tell({ type: 'cancel' })
    expect(isTakingBack(run.state)).toBe(true)
    run.tell({ type: 'effect.answered', id: `cancel:${run.id('transcribe')}:1` })
    expect(isTakingBack(run.state)).toBe(false)
  })

  test('[J17] a merge under way is forgotten, and its result is stale', () => {
    const run = JobRun.transcribing()
    run.finish('transcribe')
    run.tell({ type: 'cancel' })
    expect(run.unanswered.some((id) => id.startsWith('merge:'))).toBe(false)
    expect(run.finish('merge')).toBe('stale')
    expect(run.job.status).toBe('cancelled')
  })

  test('[J18] after its end nothing changes a job', () => {
    const run = JobRun.transcribing()
    run.tell({ type: 'cancel' })
    const { job } = run.state
    expect([run.start('transcribe'), run.finish('transcribe'), run.lose('transcribe', true)]).toEqual([
      'stale',
      'stale',
      'stale',
    ])
    expect(run.placed('transcribe', false)).toBe('stale')
    run.wakeAfter(3_600_000)
    expect(run.state.job).toBe(job)
  })
})
