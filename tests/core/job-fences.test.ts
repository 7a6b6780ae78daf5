import { describe, expect, test } from 'vitest'
import { agentId, anArtifact, completed, failed, taskId } from './kit/builders.ts'
import { JobRun } from './kit/job-run.ts'

const transcribe = taskId('transcribe')

/** The job machine: start state → event → expected state and orders. */
describe('fences', () => {
  const stale = [
    ['started', (run: JobRun) => run.start('transcribe', 9)],
    ['result', (run: JobRun) => run.finish('transcribe', { fence: 9 })],
    ['lost', (run: JobRun) => run.lose('transcribe', true, 9)],
  ] as const
  test.each(stale)('[J5] %s with another fence is stale and changes nothing', (_name, act) => {
    const run = JobRun.transcribing()
    const before = run.state
    expect(act(run)).toBe('stale')
    expect(run.state).toEqual(before)
    expect(run.effects).toEqual([])
  })

  test('[J5] every fence is one higher than the one before', () => {
    const run = JobRun.transcribing()
    run.lose('transcribe', false)
    expect(run.task('transcribe')).toMatchObject({ status: 'ready', fence: 2 })
    expect(run.orders).toEqual([`enqueue:${transcribe}:2`])
    expect(run.finish('transcribe', { fence: 1 })).toBe('stale')
  })

  test('[J6] a start told twice is a duplicate, not stale: stale would stop the agent that runs it', () => {
    const run = JobRun.transcribing()
    const before = run.state.job
    expect(run.start('transcribe')).toBe('duplicate')
    expect(run.state.job).toBe(before)
    run.finish('transcribe')
    expect(run.start('transcribe')).toBe('duplicate')
  })

  test('[J6] a start under the same fence by another agent is stale', () => {
    expect(JobRun.transcribing().start('transcribe', 1, agentId(2))).toBe('stale')
  })

  test('[J7] exactly one result is accepted; the same again is a duplicate', () => {
    const run = JobRun.transcribing()
    expect(run.finish('transcribe')).toBe('accepted')
    const { seq } = run.job
    expect(run.finish('transcribe')).toBe('duplicate')
    expect(run.finish('transcribe', { outcome: failed(true) })).toBe('duplicate')
    expect(run.job.seq).toBe(seq)
  })

  test('[J7] a failure that comes twice is counted once', () => {
    const run = JobRun.transcribing()
    expect(run.finish('transcribe', { outcome: failed(true) })).toBe('accepted')
    expect(run.finish('transcribe', { outcome: failed(true) })).toBe('stale')
    expect(run.task('transcribe').failures).toBe(1)
  })

  test('[J8] a result of another agent than the holder is stale', () => {
    const run = JobRun.transcribing()
    expect(run.finish('transcribe', { agent: agentId(2) })).toBe('stale')
    expect(run.task('transcribe').status).toBe('running')
  })

  test('[J8] the holder’s result counts even when the registry no longer knows the grant', () => {
    expect(JobRun.transcribing().finish('transcribe', { granted: false })).toBe('accepted')
  })

  test('[J9] a result whose start was never heard: the registry vouches, and the job knows who ran it', () => {
    const run = JobRun.created()
    expect(run.finish('prepare', { granted: false })).toBe('stale')
    expect(run.finish('prepare', { granted: true })).toBe('accepted')
    expect(run.view).toMatchObject({
      status: 'running',
      stages: [{ status: 'completed', agent_id: agentId() }, {}, {}],
    })
  })

  test('[J10] artifacts outside the task’s own prefix, or the summary of another stage, are a failed run', () => {
    const outcome = completed(transcribe, 1)
    if (outcome.status !== 'completed') throw new Error('expected a completed outcome')
    const foreign = anArtifact('transcript.jsonl', 'jobs/job_other/transcribe/f1/transcript.jsonl')
    const outcomes = [
      { ...outcome, artifacts: [foreign] },
      { ...outcome, summary: { ...outcome.summary, stage: 'merge' as const } },
    ]
    for (const bad of outcomes) {
      const run = JobRun.transcribing()
      run.finish('transcribe', { outcome: bad as typeof outcome })
      expect(run.task('transcribe')).toMatchObject({
        status: 'ready',
        failures: 1,
        error: { code: 'invalid_result' },
        artifacts: [],
      })
    }
  })
})
