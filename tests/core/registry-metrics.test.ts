import { expect, test } from 'vitest'
import { metricsText } from '#control-plane/http/metrics.ts'
import { gaugesOf } from '#core/registry/gauges.ts'
import { Pool } from '#protocol/ids.ts'
import { A_RUN, agentId, jobId, NO_RUN, taskId } from './kit/builders.ts'
import type { RegistryRun } from './kit/registry-run.ts'
import { running, task } from './kit/registry-states.ts'

/** What /metrics tells of a pool, in the words of Prometheus. */
const answered = {
  type: 'result.answered',
  agentId: agentId(),
  taskId: task,
  fence: 1,
  answer: 'accepted',
} as const

function told(run: RegistryRun): string[] {
  const pool = Pool.parse('default')
  return metricsText({
    pool,
    jobs: [{ status: 'completed', count: 3 }],
    ...gaugesOf(run.state, run.looking()),
  }).split('\n')
}

test('[MET1] the end of a run is counted by stage and status, what it took by stage and engine', () => {
  const run = running()
  run.tell({ ...answered, ...A_RUN })
  expect(told(run)).toEqual(
    expect.arrayContaining([
      '# TYPE dalston_tasks_total counter',
      'dalston_tasks_total{pool="default",stage="prepare",status="completed"} 1',
      '# TYPE dalston_task_duration_seconds histogram',
      'dalston_task_duration_seconds_bucket{pool="default",stage="prepare",engine="prepare",le="0.1"} 1',
      'dalston_task_duration_seconds_bucket{pool="default",stage="prepare",engine="prepare",le="+Inf"} 1',
      'dalston_task_duration_seconds_sum{pool="default",stage="prepare",engine="prepare"} 0.003',
      'dalston_task_duration_seconds_count{pool="default",stage="prepare",engine="prepare"} 1',
    ]),
  )
})

test('[MET1] failed runs and lost ones count as such; a failed one has no duration', () => {
  const run = running()
  run.tell({ ...answered, ...NO_RUN })
  run.enqueue({ jobId: jobId(2) })
  run.accept(1, taskId('prepare', jobId(2)))
  run.start(1, taskId('prepare', jobId(2)))
  run.wakeAfter(30_000)
  const lines = told(run)
  expect(lines).toContain('dalston_tasks_total{pool="default",stage="prepare",status="failed"} 1')
  expect(lines).toContain('dalston_tasks_total{pool="default",stage="prepare",status="lost"} 1')
  expect(lines.some((line) => line.startsWith('dalston_task_duration_seconds'))).toBe(false)
})

test('[MET1] the end of a job is counted by status, with its whole time', () => {
  const run = running()
  run.tell({ type: 'job.ended', status: 'failed', durationMs: 90_000 })
  expect(told(run)).toEqual(
    expect.arrayContaining([
      'dalston_jobs_total{pool="default",status="failed"} 1',
      'dalston_job_duration_seconds_bucket{pool="default",status="failed",le="60"} 0',
      'dalston_job_duration_seconds_bucket{pool="default",status="failed",le="300"} 1',
      'dalston_job_duration_seconds_sum{pool="default",status="failed"} 90',
    ]),
  )
})

test('[MET2] the backlog stands by engine and by stage; a metric has one HELP and one TYPE', () => {
  const run = running()
  for (let number = 2; number <= 6; number++) run.enqueue({ jobId: jobId(number) })
  const lines = told(run)
  expect(lines).toContain('dalston_queue_depth{pool="default",engine="prepare"} 4')
  expect(lines).toContain('dalston_stage_queue_depth{pool="default",stage="prepare"} 4')
  expect(lines).toContain('dalston_jobs{status="completed"} 3')
  const types = lines.filter((line) => line.startsWith('# TYPE'))
  expect(new Set(types).size).toBe(types.length)
})

test('[MET3] engines beyond a hundred share a label: no caller makes as many as it likes', () => {
  const run = running()
  for (let number = 0; number < 300; number++) run.state.measuredEngines.add(`engine-${number}`)
  run.tell({ ...answered, ...A_RUN })
  expect(told(run).join('\n')).toContain('engine="other"')
})

test('[MET3] counters survive an eviction but for the last minute, and cost a row a minute at most', () => {
  const run = running()
  run.tell({ type: 'job.ended', status: 'completed', durationMs: 1_000 })
  run.wakeAfter(1, 1)
  const { written } = run.records
  run.tell({ type: 'job.ended', status: 'completed', durationMs: 1_000 })
  run.wakeAfter(1, 1)
  expect(run.records.written).toBe(written)
  run.reload('s1')
  expect(told(run)).toContain('dalston_jobs_total{pool="default",status="completed"} 1')
})
