import { describe, expect, test } from 'vitest'
import type { JobSpec } from '#core/job/facts.ts'
import { redone, reuseOf } from '#core/rerun.ts'
import type { Stage } from '#protocol/stage.ts'
import { agentId, aJob, jobId, taskId } from './kit/builders.ts'
import { JobRun } from './kit/job-run.ts'

/** A job of an earlier one's recording that begins at a stage. */
const stagesOf = (ids: Iterable<string>) => Array.from(ids, (id) => id.split('.')[1])

/** A rerun of `source` from a stage, with the graph of `spec`. */
function rerun(source: JobRun, fromStage: Stage, spec: JobSpec = aJob({ id: jobId(2) })): JobSpec {
  const isRedone = redone(spec.tasks, fromStage)
  if (isRedone === null) throw new Error(`expected ${fromStage} in the graph`)
  const from = { jobId: source.job.spec.jobId, tasks: [...source.job.tasks.values()] }
  return { ...spec, reuse: reuseOf(spec.jobId, from, spec.tasks, isRedone) }
}

function finished(spec = aJob({ speakerDetection: 'diarize' })): JobRun {
  const run = JobRun.running(spec)
  run.finish('prepare')
  for (const { stage } of spec.tasks.filter(({ stage }) => stage === 'transcribe' || stage === 'diarize')) {
    run.start(stage)
    run.finish(stage)
  }
  run.finish('merge')
  expect(run.view.status).toBe('completed')
  return run
}

describe('what is done anew', () => {
  test('[RR1] the stage itself and all that reads of it; branches beside it are kept', () => {
    const { tasks } = aJob({ speakerDetection: 'diarize', enrichment: ['refine'] })
    expect(stagesOf(redone(tasks, 'diarize') ?? [])).toEqual(['diarize', 'refine', 'merge'])
    expect(stagesOf(redone(tasks, 'transcribe') ?? [])).toEqual(['transcribe', 'refine', 'merge'])
    expect(redone(tasks, 'align')).toBeNull()
  })

  test('[RR1] every file of what is kept is copied under the new job, with the recording', () => {
    const spec = rerun(finished(), 'transcribe', aJob({ id: jobId(2), speakerDetection: 'diarize' }))
    expect(stagesOf(spec.reuse?.tasks.map(({ taskId }) => taskId) ?? [])).toEqual(['prepare', 'diarize'])
    const copies = [...(spec.reuse?.copies ?? []), ...(spec.reuse?.laterCopies ?? [])]
    expect(copies.map(({ fromKey, toKey }) => [fromKey, toKey])).toEqual([
      [`jobs/${jobId()}/prepare/f1/audio.s16`, `jobs/${jobId(2)}/prepare/f0/audio.s16`],
      [`jobs/${jobId()}/diarize/f1/turns.jsonl`, `jobs/${jobId(2)}/diarize/f0/turns.jsonl`],
      [`jobs/${jobId()}/upload`, `jobs/${jobId(2)}/upload`],
    ])
  })

  test('[RR1] a stage that the earlier job had not, or did not finish, simply runs', () => {
    const spec = rerun(finished(aJob()), 'diarize', aJob({ id: jobId(2), speakerDetection: 'diarize' }))
    expect(stagesOf(spec.reuse?.tasks.map(({ taskId }) => taskId) ?? [])).toEqual(['prepare', 'transcribe'])
  })
})

describe('the job', () => {
  const created = () => JobRun.created(rerun(finished(), 'transcribe'))

  test('[RR2] nothing starts before the files are there; then only what is left runs', () => {
    const run = created()
    expect(run.orders.filter((id) => id.startsWith('enqueue'))).toEqual([])
    run.reload()
    run.wakeAfter(0)
    expect(run.orders).toContain('copy')
    run.tell({ type: 'copied', missingKey: null })
    expect(run.orders).toEqual([`enqueue:${taskId('transcribe', jobId(2))}:1`])
    expect(run.task('prepare').status).toBe('completed')
    run.start('transcribe')
    run.finish('transcribe')
    run.finish('merge')
    expect(run.view).toMatchObject({ status: 'completed', rerun_of: jobId() })
    expect(run.view.stages[0]).toMatchObject({ stage: 'prepare', status: 'completed', agent_id: agentId() })
  })

  test('[RR2] told twice that its files are there, it goes on once', () => {
    const run = created()
    run.tell({ type: 'copied', missingKey: null })
    expect(run.tell({ type: 'copied', missingKey: null })).toBe('stale')
    expect(run.orders).toEqual([])
  })

  test('[RR3] files that are gone fail the job with what is missing', () => {
    const run = created()
    run.tell({ type: 'copied', missingKey: 'jobs/x/upload' })
    expect(run.view).toMatchObject({ status: 'failed', error: { code: 'artifact_gone' } })
  })

  test('[RR2] cancelled while it copies, it starts nothing', () => {
    const run = created()
    run.tell({ type: 'cancel' })
    expect(run.tell({ type: 'copied', missingKey: null })).toBe('stale')
    expect(run.view.status).toBe('cancelled')
  })
})
