import { access, appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { InferenceSession } from 'onnxruntime-node'
import { z } from 'zod'
import { defineEngine, EngineError } from '#engines/engine.ts'
import type { ListedEngine } from '#engines/list.ts'
import { openSession } from '#engines/onnx/runtime.ts'
import { EngineManifest } from '#protocol/engine.ts'
import { TranscribeSummary } from '#protocol/summary.ts'

/**
 * An engine whose models are what their `model.json` says, in a real child process; each load, unload and run leaves a line
 * in the `events` file beside it.
 */
export const Behaviour = z.strictObject({
  /** Held from load to unload. */
  memory_mib: z.int().min(0).default(0),
  /** Kept after the unload. */
  leak_mib: z.int().min(0).default(0),
  /** An ONNX file: a real session. */
  onnx: z.string().optional(),
  /** A path: loading goes on when a file is there. */
  load_until: z.string().optional(),
  /** The same for each run. */
  run_until: z.string().optional(),
  load: z.enum(['ok', 'out_of_memory', 'die_by_the_system', 'last_words', 'invalid', 'crash']).default('ok'),
  /** A run never ends, and its thread answers nothing. */
  run_blocks: z.boolean().default(false),
  /** Runs with a larger batch are out of memory. */
  largest_batch: z.number().positive().default(1),
})
export type Behaviour = z.infer<typeof Behaviour>

interface Model {
  readonly folder: string
  readonly behaviour: Behaviour
  readonly held: Buffer
  readonly session: InferenceSession | null
}

const manifest = EngineManifest.parse({
  id: 'swapper',
  name: 'Swapper',
  version: '1.0.0',
  description: 'Its models are what they say.',
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
  needs_model: true,
  hardware: { gpu_required: false, memory_mib: 64 },
})

const SUMMARY = TranscribeSummary.parse({
  stage: 'transcribe',
  language: 'en',
  language_source: 'model',
  granularity_requested: 'word',
  granularity_achieved: 'word',
  no_speech: true,
  segment_count: 0,
  word_count: 0,
  character_count: 0,
  speaker_count: null,
  warnings: [],
})

const leaked: Buffer[] = []

const engine = defineEngine<'transcribe', Model>({
  manifest,
  async load(files) {
    const folder = files?.folder ?? ''
    const behaviour = Behaviour.parse(JSON.parse(await readFile(join(folder, 'model.json'), 'utf8')))
    await note(folder, 'load')
    await until(behaviour.load_until)
    await perform(behaviour.load)
    const session = behaviour.onnx === undefined ? null : await openSession(behaviour.onnx, { threads: 1 })
    return { folder, behaviour, held: filled(behaviour.memory_mib), session }
  },
  async run({ outputFolder }, { folder, behaviour, held }, { batchScale, signal, report }) {
    await note(folder, `run at ${batchScale} with ${held.length / 1024 ** 2} MiB`)
    report({ percent: 0, message: 'running' })
    await until(behaviour.run_until, signal)
    // One turn for the report to leave.
    if (behaviour.run_blocks) await sleep(1)
    while (behaviour.run_blocks);
    if (batchScale > behaviour.largest_batch) throw new RangeError('Array buffer allocation failed')
    await writeFile(join(outputFolder, 'transcript.jsonl'), '')
    return SUMMARY
  },
  async dispose({ folder, behaviour, session }) {
    leaked.push(filled(behaviour.leak_mib))
    await session?.release()
    await note(folder, 'unload')
  },
})

export const ENGINES: readonly ListedEngine[] = [{ manifest, load: () => Promise.resolve(engine) }]

async function perform(load: Behaviour['load']): Promise<void> {
  switch (load) {
    case 'ok':
      return
    case 'out_of_memory':
      throw new EngineError({ code: 'out_of_memory', message: 'No memory is left.', retryable: true })
    case 'invalid':
      throw new EngineError({
        code: 'invalid_model',
        message: 'model.json: not one of ours',
        retryable: false,
      })
    case 'crash':
      process.exit(7)
      break
    case 'die_by_the_system':
      process.kill(process.pid, 'SIGKILL')
      return new Promise(() => {})
    case 'last_words':
      process.stderr.write("terminate called after throwing an instance of 'std::bad_alloc'\n", () =>
        process.exit(134),
      )
      return new Promise(() => {})
  }
}

/** Memory that the system has given, not only promised. */
function filled(mib: number): Buffer {
  return Buffer.alloc(mib * 1024 ** 2, 1)
}

function note(folder: string, line: string): Promise<void> {
  return appendFile(join(folder, 'events'), `${line}\n`)
}

async function until(path: string | undefined, signal?: AbortSignal): Promise<void> {
  while (path !== undefined && !(await exists(path))) {
    signal?.throwIfAborted()
    await sleep(5)
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
