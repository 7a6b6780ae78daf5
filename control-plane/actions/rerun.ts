import { type PlannedTask, planTasks } from '#core/dag.ts'
import { jobPrefix } from '#core/dispatch.ts'
import type { JobSpec, TraceContext } from '#core/job/facts.ts'
import type { JobParameters } from '#core/parameters.ts'
import { redone, reuseOf } from '#core/rerun.ts'
import type { CreatedJob } from '#protocol/api.ts'
import { JobId, newId } from '#protocol/ids.ts'
import { isTerminal } from '#protocol/job.ts'
import type { Stage } from '#protocol/stage.ts'
import type { CreateJobFields } from '#protocol/submit.ts'
import { type Bindings, settingsOf } from '../env.ts'
import type { JobSource } from '../objects/job.ts'
import { notFound, ProblemError } from '../problem-error.ts'
import { randomBytes } from './access.ts'
import type { Caller } from './caller.ts'
import { choose, overridden } from './job-plan.ts'
import { statusOf } from './jobs.ts'
import { createJob } from './submit.ts'

/** A job of an earlier one's recording that begins at a stage: what lies before it is taken over, not run again. */
export interface Rerun {
  readonly fromStage: Stage
  /** What the caller wants otherwise than before. */
  readonly fields: CreateJobFields
  readonly given: ReadonlySet<string>
  readonly trace: TraceContext
}

export async function rerunJob(env: Bindings, caller: Caller, id: JobId, rerun: Rerun): Promise<CreatedJob> {
  await statusOf(env, caller, id)
  const source = await env.JOB.getByName(id).source()
  if (source === null) throw notFound('transcription')
  if (!isTerminal(source.status)) {
    throw new ProblemError('conflict', `The job is ${source.status}: wait for its end, or cancel it first.`)
  }
  const jobId = JobId.parse(newId('job', Date.now(), randomBytes(16)))
  const parameters = overridden(source.spec.parameters, rerun.fields, rerun.given, settingsOf(env))
  const spec = await specOf(env, caller, { jobId, source, parameters, rerun })
  return createJob(env, spec, true)
}

interface Plan {
  readonly jobId: JobId
  readonly source: JobSource
  readonly parameters: JobParameters
  readonly rerun: Rerun
}

async function specOf(env: Bindings, caller: Caller, plan: Plan): Promise<JobSpec> {
  const { jobId, source, parameters, rerun } = plan
  const { spec } = source
  const kept = source.tasks.filter(
    ({ status, plan: { stage } }) => status === 'completed' && stage !== rerun.fromStage,
  )
  const { pipeline } = await choose(env, parameters, spec.pool, {
    fromStage: rerun.fromStage,
    stages: kept.map(({ plan: { stage } }) => stage),
    pipeline: source.pipeline,
  })
  const tasks = pipeline === null ? [] : planTasks(jobId, parameters, pipeline, source.channelCount)
  const isRedone = pipeline === null ? null : redone(tasks, rerun.fromStage)
  if (pipeline === null || isRedone === null) throw notInGraph(rerun.fromStage, tasks)
  const upload = { ...spec.upload, key: `${jobPrefix(jobId)}upload` }
  const { fields, given } = rerun
  return {
    ...spec,
    jobId,
    keyId: caller.keyId,
    name: fields.name ?? spec.name,
    modelRequested: given.has('model') ? fields.model : spec.modelRequested,
    languageRequested: given.has('language') ? fields.language : spec.languageRequested,
    parameters,
    upload,
    pipeline,
    tasks,
    trace: rerun.trace,
    reuse: reuseOf(jobId, { jobId: spec.jobId, tasks: source.tasks }, tasks, isRedone),
  }
}

function notInGraph(stage: Stage, tasks: readonly PlannedTask[]): ProblemError {
  const stages = [...new Set(tasks.map((task) => task.stage))].join(', ')
  const detail = `Expected from_stage to be a stage of the job (${stages}), got ${stage}. Ask for the stage in the same request, for instance with speaker_detection=diarize.`
  return new ProblemError('invalid_pipeline', detail)
}
