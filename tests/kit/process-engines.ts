import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { ModelFiles } from '#engines/engine.ts'
import type { DescriptionInput } from '#engines/process/description.ts'
import { type ProcessEngine, processEngine } from '#engines/process/engine.ts'
import type { TranscribeSummary } from '#protocol/summary.ts'
import { TaskParameters } from '#protocol/task.ts'
import { Segment } from '#protocol/transcript.ts'
import { type Reported, recordingContext } from './engine-runs.ts'

/** Process engines, and tasks for them, as the agent's child runs them. */
export const PROGRAM = fileURLToPath(import.meta.resolve('#tests/kit/process-program.mjs'))

export const MANIFEST = {
  id: 'scripted-process',
  name: 'Scripted process',
  version: '1.0.0',
  description: 'Does what its task says.',
  stages: ['transcribe'],
  interfaces: ['batch'],
  capabilities: {
    languages: null,
    word_timestamps: true,
    diarization: false,
    split_channels: false,
    native_streaming: false,
    max_audio_seconds: null,
  },
  needs_model: false,
  hardware: { gpu_required: false, memory_mib: 64 },
} satisfies DescriptionInput['manifest']

/** The scripted program, started in a mode of its. */
export function aDescription(start = 'good', fields: Partial<DescriptionInput> = {}): DescriptionInput {
  return { manifest: MANIFEST, command: [process.execPath, PROGRAM, start], ...fields }
}

/** Ends with its test. */
export async function aProcessEngine(
  description: DescriptionInput,
  engines: ProcessEngine[],
  folder?: string,
): Promise<ProcessEngine> {
  const engine = await processEngine(description, folder).load()
  engines.push(engine)
  return engine
}

export function modelFiles(folder: string): ModelFiles {
  return { runtimeModelId: 'some/model', folder, threads: 2, device: 'cpu' }
}

export interface ProcessRun {
  readonly folder: string
  readonly summary: TranscribeSummary
  readonly segments: readonly Segment[]
  readonly reports: readonly Reported[]
}

export interface ProcessTask {
  /** What the scripted program does with it. */
  readonly prompt?: string
  readonly parameters?: globalThis.Partial<TaskParameters>
  readonly samples?: Int16Array
  readonly regions?: readonly { readonly start: number; readonly end: number }[]
  readonly signal?: AbortSignal
  /** Called at every report. */
  readonly onReport?: (report: Reported) => void
}

type ProgramModel = Parameters<ProcessEngine['run']>[1]

/** Runs a transcription in a folder of its own. */
export async function runProcess(
  engine: ProcessEngine,
  model: ProgramModel,
  folder: string,
  task: ProcessTask = {},
): Promise<ProcessRun> {
  mkdirSync(folder, { recursive: true })
  const samples = task.samples ?? new Int16Array(16_000)
  const seconds = samples.length / 16_000
  writeFileSync(`${folder}/audio.s16`, samples)
  const regions = task.regions ?? [{ start: 0, end: seconds }]
  writeFileSync(`${folder}/speech.jsonl`, regions.map((region) => `${JSON.stringify(region)}\n`).join(''))
  const { context, reports } = recordingContext(task.signal)
  const summary = await engine.run(
    {
      stage: 'transcribe',
      inputs: {
        audio: { path: `${folder}/audio.s16`, format: 's16le', start: 0, end: seconds },
        speechRegions: `${folder}/speech.jsonl`,
      },
      outputFolder: folder,
      parameters: TaskParameters.parse({
        file_name: null,
        language: null,
        granularity: 'word',
        audio_seconds: seconds,
        channel: null,
        split_channels: false,
        speakers: null,
        redaction: null,
        prompt: task.prompt ?? null,
        ...task.parameters,
      }),
    },
    model,
    {
      ...context,
      batchScale: 1,
      report: (progress, partial) => {
        context.report(progress, partial)
        task.onReport?.({ progress, partial })
      },
    },
  )
  if (summary.stage !== 'transcribe') throw new Error(`expected a transcription, got ${summary.stage}`)
  const lines = readFileSync(`${folder}/transcript.jsonl`, 'utf8').split('\n')
  const segments = lines.filter((line) => line !== '').map((line) => Segment.parse(JSON.parse(line)))
  return { folder, summary, segments, reports }
}

/** Whether a process still runs; one that nobody has collected does not. */
export function runs(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    // ENOENT, ESRCH: gone.
    return false
  }
}
