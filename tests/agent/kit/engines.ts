import { access, copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineEngine, EngineError, type RunContext } from '#engines/engine.ts'
import type { ListedEngine } from '#engines/list.ts'
import { EngineManifest } from '#protocol/engine.ts'
import { EngineId } from '#protocol/ids.ts'
import { PrepareSummary, type StageSummary, TranscribeSummary } from '#protocol/summary.ts'

/**
 * Engines that do what a task's `file_name` says, in a real child process:
 *
 *   ok            copy the upload to audio.s16
 *   hold:<path>   report once, then wait until the file is there (or the task is aborted)
 *   reports:<n>   n reports in a row, the last at 100 %
 *   env           write the child's environment to speech.jsonl
 *   onnx:<path>   run an ONNX Runtime session of this model
 *   crash         end the process in the middle
 *   spin          report once, then block the thread for ever
 *   deaf          wait for ever, deaf to abort
 *   fail          throw a terminal EngineError
 *   throw         throw something else
 *   lie           answer with the summary of another stage
 *   babble        answer with what is no message at all
 *   no-output     write nothing
 */
const capabilities = {
  languages: null,
  word_timestamps: true,
  diarization: false,
  split_channels: false,
  native_streaming: false,
  max_audio_seconds: null,
}

const PREPARE = EngineManifest.parse({
  id: 'scripted',
  name: 'Scripted prepare',
  version: '1.0.0',
  description: 'Does what the file name says.',
  stages: ['prepare'],
  interfaces: ['batch'],
  capabilities,
  needs_model: false,
  hardware: { gpu_required: false, memory_mib: 64 },
})

const TRANSCRIBE: EngineManifest = {
  ...PREPARE,
  id: EngineId.parse('scripted-ctc'),
  stages: ['transcribe'],
  needs_model: true,
}

export const PREPARE_SUMMARY = PrepareSummary.parse({
  stage: 'prepare',
  duration_seconds: 1,
  source: { container: 'wav', codec: 'pcm_s16le', channels: 1, sample_rate_hz: 16_000 },
  loudness_dbfs: -20,
  peak_dbfs: -3,
  speech_seconds: 1,
  channel_count: 1,
  decoder: 'built_in',
  warnings: [],
})

const TRANSCRIBE_SUMMARY = TranscribeSummary.parse({
  stage: 'transcribe',
  language: 'en',
  language_source: 'model',
  granularity_requested: 'word',
  granularity_achieved: 'word',
  no_speech: false,
  segment_count: 1,
  word_count: 1,
  character_count: 4,
  speaker_count: null,
  warnings: [],
})

const prepare = defineEngine<'prepare', null>({
  manifest: PREPARE,
  load: () => Promise.resolve(null),
  async run({ inputs, outputFolder, parameters }, _model, context) {
    const script = parameters.file_name ?? 'ok'
    await act(script, context)
    if (script === 'no-output') return PREPARE_SUMMARY
    await copyFile(inputs.upload, join(outputFolder, 'audio.s16'))
    await writeFile(join(outputFolder, 'speech.jsonl'), script === 'env' ? JSON.stringify(process.env) : '')
    await writeFile(join(outputFolder, 'peaks.u8'), 'peaks')
    // The lie that the agent must notice; the compiler would.
    if (script === 'lie') return TRANSCRIBE_SUMMARY as StageSummary as PrepareSummary
    return PREPARE_SUMMARY
  },
  dispose: () => Promise.resolve(),
})

const transcribe = defineEngine<'transcribe', { readonly folder: string }>({
  manifest: TRANSCRIBE,
  load: (model) => Promise.resolve({ folder: model?.folder ?? '' }),
  async run({ inputs, outputFolder, parameters }, model, context) {
    await act(parameters.file_name ?? 'ok', context)
    const line = { audio: inputs.audio, model: model.folder }
    await writeFile(join(outputFolder, 'transcript.jsonl'), JSON.stringify(line))
    return TRANSCRIBE_SUMMARY
  },
  dispose: () => Promise.resolve(),
})

export const ENGINES: readonly ListedEngine[] = [
  { manifest: PREPARE, load: () => Promise.resolve(prepare) },
  { manifest: TRANSCRIBE, load: () => Promise.resolve(transcribe) },
]

async function act(script: string, { report, signal }: RunContext): Promise<void> {
  const [verb, argument = ''] = script.split(/:(.*)/s)
  switch (verb) {
    case 'crash':
      process.exit(7)
      break
    case 'spin':
      report({ percent: 0, message: 'spinning' })
      await sleep(1)
      for (;;);
    case 'deaf':
      return new Promise(() => setInterval(() => {}, 1000))
    case 'fail':
      throw new EngineError({ code: 'invalid_audio', message: 'This is no audio.', retryable: false })
    case 'throw':
      throw new RangeError('out of bounds')
    case 'babble':
      process.send?.({ type: 'nonsense' })
      return new Promise(() => {})
    case 'onnx': {
      const { InferenceSession, Tensor } = await import('onnxruntime-node')
      const session = await InferenceSession.create(argument)
      await session.run({ x: new Tensor('float32', [1], [1]) })
      return
    }
    case 'reports':
      for (let index = 1; index <= Number(argument); index++) {
        const percent = (100 * index) / Number(argument)
        report({ percent, message: null }, { revision: index, start: 0, end: index, text: `word ${index}` })
      }
      return
    case 'hold':
      report({ percent: 0, message: 'holding' })
      while (!(await exists(argument))) {
        signal.throwIfAborted()
        await sleep(5)
      }
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
