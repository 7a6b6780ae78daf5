import { type JobParameters, planTasks } from '#core/dag.ts'
import { type Dispatch, outputPrefix } from '#core/dispatch.ts'
import type { JobSpec } from '#core/job/facts.ts'
import type { AgentMessage } from '#protocol/agent-messages.ts'
import type { AnnouncedEngine, AnnouncedModel } from '#protocol/engine.ts'
import { AgentId, EngineId, JobId, ModelId, Pool, TaskId, TenantId } from '#protocol/ids.ts'
import type { Stage } from '#protocol/stage.ts'
import type { Artifact, Requirements, StageSummary, TaskOutcome } from '#protocol/task.ts'
import type { Segment } from '#protocol/transcript.ts'

/** Builders: a test names only what matters to it. */

/** A day in the past, so that no test depends on the present. */
export const T0 = Date.UTC(2025, 0, 1)

export function jobId(number = 1): JobId {
  return JobId.parse(`job_${String(number).padStart(26, '0')}`)
}
export function agentId(number = 1): AgentId {
  return AgentId.parse(`agent_${String(number).padStart(26, '0')}`)
}
export function taskId(stage: Stage, job = jobId()): TaskId {
  return TaskId.parse(`${job}.${stage}`)
}

const PARAMETERS: JobParameters = {
  modelId: null,
  language: 'en',
  granularity: 'word',
  speakerDetection: 'none',
  piiDetection: false,
  redactPiiAudio: false,
}

/** prepare → transcribe → merge, unless the parameters say more. */
export function aJob(parts: Partial<JobParameters> & { readonly id?: JobId } = {}): JobSpec {
  const { id = jobId(), ...given } = parts
  const parameters = { ...PARAMETERS, ...given }
  return {
    jobId: id,
    tenantId: TenantId.parse('default'),
    pool: Pool.parse('default'),
    name: 'call.wav',
    fileName: 'call.wav',
    modelRequested: 'auto',
    languageRequested: 'en',
    parameters,
    upload: anArtifact('upload', `jobs/${id}/upload`),
    tasks: planTasks(id, parameters),
  }
}

export function anArtifact(name: string, key: string): Artifact {
  return { name, key, size_bytes: 10, content_type: 'application/octet-stream' }
}

export function requirementsOf(parts: Partial<Requirements> = {}): Requirements {
  return {
    stage: 'transcribe',
    engine_id: null,
    model_id: null,
    language: null,
    word_timestamps: false,
    split_channels: false,
    ...parts,
  }
}

export function aDispatch(parts: Partial<Dispatch> = {}): Dispatch {
  const job = parts.jobId ?? jobId()
  const stage = parts.stage ?? 'prepare'
  const id = parts.taskId ?? taskId(stage, job)
  const fence = parts.fence ?? 1
  return {
    taskId: id,
    jobId: job,
    fence,
    stage,
    requirements: requirementsOf({ stage }),
    inputs: [],
    parameters: { file_name: null, language: null, granularity: 'word', audio_seconds: null },
    outputPrefix: outputPrefix(id, fence),
    runLimitMs: 600_000,
    queuedAtMs: T0,
    ...parts,
  }
}

export function aModel(id: string, parts: Partial<AnnouncedModel> = {}): AnnouncedModel {
  return {
    id: ModelId.parse(id),
    runtime_model_id: id,
    languages: ['en'],
    word_timestamps: true,
    embedded: false,
    loaded: false,
    ...parts,
  }
}

interface EngineParts {
  readonly id?: string
  readonly stages?: Stage[]
  readonly slots?: number
  readonly models?: AnnouncedModel[]
  readonly needsModel?: boolean
  readonly capabilities?: Partial<AnnouncedEngine['manifest']['capabilities']>
}

export function anEngine(parts: EngineParts = {}): AnnouncedEngine {
  const { id = 'prepare', stages = ['prepare'], slots = 8, models = [], needsModel = false } = parts
  return {
    manifest: {
      id: EngineId.parse(id),
      name: id,
      version: '1.0.0',
      description: '',
      stages,
      interfaces: ['batch'],
      capabilities: {
        languages: null,
        word_timestamps: true,
        diarization: false,
        split_channels: false,
        native_streaming: false,
        max_audio_seconds: null,
        ...parts.capabilities,
      },
      needs_model: needsModel,
      hardware: { gpu_required: false, memory_mib: 100 },
    },
    device: 'cpu',
    slots,
    models,
  }
}

/** An engine for each stage that the short pipeline needs of agents. */
export const EVERYTHING = [
  anEngine(),
  anEngine({ id: 'ctc', stages: ['transcribe'], needsModel: true, models: [aModel('english')] }),
]

type Hello = Extract<AgentMessage, { type: 'agent.hello' }>

export function aHello(parts: Partial<Hello> = {}): Hello {
  return {
    type: 'agent.hello',
    protocol: { min: 1, max: 1 },
    version: '1.0.0',
    platform: 'linux-x64',
    slots: 2,
    engines: EVERYTHING,
    running: [],
    ...parts,
  }
}

const TRANSCRIPT = {
  language: 'en',
  language_source: 'requested',
  granularity_requested: 'word',
  granularity_achieved: 'word',
  no_speech: false,
  segment_count: 1,
  word_count: 2,
  character_count: 11,
  warnings: [],
} as const

export function aSummary(stage: Stage): StageSummary {
  if (stage === 'merge' || stage === 'transcribe') return { ...TRANSCRIPT, stage, warnings: [] }
  return {
    stage: 'prepare',
    duration_seconds: 90,
    source: { container: 'wav', codec: 'pcm_s16le', channels: 1, sample_rate_hz: 16_000 },
    loudness_dbfs: -20,
    peak_dbfs: -3,
    speech_seconds: 80,
    decoder: 'built_in',
    warnings: [],
  }
}

/** What a healthy engine answers for a grant. */
export function completed(task: TaskId, fence: number): TaskOutcome {
  // The part behind the dot of a task id is its stage.
  const stage = task.slice(task.indexOf('.') + 1) as Stage
  const name = stage === 'prepare' ? 'audio.s16' : 'transcript.jsonl'
  return {
    status: 'completed',
    artifacts: [anArtifact(name, `${outputPrefix(task, fence)}${name}`)],
    summary: aSummary(stage),
    metrics: { transfer_ms: 1, load_ms: 1, run_ms: 1 },
  }
}

export function failed(retryable: boolean, code = 'engine_failed'): TaskOutcome {
  return { status: 'failed', error: { code, message: 'it broke', retryable } }
}

export const HANDED_BACK: TaskOutcome = { status: 'handed_back', reason: 'draining: update' }

export function aSegment(parts: Partial<Segment> = {}): Segment {
  const base = { id: 0, start: 0, end: 2, text: 'hello world', confidence: null, speaker: null, words: [] }
  return { ...base, ...parts }
}
