import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Engine, ModelFiles, RunContext } from '#engines/engine.ts'
import { EngineError } from '#engines/engine.ts'
import { SAMPLE_RATE_HZ, SpeechRegion } from '#protocol/audio.ts'
import type { PrepareSummary, TranscribeSummary } from '#protocol/summary.ts'
import type { Partial, Progress, TaskError, TaskParameters } from '#protocol/task.ts'
import { Segment } from '#protocol/transcript.ts'

/** Runs engines as the agent's child does, on files in a folder. */
export interface Reported {
  readonly progress: Progress
  readonly partial: Partial | undefined
}

export interface Run<Summary> {
  readonly summary: Summary
  readonly reports: readonly Reported[]
}

export const PARAMETERS: TaskParameters = {
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
}

/** A model folder as the agent hands it to an engine. */
export function modelFilesIn(folder: string): ModelFiles {
  return { runtimeModelId: 'tests/model', folder, threads: 1, device: 'cpu' }
}

export function recordingContext(signal: AbortSignal = new AbortController().signal): {
  context: RunContext
  reports: Reported[]
} {
  const reports: Reported[] = []
  return {
    context: { signal, batchScale: 1, report: (progress, partial) => reports.push({ progress, partial }) },
    reports,
  }
}

export interface Prepared extends Run<PrepareSummary> {
  readonly samples: Int16Array
  readonly regions: readonly SpeechRegion[]
  readonly peaks: Uint8Array
}

export async function runPrepare<Model>(
  engine: Engine<'prepare', Model>,
  model: Model,
  upload: string,
  outputFolder: string,
  fileName: string | null = null,
): Promise<Prepared> {
  mkdirSync(outputFolder, { recursive: true })
  const { context, reports } = recordingContext()
  const parameters = { ...PARAMETERS, file_name: fileName }
  const summary = await engine.run(
    { stage: 'prepare', inputs: { upload }, outputFolder, parameters },
    model,
    context,
  )
  const audio = readFileSync(join(outputFolder, 'audio.s16'))
  return {
    summary,
    reports,
    samples: new Int16Array(audio.buffer.slice(audio.byteOffset, audio.byteOffset + audio.byteLength)),
    regions: jsonLines(join(outputFolder, 'speech.jsonl')).map((line) => SpeechRegion.parse(line)),
    peaks: readFileSync(join(outputFolder, 'peaks.u8')),
  }
}

export interface Transcribed extends Run<TranscribeSummary> {
  /** Where the recording lies, and what was written of it. */
  readonly folder: string
  readonly segments: readonly Segment[]
}

export interface TranscribeOptions {
  readonly regions?: readonly SpeechRegion[]
  readonly signal?: AbortSignal
  readonly batchScale?: number
  readonly parameters?: globalThis.Partial<TaskParameters>
}

/** Transcribes samples of −1 to 1; without regions, all of them. */
export async function runTranscribe<Model>(
  engine: Engine<'transcribe', Model>,
  model: Model,
  samples: Float32Array,
  outputFolder: string,
  options: TranscribeOptions = {},
): Promise<Transcribed> {
  mkdirSync(outputFolder, { recursive: true })
  const seconds = samples.length / SAMPLE_RATE_HZ
  const path = join(outputFolder, 'audio.s16')
  const speechRegions = join(outputFolder, 'speech.jsonl')
  const s16 = Int16Array.from(samples, (sample) => Math.round(sample * 32_767))
  writeFileSync(path, new Uint8Array(s16.buffer))
  const regions = options.regions ?? [{ start: 0, end: seconds }]
  writeFileSync(speechRegions, regions.map((region) => `${JSON.stringify(region)}\n`).join(''))
  const { context, reports } = recordingContext(options.signal)
  const summary = await engine.run(
    {
      stage: 'transcribe',
      inputs: { audio: { path, format: 's16le', start: 0, end: seconds }, speechRegions },
      outputFolder,
      parameters: { ...PARAMETERS, ...options.parameters },
    },
    model,
    { ...context, batchScale: options.batchScale ?? 1 },
  )
  const segments = jsonLines(join(outputFolder, 'transcript.jsonl')).map((line) => Segment.parse(line))
  return { folder: outputFolder, summary, reports, segments }
}

/** The typed error that a run ends with; throws where it ends otherwise. */
export async function taskErrorOf(run: Promise<unknown>): Promise<TaskError> {
  try {
    await run
  } catch (error) {
    if (error instanceof EngineError) return error.taskError
    throw error
  }
  throw new Error('expected an EngineError, the run completed')
}

function jsonLines(path: string): unknown[] {
  const lines = readFileSync(path, 'utf8').split('\n')
  return lines.filter((line) => line !== '').map((line): unknown => JSON.parse(line))
}
