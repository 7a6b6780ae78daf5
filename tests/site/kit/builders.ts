import type { AgentView, EngineView, JobDocument, ModelView } from '#protocol/api.ts'
import { AgentId, EngineId, JobId, JoinTokenId, ModelId, newId, Pool, TaskId } from '#protocol/ids.ts'
import type { JobSummary, JobView, StageView } from '#protocol/job.ts'
import type { Segment } from '#protocol/transcript.ts'

/** Complete protocol values of which a test names only what matters to it. */
export const NOW_MS = Date.parse('2026-11-20T12:00:00Z')

/** `seconds` before (negative) or after the builders' present. */
export function at(seconds: number): string {
  return new Date(NOW_MS + seconds * 1000).toISOString()
}

let made = 0
export function aJobId(): JobId {
  return JobId.parse(newId('job', NOW_MS, new Uint8Array(16).fill(++made % 32)))
}
export const TOKEN_ID = JoinTokenId.parse(newId('token', NOW_MS, new Uint8Array(16).fill(3)))
export const AGENT_ID = AgentId.parse(newId('agent', NOW_MS, new Uint8Array(16).fill(7)))

export function aJob(given: Partial<JobView> = {}): JobView {
  return {
    id: given.id ?? aJobId(),
    status: 'running',
    name: 'call.wav',
    pool: Pool.parse('default'),
    model: 'auto',
    language: 'auto',
    created_at: at(-10),
    started_at: at(-9),
    completed_at: null,
    audio_duration_seconds: 90,
    priority: 'normal',
    progress: { overall: 40, current_stage: 'transcribe', current_stage_progress: 50, eta: null },
    stages: [],
    why: null,
    error: null,
    pipeline_warnings: [],
    rerun_of: null,
    result: null,
    ...given,
  }
}

export function aStage(job: JobId, given: Partial<StageView> = {}): StageView {
  const stage = given.stage ?? 'transcribe'
  return {
    task_id: TaskId.parse(`${job}.${stage}`),
    stage,
    channel: null,
    status: 'running',
    required: true,
    engine_id: 'ctc',
    model_id: ModelId.parse('embedded-en'),
    agent_id: AGENT_ID,
    attempt: 1,
    ready_at: at(-8),
    started_at: at(-6),
    completed_at: null,
    wait_ms: 2000,
    duration_ms: null,
    progress: { percent: 50, message: null },
    why: null,
    error: null,
    ...given,
  }
}

export function aSegment(given: Partial<Segment> = {}): Segment {
  return { id: 0, start: 0, end: 4, text: 'hello there', confidence: 0.9, speaker: null, words: [], ...given }
}

/** The result of a completed job, for the fields that a test does not care about. */
export function aResult(given: Partial<NonNullable<JobView['result']>> = {}): NonNullable<JobView['result']> {
  return {
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
    embedded_model: false,
    ...given,
  }
}

export function aCompletedJob(given: Partial<JobDocument> = {}): JobDocument {
  const segments = given.segments ?? [aSegment()]
  return {
    ...aJob({
      status: 'completed',
      completed_at: at(-1),
      progress: { overall: 100, current_stage: null, current_stage_progress: null, eta: null },
      result: aResult(),
    }),
    text: (segments ?? []).map((segment) => segment.text).join(' '),
    segments,
    words: [],
    ...given,
  }
}

export function aSummary(job: JobView): JobSummary {
  const { id, status, name, model, language, created_at, started_at, completed_at, error } = job
  const { audio_duration_seconds, result } = job
  const word_count = result?.word_count ?? null
  return {
    id,
    status,
    name,
    model,
    language,
    created_at,
    started_at,
    completed_at,
    audio_duration_seconds,
    word_count,
    error,
  }
}

export function anEngine(
  given: Partial<EngineView> & { stages?: EngineView['manifest']['stages'] } = {},
): EngineView {
  const { stages, ...rest } = given
  return {
    manifest: {
      id: EngineId.parse('ctc'),
      name: 'CTC',
      version: '0.1.0',
      description: 'Acoustic models on ONNX Runtime.',
      stages: stages ?? ['transcribe'],
      interfaces: ['batch', 'realtime'],
      capabilities: {
        languages: null,
        word_timestamps: true,
        diarization: false,
        translation: false,
        vocabulary: 'none',
        split_channels: false,
        native_streaming: false,
        max_audio_seconds: null,
      },
      needs_model: true,
      hardware: { gpu_required: false, memory_mib: 512 },
    },
    device: 'cpu',
    slots: 2,
    models: [
      {
        id: ModelId.parse('embedded-en'),
        runtime_model_id: 'embedded-en',
        languages: ['en'],
        word_timestamps: true,
        diarization: false,
        translation: false,
        memory_mib: 256,
        size_bytes: null,
        embedded: true,
        preferred: false,
        pinned: false,
        loaded: true,
      },
    ],
    engine_id: 'ctc',
    agent_id: AGENT_ID,
    agent_name: 'laptop',
    status: 'ready',
    why: null,
    running_tasks: 0,
    active_sessions: 0,
    queued_tasks: 0,
    ...rest,
  }
}

export function aModel(given: Partial<ModelView> = {}): ModelView {
  return {
    id: ModelId.parse('embedded-en'),
    name: 'Embedded English',
    description: 'Small, for trying the system.',
    engine: EngineId.parse('ctc'),
    runtime_model_id: 'embedded-en',
    stage: 'transcribe',
    source: { kind: 'bundled', path: 'models/embedded' },
    files: [{ path: 'model.onnx', sha256: 'a'.repeat(64), size_bytes: 1 }],
    languages: ['en'],
    capabilities: {
      word_timestamps: true,
      punctuation: false,
      capitalization: false,
      streaming: false,
      translation: false,
      diarization: false,
    },
    hardware: { gpu_required: false, min_ram_mb: 256, min_vram_mb: null },
    aliases: [],
    precision: null,
    published: [],
    preferred: false,
    license: 'Apache-2.0',
    embedded: true,
    verified: true,
    available_on: [AGENT_ID],
    pinned_on: [],
    loaded_on: [AGENT_ID],
    ...given,
  }
}

export function anAgent(given: Partial<AgentView> = {}): AgentView {
  return {
    id: AGENT_ID,
    name: 'laptop',
    pool: Pool.parse('default'),
    status: 'online',
    why: null,
    version: '0.1.0',
    platform: 'linux-x64',
    slots: 2,
    running_tasks: 0,
    engines: ['prepare', 'ctc'],
    connected_at: at(-600),
    last_seen_at: at(-2),
    ...given,
  }
}
