import { speaks } from '#protocol/language.ts'
import type { TranscribeSummary } from '#protocol/summary.ts'
import type { PipelineWarning } from '#protocol/transcript.ts'
import { defineEngine, EngineError, type EngineTask, type RunContext } from '../engine.ts'
import { percentOf, readRegions, TranscriptFile } from '../text/transcript-file.ts'
import { manifest } from './manifest.ts'
import { type CtcModel, loadModel } from './model-folder.ts'
import { transcription, WINDOW_SECONDS } from './transcription.ts'

/** Speech to words with a CTC acoustic model. See README.md for what a model folder holds. */
export default defineEngine<'transcribe', CtcModel>({
  manifest,
  async load(files) {
    if (files === null) throw new Error('ctc needs a model folder, none was given')
    return loadModel(files)
  },
  run: transcribe,
  dispose: (model) => model.acoustic.release(),
})

async function transcribe(
  task: EngineTask<'transcribe'>,
  model: CtcModel,
  context: RunContext,
): Promise<TranscribeSummary> {
  const { language, granularity } = task.parameters
  const spoken = model.config.language
  if (task.parameters.task === 'translate')
    throw new EngineError({
      code: 'unsupported_task',
      message: 'This engine writes what is spoken and does not translate. Choose a model that translates.',
      retryable: false,
    })
  if (language !== null && spoken !== null && !speaks([spoken], language))
    throw new EngineError({
      code: 'unsupported_language',
      message: `This model speaks ${spoken}, asked was ${language}. Choose another model or leave the language out.`,
      retryable: false,
    })
  const { decoder, unspelled, unused } = model.decoders.for(task.parameters.vocabulary)
  const { audio, speechRegions } = task.inputs
  context.report({ percent: 0, message: null })
  await using output = await TranscriptFile.open(task.outputFolder)
  const advances = transcription({ ...model, decoder }, audio, readRegions(speechRegions), {
    windowSeconds: WINDOW_SECONDS * context.batchScale,
    signal: context.signal,
  })
  for await (const { segments, seconds, partial } of advances) {
    for (const segment of segments)
      await output.write(granularity === 'word' ? segment : { ...segment, words: [] }, segment.words.length)
    context.report({ percent: percentOf(seconds, audio), message: null }, partial)
  }
  return {
    stage: 'transcribe',
    language: language ?? spoken,
    language_source: language !== null ? 'requested' : spoken !== null ? 'model' : null,
    granularity_requested: granularity,
    granularity_achieved: granularity,
    ...output.counts,
    speaker_count: null,
    warnings: vocabularyWarnings(unspelled, unused),
  }
}

/** What became of a vocabulary that could not be used whole. */
function vocabularyWarnings(unspelled: readonly string[], unused: string | null): PipelineWarning[] {
  const warning = (code: string, message: string) => ({ stage: 'transcribe', code, message })
  if (unused !== null) return [warning('vocabulary_unused', `The vocabulary was not used: ${unused}.`)]
  if (unspelled.length === 0) return []
  const shown = unspelled.slice(0, 5).join(', ')
  const more = unspelled.length > 5 ? ` and ${unspelled.length - 5} more` : ''
  const message = `This model has no letters for these terms of the vocabulary, they were left out: ${shown}${more}.`
  return [warning('vocabulary_unspelled', message)]
}
