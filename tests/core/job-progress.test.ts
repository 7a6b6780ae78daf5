import { describe, expect, test } from 'vitest'
import { aJob, taskId } from './kit/builders.ts'
import { JobRun } from './kit/job-run.ts'

const transcribe = taskId('transcribe')

/** The job machine: start state → event → expected state and orders. */
describe('progress', () => {
  test('[J22] values are published without an id, and nothing but the percentage is saved', () => {
    const run = JobRun.transcribing()
    run.progress('transcribe', 1, 50, 'hello')
    expect(run.effects).toMatchObject([
      { seq: null, event: { type: 'task.progress', stage: 'transcribe', progress: { overall: 53 } } },
      { seq: null, event: { type: 'transcript.partial', partial: { text: 'hello', task_id: transcribe } } },
    ])
  })

  test('[J22] an n that was seen is a duplicate; a lower one too; with another fence it is stale', () => {
    const run = JobRun.transcribing()
    run.progress('transcribe', 5, 50)
    expect(run.progress('transcribe', 5, 60)).toBe('duplicate')
    expect(run.progress('transcribe', 4, 60)).toBe('duplicate')
    expect(run.view.progress.current_stage_progress).toBe(50)
    run.lose('transcribe', false)
    expect(run.progress('transcribe', 6, 60)).toBe('stale')
  })

  test('[J23] percent does not fall when an engine says less, when the stage fails, or after an eviction', () => {
    const run = JobRun.transcribing()
    run.progress('transcribe', 1, 73)
    const shown = run.view.progress.overall
    run.progress('transcribe', 2, 10)
    expect(run.view.progress.overall).toBe(shown)
    run.reload()
    expect(run.view.progress.overall).toBeGreaterThanOrEqual(shown)
    run.lose('transcribe', true)
    expect(run.view.progress.overall).toBeGreaterThanOrEqual(shown)
    expect(run.published.at(-1)?.event).toMatchObject({
      type: 'task.failed',
      progress: { overall: run.view.progress.overall },
    })
  })

  test('[J23] percent costs at most a row for each five points, and is 100 only at the end', () => {
    const run = JobRun.transcribing()
    const { written } = run.records
    for (let n = 1; n <= 1_000; n++) run.progress('transcribe', n, n / 10)
    expect(run.records.written - written).toBeLessThanOrEqual(20)
    run.finish('transcribe')
    expect(run.view.progress.overall).toBeLessThan(100)
  })

  test('[J24] with redaction asked no text leaves before it', () => {
    for (const asked of [{ piiDetection: true }, { redactPiiAudio: true }]) {
      const run = JobRun.transcribing(aJob(asked))
      run.progress('transcribe', 1, 50, 'my number is 078-05-1120')
      expect(JSON.stringify(run.effects)).not.toContain('078-05-1120')
      expect(run.state.live.partial).toBeNull()
    }
  })

  test('[J25] a stage waits and runs by its newest attempt', () => {
    const run = JobRun.running()
    run.nowMs += 10_000
    run.lose('prepare', false)
    run.nowMs += 500
    run.start('prepare')
    run.nowMs += 2_000
    run.finish('prepare')
    expect(run.view.stages[0]).toMatchObject({ wait_ms: 500, duration_ms: 2_000, attempt: 1 })
  })
})
