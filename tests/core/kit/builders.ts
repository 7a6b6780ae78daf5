import { planTasks } from '#core/dag.ts'
import { type Dispatch, outputPrefix } from '#core/dispatch.ts'
import type { JobSpec } from '#core/job/facts.ts'
import type { JobParameters } from '#core/parameters.ts'
import { choosePipeline } from '#core/pipeline.ts'
import { type AgentMessage, PROTOCOL_VERSION } from '#protocol/agent-messages.ts'
import type { AnnouncedEngine, AnnouncedModel } from '#protocol/engine.ts'
import { AgentId, EngineId, JobId, ModelId, Pool, TaskId, TenantId } from '#protocol/ids.ts'
import { STAGES, type Stage } from '#protocol/stage.ts'
import type { Artifact, Requirements, TaskOutcome } from '#protocol/task.ts'
import type { Segment } from '#protocol/transcript.ts'
import { aSummary } from './summaries.ts'

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
  models: {},
  enginePreference: null,
  language: 'en',
  granularity: 'word',
  speakerDetection: 'none',
  speakers: null,
  enrichment: [],
  piiDetection: false,
  redactPiiAudio: false,
  redaction: null,
  required: {},
  priority: 'normal',
  unavailable: { behavior: 'fail', waitMs: 300_000 },
}

export function parametersOf(parts: Partial<JobParameters> = {}): JobParameters {
  return { ...PARAMETERS, ...parts }
}

interface JobParts extends Partial<JobParameters> {
  readonly id?: JobId
  /** What runs when the job is submitted: an engine for every stage, unless a test says so. */
  readonly engines?: readonly AnnouncedEngine[]
}

/** prepare → transcribe → merge, unless the parameters say more. */
export function aJob(parts: JobParts = {}): JobSpec {
  const { id = jobId(), engines = EVERY_STAGE, ...given } = parts
  const parameters = parametersOf(given)
  const running = engines.map((engine) => ({ agentId: agentId(), engine }))
  const choice = choosePipeline(parameters, running, { engines: [], models: [] })
  const pipeline = choice.ok ? choice.pipeline : null
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
    keyId: 'key-1',
    pipeline,
    tasks: pipeline === null ? [] : planTasks(id, parameters, pipeline, null),
    trace: { traceId: '0af7651916cd43dd8448eb211c80319c', parentSpanId: null },
    reuse: null,
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
    diarization: false,
    translation: false,
    split_channels: false,
    streaming: false,
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
    parameters: {
      file_name: null,
      language: null,
      granularity: 'word',
      task: 'transcribe',
      prompt: null,
      vocabulary: [],
      temperature: null,
      audio_seconds: null,
      channel: null,
      split_channels: false,
      speakers: null,
      redaction: null,
    },
    outputPrefix: outputPrefix(id, fence),
    runLimitMs: 600_000,
    queuedAtMs: T0,
    jobCreatedAtMs: parts.queuedAtMs ?? T0,
    preferredEngineId: null,
    share: 'key-1',
    priority: 'normal',
    workSeconds: 60,
    avoid: [],
    patienceMs: 0,
    ...parts,
  }
}

export function aModel(id: string, parts: Partial<AnnouncedModel> = {}): AnnouncedModel {
  return {
    id: ModelId.parse(id),
    runtime_model_id: id,
    languages: ['en'],
    word_timestamps: true,
    diarization: false,
    translation: false,
    memory_mib: null,
    size_bytes: null,
    embedded: false,
    preferred: false,
    pinned: false,
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
        translation: false,
        vocabulary: 'none',
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

/** One for each stage that runs on agents. */
export const EVERY_STAGE = [
  anEngine({ capabilities: { split_channels: true } }),
  anEngine({ id: 'ctc', stages: ['transcribe'], needsModel: true, models: [aModel('english')] }),
  ...STAGES.filter((stage) => stage !== 'prepare' && stage !== 'transcribe' && stage !== 'merge').map(
    (stage) => anEngine({ id: stage.replace('_', '-'), stages: [stage] }),
  ),
]

type Hello = Extract<AgentMessage, { type: 'agent.hello' }>

export function aHello(parts: Partial<Hello> = {}): Hello {
  return {
    type: 'agent.hello',
    protocol: { min: PROTOCOL_VERSION, max: PROTOCOL_VERSION },
    version: '1.0.0',
    platform: 'linux-x64',
    slots: 2,
    memory_mib: null,
    models_free_bytes: null,
    labels: [],
    engines: EVERYTHING,
    running: [],
    ...parts,
  }
}

const OUTPUTS: Partial<Record<Stage, string>> = {
  prepare: 'audio.s16',
  diarize: 'turns.jsonl',
  detect_emotions: 'emotions.jsonl',
  detect_events: 'events.jsonl',
  detect_topics: 'topics.jsonl',
  audio_redact: 'audio_redacted.s16',
}

/** What a healthy engine answers for a grant. */
export function completed(task: TaskId, fence: number): TaskOutcome {
  // The part behind the dot of a task id is its stage.
  const stage = (task.split('.')[1] ?? '') as Stage
  const name = OUTPUTS[stage] ?? 'transcript.jsonl'
  return {
    status: 'completed',
    artifacts: [anArtifact(name, `${outputPrefix(task, fence)}${name}`)],
    summary: aSummary(stage),
    metrics: { transfer_ms: 1, swap_ms: 0, load_ms: 1, run_ms: 1 },
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

/** What the registry hears of a completed run, and of one that failed. */
export const A_RUN = {
  end: 'completed',
  run: { metrics: { transfer_ms: 1, swap_ms: 0, load_ms: 1, run_ms: 1 }, audioSeconds: null },
} as const
export const NO_RUN = { end: 'failed', run: null } as const
