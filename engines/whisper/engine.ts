import type { TranscribeSummary } from '#protocol/summary.ts'
import type { TaskParameters } from '#protocol/task.ts'
import type { PipelineWarning } from '#protocol/transcript.ts'
import { defineEngine, EngineError, type EngineTask, type RunContext } from '../engine.ts'
import { percentOf, readRegions, TranscriptFile } from '../text/transcript-file.ts'
import { isoLanguage, modelLanguage } from './language.ts'
import { manifest } from './manifest.ts'
import { loadModel, releaseModel, type WhisperModel } from './model-folder.ts'
import { type Conditioning, conditioningOf } from './prompt.ts'
import { type Advance, Transcription } from './transcription.ts'

/** Speech to text with a Whisper model. See README.md for what a model folder holds. */
export default defineEngine<'transcribe', WhisperModel>({
  manifest,
  async load(files) {
    if (files === null) throw new Error('whisper needs a model folder, none was given')
    return loadModel(files)
  },
  run: transcribe,
  dispose: releaseModel,
})

async function transcribe(
  task: EngineTask<'transcribe'>,
  model: WhisperModel,
  context: RunContext,
): Promise<TranscribeSummary> {
  const { parameters } = task
  const { audio, speechRegions } = task.inputs
  const language = checkedLanguage(parameters, model)
  const conditioning = conditioningOf(parameters, model.encodeText, model.config.max_target_positions)
  const hasWordTimes = parameters.granularity === 'word' && model.heads.length > 0
  const report = ({ seconds, partial }: Advance) =>
    context.report({ percent: percentOf(seconds, audio), message: null }, partial)
  const transcription = new Transcription(model, {
    task: parameters.task,
    temperature: parameters.temperature,
    conditioning: conditioning.tokens,
    withAttention: hasWordTimes,
    signal: context.signal,
    batchSize: Math.max(1, Math.floor(model.batchSize * context.batchScale)),
    language,
    onAdvance: report,
  })
  context.report({ percent: 0, message: null })
  await using output = await TranscriptFile.open(task.outputFolder)
  for await (const advance of transcription.run(audio, readRegions(speechRegions))) {
    for (const segment of advance.segments)
      await output.write(segment, hasWordTimes ? segment.words.length : wordCount(segment.text))
    report(advance)
  }
  return {
    stage: 'transcribe',
    ...languageOf(parameters, model, transcription.language),
    granularity_requested: parameters.granularity,
    granularity_achieved:
      parameters.granularity === 'word' && !hasWordTimes ? 'segment' : parameters.granularity,
    ...output.counts,
    speaker_count: null,
    warnings: [...warningsOf(parameters, model, conditioning), ...transcription.drops.warnings()],
  }
}

/** The model's code for the asked language; null where none was asked. Throws where the model cannot do what was asked. */
function checkedLanguage(parameters: TaskParameters, model: WhisperModel): string | null {
  const { languages, translate } = model.tokens
  const isEnglishOnly = languages.size === 0
  if (parameters.task === 'translate' && (isEnglishOnly || translate === null))
    throw refused(
      'unsupported_task',
      'This model cannot translate. Choose a multilingual model, or transcribe.',
    )
  const { language } = parameters
  if (language === null) return null
  if (isEnglishOnly) {
    if (language.split('-')[0] === 'en') return null
    throw refused(
      'unsupported_language',
      `This model speaks en, asked was ${language}. Choose a multilingual model or leave the language out.`,
    )
  }
  const code = modelLanguage(language, languages)
  if (code !== null) return code
  throw refused(
    'unsupported_language',
    `This model does not speak ${language}. It speaks ${[...languages.keys()].map(isoLanguage).join(', ')}.`,
  )
}

function refused(code: string, message: string): EngineError {
  return new EngineError({ code, message: message.slice(0, 2000), retryable: false })
}

/** The language of the text, and how it is known. */
function languageOf(
  parameters: TaskParameters,
  model: WhisperModel,
  heard: string | null,
): Pick<TranscribeSummary, 'language' | 'language_source'> {
  // A translation is English, whatever was spoken.
  if (parameters.task === 'translate') return { language: 'en', language_source: 'model' }
  if (parameters.language !== null) return { language: parameters.language, language_source: 'requested' }
  if (model.tokens.languages.size === 0) return { language: 'en', language_source: 'model' }
  if (heard === null) return { language: null, language_source: null }
  return { language: isoLanguage(heard), language_source: 'detected' }
}

function warningsOf(
  parameters: TaskParameters,
  model: WhisperModel,
  conditioning: Conditioning,
): PipelineWarning[] {
  const warnings: PipelineWarning[] = []
  const warn = (code: string, message: string) => warnings.push({ stage: 'transcribe', code, message })
  if (parameters.granularity === 'word' && model.heads.length === 0)
    warn(
      'no_word_times',
      'This model gives no word times: they need a decoder export with cross_attentions outputs, and alignment_heads in generation_config.json.',
    )
  if (conditioning.leftOut > 0)
    warn(
      'vocabulary_cut',
      `The last ${conditioning.leftOut} terms of the vocabulary found no room before the text.`,
    )
  if (conditioning.tokens.length > 0 && model.tokens.startOfPrevious === null)
    warn(
      'prompt_ignored',
      'This model has no token for what came before: prompt and vocabulary were left out.',
    )
  return warnings
}

function wordCount(text: string): number {
  return text.split(/\s+/).filter((word) => word !== '').length
}
