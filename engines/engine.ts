import type { EngineManifest } from '#protocol/engine.ts'
import type {
  Partial,
  PrepareSummary,
  Progress,
  TaskError,
  TaskParameters,
  TranscribeSummary,
} from '#protocol/task.ts'
import type { Segment } from '#protocol/transcript.ts'

/**
 * The one contract of every engine. An engine runs in a forked child of the agent: it may block its thread, and it may
 * be killed at any time. Audio travels by path and range, never as samples over IPC.
 */
export interface Engine<S extends EngineStage, Model> {
  readonly manifest: EngineManifest
  readonly stage: S
  /** Load weights from a folder. Engines with `needs_model: false` get null. */
  load(model: ModelFiles | null): Promise<Model>
  run(task: EngineTask<S>, model: Model, context: RunContext): Promise<StageOutputs[S]>
  /** Native streaming; an engine without it is wrapped (silence or the maximum chunk length ends an utterance). */
  stream?(options: StreamOptions, model: Model): StreamSession
  /** Frees what `load` took. */
  dispose(model: Model): Promise<void>
}

/** A loaded model's files. `folder` is absolute; `threads` is what this host may use. */
export interface ModelFiles {
  readonly runtimeModelId: string
  readonly folder: string
  readonly threads: number
}

/** What a stage reads and writes. Paths are absolute; every output lies in `outputFolder`, named as `StageArtifacts` says. */
export interface EngineTask<S extends EngineStage> {
  readonly inputs: StageInputs[S]
  readonly outputFolder: string
  readonly parameters: TaskParameters
}

/** The type of each stage's input: a wrong document does not compile. */
export interface StageInputs {
  readonly prepare: { readonly upload: string }
  readonly transcribe: { readonly audio: AudioReference; readonly speechRegions: string }
}

export interface StageOutputs {
  readonly prepare: PrepareSummary
  readonly transcribe: TranscribeSummary
}

export type EngineStage = keyof StageOutputs

/**
 * Artifact names: what a stage reads by (input name → artifact) and writes into its output folder.
 * `audio.s16`: raw 16 kHz mono s16le. `speech.jsonl`: a `SpeechRegion` a line. `peaks.u8`: waveform peaks.
 * `transcript.jsonl`: a `Segment` a line, in time order.
 */
export const STAGE_ARTIFACTS = {
  prepare: { reads: ['upload'], writes: ['audio.s16', 'speech.jsonl', 'peaks.u8'] },
  transcribe: { reads: ['audio.s16', 'speech.jsonl'], writes: ['transcript.jsonl'] },
} as const satisfies Record<EngineStage, { reads: readonly string[]; writes: readonly string[] }>

export const CONTENT_TYPES: Readonly<Record<string, string>> = {
  'audio.s16': 'audio/l16;rate=16000;channels=1',
  'speech.jsonl': 'application/jsonl',
  'peaks.u8': 'application/octet-stream',
  'transcript.jsonl': 'application/jsonl',
}

/** 16 kHz mono samples in a file; positions in seconds. */
export interface AudioReference {
  readonly path: string
  readonly format: 's16le'
  readonly start: number
  readonly end: number
}

export interface RunContext {
  /** Aborted on cancel; an engine looks at it between chunks and throws `signal.reason`. */
  readonly signal: AbortSignal
  /** Call as often as you like: the agent sends the first and the last value and at most one a second between. */
  readonly report: ProgressReporter
}

export type ProgressReporter = (progress: Progress, partial?: Partial) => void

export interface StreamOptions {
  readonly language: string | null
}

export interface StreamSession {
  /** Mono samples at 16 kHz, −1..1. */
  push(samples: Float32Array): void
  /** End the current utterance now. */
  flush(): void
  readonly events: AsyncIterable<StreamEvent>
  close(): Promise<void>
}

export type StreamEvent =
  | { readonly type: 'partial'; readonly start: number; readonly end: number; readonly text: string }
  | { readonly type: 'final'; readonly segment: Segment }

/** A failure that the engine understands. Anything else that is thrown is reported as `engine_error`, retryable. */
export class EngineError extends Error {
  readonly taskError: TaskError

  constructor(taskError: TaskError, options?: ErrorOptions) {
    super(taskError.message, options)
    this.name = 'EngineError'
    this.taskError = taskError
  }
}

/** Identity with types: lets `load` and `run` agree on the model without writing its type twice. */
export function defineEngine<S extends EngineStage, Model>(engine: Engine<S, Model>): Engine<S, Model> {
  return engine
}
