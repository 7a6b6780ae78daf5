import type { EngineManifest } from '#protocol/engine.ts'
import type { Stage } from '#protocol/stage.ts'
import type { StageSummary } from '#protocol/summary.ts'
import type { Partial, Progress, TaskError, TaskParameters } from '#protocol/task.ts'
import type { Segment } from '#protocol/transcript.ts'

/**
 * The one contract of every engine. An engine runs in a forked child of the agent: it may block its thread, and it may
 * be killed at any time. Audio travels by path and range, never as samples over IPC. `S` is the stage that it runs, or
 * the several that its manifest names: a task is of one of them.
 */
export interface Engine<S extends EngineStage, Model> {
  readonly manifest: EngineManifest
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
  readonly device: Device
}

/** What a model's sessions run on. */
export type Device = 'cpu' | 'cuda' | 'webgpu'

/** What a stage reads and writes. Paths are absolute; every output lies in `outputFolder`, named as `STAGE_ARTIFACTS` says. */
export type EngineTask<S extends EngineStage> = {
  readonly [One in S]: {
    readonly stage: One
    readonly inputs: StageInputs[One]
    readonly outputFolder: string
    readonly parameters: TaskParameters
  }
}[S]

/** Merge runs at the edge; an engine may run any other. */
export type EngineStage = Exclude<Stage, 'merge'>

/** The type of each stage's input: a wrong document does not compile. Paths hold what `protocol/documents.ts` says. */
export interface StageInputs extends Readonly<Record<EngineStage, object>> {
  readonly prepare: { readonly upload: string }
  readonly transcribe: { readonly audio: AudioReference; readonly speechRegions: string }
  readonly align: {
    readonly audio: AudioReference
    readonly speechRegions: string
    readonly transcript: string
  }
  readonly diarize: { readonly audio: AudioReference; readonly speechRegions: string }
  readonly detect_emotions: { readonly audio: AudioReference; readonly transcripts: readonly Transcript[] }
  readonly detect_events: { readonly audio: AudioReference }
  readonly detect_topics: { readonly transcripts: readonly Transcript[] }
  /** Null: nobody asked for it, or it was skipped. */
  readonly refine: {
    readonly transcripts: readonly Transcript[]
    readonly turns: string | null
    readonly emotions: string | null
    readonly events: string | null
    readonly topics: string | null
  }
  readonly pii_detect: { readonly transcripts: readonly Transcript[] }
  readonly audio_redact: { readonly audio: AudioReference; readonly entities: string }
}

/** One for all channels (`channel: null`), or one a channel where channels were transcribed one by one. */
export interface Transcript {
  readonly channel: number | null
  readonly path: string
}

export type StageOutputs = { readonly [S in EngineStage]: Extract<StageSummary, { stage: S }> }

/** Names of the files of one stage. */
export interface StageArtifacts {
  readonly reads: readonly string[]
  /** Read as one file, or as one a channel (`channelName`) where channels are worked on apart. */
  readonly readsByChannel?: readonly string[]
  /** Read where it is there. */
  readonly mayRead?: readonly string[]
  readonly writes: readonly string[]
  /** Written once more for each channel (`channelName`) where `split_channels` asks for it. */
  readonly writesByChannel?: readonly string[]
}

/**
 * What each stage reads by input name, and writes into its output folder.
 * `*.s16`: raw 16 kHz mono s16le. `speech.jsonl`: a `SpeechRegion` a line. `peaks.u8`: waveform peaks.
 * `transcript.jsonl`: a `Segment` a line; `events.jsonl`: an `AudioEvent`; the others: see `protocol/documents.ts`. All
 * lines are in time order. What pii_detect writes is redacted, and its entities stand for what was taken out.
 */
export const STAGE_ARTIFACTS: Readonly<Record<EngineStage, StageArtifacts>> = {
  prepare: {
    reads: ['upload'],
    writes: ['audio.s16', 'speech.jsonl', 'peaks.u8'],
    writesByChannel: ['audio.s16', 'speech.jsonl'],
  },
  transcribe: { reads: ['audio.s16', 'speech.jsonl'], writes: ['transcript.jsonl'] },
  align: { reads: ['audio.s16', 'speech.jsonl', 'transcript.jsonl'], writes: ['transcript.jsonl'] },
  diarize: { reads: ['audio.s16', 'speech.jsonl'], writes: ['turns.jsonl'] },
  detect_emotions: { reads: ['audio.s16'], readsByChannel: ['transcript.jsonl'], writes: ['emotions.jsonl'] },
  detect_events: { reads: ['audio.s16'], writes: ['events.jsonl'] },
  detect_topics: { reads: [], readsByChannel: ['transcript.jsonl'], writes: ['topics.jsonl'] },
  refine: {
    reads: [],
    readsByChannel: ['transcript.jsonl'],
    mayRead: ['turns.jsonl', 'emotions.jsonl', 'events.jsonl', 'topics.jsonl'],
    writes: ['transcript.jsonl'],
  },
  pii_detect: {
    reads: [],
    readsByChannel: ['transcript.jsonl'],
    writes: ['transcript.jsonl', 'entities.jsonl'],
  },
  audio_redact: { reads: ['audio.s16', 'entities.jsonl'], writes: ['audio_redacted.s16'] },
}

/** `audio.ch1.s16`: the second channel's own `audio.s16`. */
export function channelName(name: string, channel: number): string {
  return name.replace(/(\.[^.]*)?$/, `.ch${channel}$1`)
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
  /** 1; halved for each earlier try of this task that ran out of memory (`out_of_memory`): shrink batches by it. */
  readonly batchScale: number
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
