import { describe, expect, test } from 'vitest'
import { NO_JOB } from '#core/job/state.ts'
import { jobMachine } from '#core/job/step.ts'
import { aJob, T0, taskId } from './kit/builders.ts'
import { JobRun } from './kit/job-run.ts'

const prepare = taskId('prepare')
const transcribe = taskId('transcribe')

/** The job machine: start state → event → expected state and orders. */
describe('the plain life', () => {
  test('[J1] a created job is pending, its first task ready and enqueued under fence 1, its row ordered', () => {
    const run = JobRun.created()
    expect(run.view).toMatchObject({ status: 'pending', why: 'queued', progress: { overall: 0 } })
    expect(run.task('prepare')).toMatchObject({ status: 'ready', fence: 1 })
    expect(run.task('transcribe')).toMatchObject({ status: 'pending', fence: 0 })
    expect(run.orders).toEqual(['index:1', `enqueue:${prepare}:1`])
  })

  test('[J1] created twice: nothing happens', () => {
    const run = JobRun.created()
    const { seq } = run.job
    expect(run.tell({ type: 'create', spec: aJob() })).toBe('ok')
    expect(run.effects).toEqual([])
    expect(run.job.seq).toBe(seq)
  })

  test('[J2] with its first started task the job runs, and its row says so', () => {
    const run = JobRun.created()
    expect(run.start('prepare')).toBe('ok')
    expect(run.view).toMatchObject({ status: 'running', started_at: new Date(T0).toISOString() })
    expect(run.orders).toEqual([`index:${run.job.seq - 1}`])
  })

  test('[J3] a task whose inputs are there is enqueued with them; the length is known after prepare', () => {
    const run = JobRun.running()
    run.finish('prepare')
    const order = run.effects.find((effect) => effect.type === 'tracked')
    expect(order).toMatchObject({
      effect: {
        type: 'registry.enqueue',
        dispatch: {
          taskId: transcribe,
          fence: 1,
          inputs: [{ name: 'audio.s16' }],
          parameters: { audio_seconds: 90 },
        },
      },
    })
  })

  test('[J3] merge runs at the edge, and its result ends the job', () => {
    const run = JobRun.transcribing()
    run.finish('transcribe')
    expect(run.orders).toEqual(['merge:1'])
    expect(run.task('merge')).toMatchObject({
      status: 'running',
      runner: { engineId: 'edge', agentId: null },
    })
    expect(run.finish('merge')).toBe('accepted')
    expect(run.view).toMatchObject({
      status: 'completed',
      progress: { overall: 100 },
      result: { word_count: 2 },
    })
    expect(run.unanswered.filter((id) => !id.startsWith('index:'))).toEqual([])
  })

  test('[J4, L6] what a deleted or unknown job is told answers gone and writes nothing', () => {
    for (const type of ['cancel', 'wake'] as const) {
      const step = jobMachine().step(NO_JOB, { type }, T0)
      expect(step).toMatchObject({ reply: 'gone', changes: [], effects: [] })
    }
    expect(jobMachine().nextWakeMs(NO_JOB)).toBeNull()
  })
})
