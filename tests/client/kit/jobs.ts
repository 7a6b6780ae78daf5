import type { JobDocument } from '#protocol/api.ts'
import type { JobEvent } from '#protocol/events.ts'
import { JobId, TaskId } from '#protocol/ids.ts'
import { JobView, StageView } from '#protocol/job.ts'

/** Builders: a test shows only what matters to it. */
export const JOB_ID = JobId.parse('job_01jd0000000000000000000000')
export const AT = '2026-11-20T12:00:00.000Z'

export function taskId(stage: string): TaskId {
  return TaskId.parse(`${JOB_ID}.${stage}`)
}

export function aStage(stage: string, changes: Partial<StageView> = {}): StageView {
  return StageView.parse({
    task_id: taskId(stage),
    stage,
    channel: null,
    status: 'pending',
    required: true,
    engine_id: null,
    model_id: null,
    agent_id: null,
    attempt: 0,
    ready_at: null,
    started_at: null,
    completed_at: null,
    wait_ms: null,
    duration_ms: null,
    progress: null,
    why: null,
    error: null,
    ...changes,
  })
}

export function progressOf(
  overall: number,
  stage: StageView['stage'] | null,
  percent: number | null,
): JobView['progress'] {
  return { overall, current_stage: stage, current_stage_progress: percent, eta: null }
}

export function aJob(changes: Partial<JobView> = {}): JobView {
  return JobView.parse({
    id: JOB_ID,
    status: 'running',
    name: 'call.wav',
    pool: 'default',
    model: 'auto',
    language: 'auto',
    created_at: AT,
    started_at: AT,
    completed_at: null,
    audio_duration_seconds: 62.5,
    priority: 'normal',
    progress: progressOf(0, 'transcribe', 0),
    stages: [aStage('prepare'), aStage('transcribe'), aStage('merge')],
    why: null,
    error: null,
    pipeline_warnings: [],
    rerun_of: null,
    result: null,
    ...changes,
  })
}

export const RESULT = {
  language: 'en',
  language_source: 'model',
  granularity_requested: 'word',
  granularity_achieved: 'word',
  no_speech: false,
  segment_count: 1,
  word_count: 2,
  character_count: 11,
  speaker_count: null,
  alignment_source: 'transcription',
  diarization_source: null,
  embedded_model: true,
} satisfies JobView['result']

export function aFinishedJob(changes: Partial<JobView> = {}): JobView {
  const done = { status: 'completed', duration_ms: 1200 } as const
  return aJob({
    status: 'completed',
    completed_at: AT,
    progress: progressOf(100, null, null),
    stages: [aStage('prepare', done), aStage('transcribe', done), aStage('merge', done)],
    result: RESULT,
    ...changes,
  })
}

export function aDocument(view: JobView, text: string | null): JobDocument {
  return { ...view, text, segments: text === null ? null : [], words: text === null ? null : [] }
}

export function snapshot(job: JobView): JobEvent {
  return { type: 'snapshot', job }
}

export function completed(job: JobView = aFinishedJob()): JobEvent {
  const { progress, pipeline_warnings } = job
  return { type: 'job.completed', at: AT, progress, pipeline_warnings, job }
}

export function stageEvent(
  type: 'task.started' | 'task.completed' | 'task.queued',
  stage: StageView,
): JobEvent {
  const common = {
    at: AT,
    progress: progressOf(10, stage.stage, 0),
    pipeline_warnings: [],
    stage,
  }
  return type === 'task.completed' ? { type, ...common, audio_duration_seconds: 63 } : { type, ...common }
}

export function progressEvent(stage: 'prepare' | 'transcribe', percent: number): JobEvent {
  return {
    type: 'task.progress',
    task_id: taskId(stage),
    stage,
    task: { percent, message: null },
    progress: progressOf(50, stage, percent),
  }
}

export function partialEvent(revision: number, text: string): JobEvent {
  return {
    type: 'transcript.partial',
    partial: { task_id: taskId('transcribe'), revision, start: 0, end: 3, text },
  }
}
