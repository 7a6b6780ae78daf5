import type { Stage } from '#protocol/stage.ts'
import type { TranscriptSummary } from '#protocol/transcript.ts'
import type { JobParameters } from './parameters.ts'
import type { ChosenStage } from './pipeline.ts'

const READS_TEXT: ReadonlySet<Stage> = new Set(['align', 'detect_topics', 'refine', 'pii_detect', 'merge'])

/** What a translation is written in, whatever is spoken. */
const TRANSLATION = 'en'

/**
 * The language that a stage works in: who listens works on what is spoken, who reads on what the transcriber wrote. Null:
 * nobody knows before it is heard. Pure.
 */
export function languageOf(
  stage: Stage,
  { language }: Pick<JobParameters, 'language'>,
  transcriber: ChosenStage | null,
): string | null {
  if (!READS_TEXT.has(stage)) return language
  if (transcriber?.requirements.translation === true) return TRANSLATION
  return language ?? transcriber?.language ?? null
}

/** Whether an engine is chosen by it: who tells speakers or events apart does so in every language. */
export function asksLanguage(stage: Stage): boolean {
  return stage === 'transcribe' || READS_TEXT.has(stage)
}

/** A transcript's language as the engine tells it; where it does not, what is left to a model of one language. */
export function transcriptLanguage(
  told: Pick<TranscriptSummary, 'language' | 'language_source'>,
  transcriber: ChosenStage | null,
): Pick<TranscriptSummary, 'language' | 'language_source'> {
  if (told.language !== null) return told
  const isTranslation = transcriber?.requirements.translation === true
  const language = isTranslation ? TRANSLATION : (transcriber?.language ?? null)
  return { language, language_source: language === null ? null : 'model' }
}
