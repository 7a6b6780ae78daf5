import { speaks } from '#protocol/language.ts'
import type { TranscribeSummary } from '#protocol/summary.ts'
import type { Partial } from '#protocol/task.ts'
import { type Device, defineEngine, EngineError, type EngineTask, type RunContext } from '../engine.ts'
import { percentOf, readRegions, TranscriptFile } from '../text/transcript-file.ts'
import { manifest } from './manifest.ts'
import { loadModel, type ParakeetModel } from './model-folder.ts'
import { transcription } from './transcription.ts'

/**
 * The longest stretch that the encoder sees at once. Attention takes memory by its square: 30 s (375 frames) take a few MB
 * in each layer. On a GPU two minutes of one recording go through at once.
 */
const WINDOW_SECONDS: Readonly<Record<Device, number>> = { cpu: 30, cuda: 120, webgpu: 30 }
/** 16 windows of 30 s: beyond that a batch gains little more on a CPU. */
const BATCH_SECONDS: Readonly<Record<Device, number>> = { cpu: 480, cuda: 960, webgpu: 480 }

/** Where memory is short windows shrink as well, but not below what a sentence takes. */
const LEAST_WINDOW_SECONDS = 8

/** Speech to words with a FastConformer model. See README.md for what a model folder holds. */
export default defineEngine<'transcribe', LoadedModel>({
  manifest,
  async load(files) {
    if (files === null) throw new Error('parakeet needs a model folder, none was given')
    return { ...(await loadModel(files)), device: files.device }
  },
  run: transcribe,
  dispose: (model) => model.recognizer.release(),
})

export interface LoadedModel extends ParakeetModel {
  readonly device: Device
}

async function transcribe(
  task: EngineTask<'transcribe'>,
  model: LoadedModel,
  context: RunContext,
): Promise<TranscribeSummary> {
  const { language, granularity } = task.parameters
  checkRequest(task, model)
  const { audio, speechRegions } = task.inputs
  context.report({ percent: 0, message: null })
  await using output = await TranscriptFile.open(task.outputFolder)
  // Windows share sound: a new one begins before the end of the last, and progress never falls.
  let furthest = 0
  const report = (seconds: number, partial?: Partial) => {
    furthest = Math.max(furthest, percentOf(seconds, audio))
    context.report({ percent: furthest, message: null }, partial)
  }
  const windowSeconds = model.config.window_seconds ?? WINDOW_SECONDS[model.device]
  const advances = transcription(model, audio, readRegions(speechRegions), {
    windowSeconds: Math.max(LEAST_WINDOW_SECONDS, windowSeconds * context.batchScale),
    batchSeconds: BATCH_SECONDS[model.device] * context.batchScale,
    signal: context.signal,
    progress: report,
  })
  for await (const { segments, seconds, partial } of advances) {
    for (const segment of segments)
      await output.write(granularity === 'word' ? segment : { ...segment, words: [] }, segment.words.length)
    report(seconds, partial)
  }
  const spoken = model.config.languages?.length === 1 ? (model.config.languages[0] ?? null) : null
  return {
    stage: 'transcribe',
    language: language ?? spoken,
    language_source: language !== null ? 'requested' : spoken !== null ? 'model' : null,
    granularity_requested: granularity,
    granularity_achieved: granularity,
    ...output.counts,
    speaker_count: null,
    warnings: [],
  }
}

function checkRequest({ parameters }: EngineTask<'transcribe'>, model: LoadedModel): void {
  const { language } = parameters
  if (parameters.task === 'translate')
    throw new EngineError({
      code: 'unsupported_task',
      message: 'This engine writes what is spoken and does not translate. Choose a model that translates.',
      retryable: false,
    })
  if (language !== null && !speaks(model.config.languages, language))
    throw new EngineError({
      code: 'unsupported_language',
      message: `This model speaks ${model.config.languages?.join(', ')}, asked was ${language}. Choose another model or leave the language out.`,
      retryable: false,
    })
}
