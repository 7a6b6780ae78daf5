import { describe, expect, test } from 'vitest'
import { MAX_RETRIES } from '#protocol/stage.ts'
import { aJob, failed, HANDED_BACK, T0, taskId } from './kit/builders.ts'
import { JobRun } from './kit/job-run.ts'

const prepare = taskId('prepare')
const transcribe = taskId('transcribe')

/** The job machine: start state → event → expected state and orders. */
describe('failures', () => {
  test('[J11] a terminal error of a required stage fails the job at once', () => {
    const run = JobRun.transcribing()
    run.finish('transcribe', { outcome: failed(false, 'bad_audio') })
    expect(run.view).toMatchObject({
      status: 'failed',
      error: { code: 'bad_audio', stage: 'transcribe' },
      stages: [{ status: 'completed' }, { status: 'failed' }, { status: 'cancelled' }],
    })
    expect(run.unanswered.filter((id) => !id.startsWith('index:'))).toEqual([])
  })

  test('[J12] a retryable error uses the budget of the stage, then fails the job', () => {
    const run = JobRun.running()
    for (let failures = 1; failures <= MAX_RETRIES.prepare; failures++) {
      run.finish('prepare', { outcome: failed(true) })
      expect(run.task('prepare')).toMatchObject({ status: 'ready', failures })
      run.wakeAfter(60_000)
      run.start('prepare')
    }
    run.finish('prepare', { outcome: failed(true) })
    expect(run.job).toMatchObject({ status: 'failed', error: { code: 'engine_failed' } })
  })

  test('[J12] a counted failure waits; when its time is there it is enqueued under the next fence', () => {
    const run = JobRun.running()
    run.finish('prepare', { outcome: failed(true) })
    const { retryAtMs } = run.task('prepare')
    expect(retryAtMs).toBeGreaterThanOrEqual(T0)
    expect(retryAtMs).toBeLessThanOrEqual(T0 + 2_000)
    expect(run.view.stages[0]?.why).toMatch(/^is tried again at /)
    run.wakeAfter(2_000)
    expect(run.task('prepare')).toMatchObject({ fence: 2, retryAtMs: null, runner: null })
    expect(run.orders).toContain(`enqueue:${prepare}:2`)
  })

  test.each([
    ['a hand-back', (run: JobRun) => run.finish('prepare', { outcome: HANDED_BACK })],
    ['an uncounted loss', (run: JobRun) => run.lose('prepare', false)],
    ['a registry that does not know it', (run: JobRun) => run.placed('prepare', false)],
  ])('[J13] %s counts against nobody and is made good at once', (_name, act) => {
    const run = JobRun.running()
    act(run)
    expect(run.task('prepare')).toMatchObject({ status: 'ready', fence: 2, failures: 0, retryAtMs: null })
    expect(run.view.stages[0]?.attempt).toBe(0)
    expect(run.orders).toEqual([`enqueue:${prepare}:2`])
  })

  test('[J13] uncounted losses slow down, and the fiftieth ends the job', () => {
    const run = JobRun.running()
    let enqueues = 0
    for (; run.job.status === 'running' && enqueues < 100; enqueues++) {
      if (run.task('prepare').retryAtMs !== null) run.wakeAfter(60_000)
      run.lose('prepare', false)
      if (enqueues === 10) expect(run.task('prepare').retryAtMs).toBeGreaterThan(run.nowMs)
    }
    expect(enqueues).toBe(50)
    expect(run.job).toMatchObject({ status: 'failed', error: { code: 'task_lost' } })
  })

  test('[J14] a counted loss uses the budget', () => {
    const run = JobRun.running()
    run.lose('prepare', true)
    expect(run.task('prepare')).toMatchObject({ failures: 1, error: { code: 'task_lost' } })
  })

  test('[J15] an optional stage that fails for good is skipped: the job completes and says so', () => {
    const run = JobRun.transcribing(aJob({ speakerDetection: 'diarize' }))
    run.start('diarize')
    run.finish('diarize', { outcome: failed(false, 'no_voices') })
    expect(run.task('diarize').status).toBe('skipped')
    run.finish('transcribe')
    run.finish('merge')
    expect(run.view).toMatchObject({
      status: 'completed',
      pipeline_warnings: [{ stage: 'diarize', code: 'no_voices', message: 'diarize was skipped: it broke' }],
    })
  })

  test('[J16] branches run beside each other; the failure of one takes the other back', () => {
    const run = JobRun.running(aJob({ speakerDetection: 'diarize' }))
    run.finish('prepare')
    expect(run.orders).toEqual([`enqueue:${transcribe}:1`, `enqueue:${taskId('diarize')}:1`])
    run.start('transcribe')
    run.finish('transcribe', { outcome: failed(false) })
    expect(run.orders).toContain(`cancel:${taskId('diarize')}:1`)
    expect(run.unanswered).not.toContain(`enqueue:${taskId('diarize')}:1`)
  })

  test('[J26] a fence that the registry did not know is taken back there while no newer one is', () => {
    const run = JobRun.created()
    const prepare = run.id('prepare')
    for (let fence = 1; fence <= 3; fence++) {
      run.placed('prepare', false)
      expect(run.orders).toEqual([`enqueue:${prepare}:${fence + 1}`])
    }
    run.placed('prepare', false)
    expect(run.task('prepare').retryAtMs).toBeGreaterThan(run.nowMs)
    expect(run.orders).toEqual([`cancel:${prepare}:4`])
  })
})
