import type { MergeSummary } from '#protocol/summary.ts'
import type { PipelineWarning, Segment } from '#protocol/transcript.ts'
import type { MergeOrder } from '../job/effects.ts'

/** What merge tells of the transcript as a whole, kept while it is written. Pure. */
export interface MergeCounts {
  readonly segments: number
  readonly words: number
  /** Of the whole text: the segments with one space between each two. */
  readonly characters: number
  readonly hasWordTimes: boolean
}

export const NOTHING_MERGED: MergeCounts = { segments: 0, words: 0, characters: 0, hasWordTimes: true }

/** The counts after a segment, which still has all its words. */
export function counted(counts: MergeCounts, segment: Segment): MergeCounts {
  const spaced = segment.text.split(/\s+/).filter((word) => word !== '').length
  // Scripts without spaces have more words than spaces tell.
  const wordCount = Math.max(spaced, segment.words.length)
  return {
    segments: counts.segments + 1,
    words: counts.words + wordCount,
    characters: counts.characters + (counts.segments > 0 ? 1 : 0) + segment.text.length,
    hasWordTimes: counts.hasWordTimes && segment.words.length === wordCount,
  }
}

/** `leftOut`: events and topics for which a segment had no room. */
export function mergeSummary(
  counts: MergeCounts,
  order: Pick<MergeOrder, 'parameters' | 'alignmentSource' | 'diarizationSource' | 'transcription'>,
  leftOut: number,
  speakerCount: number | null,
): MergeSummary {
  const { granularity } = order.parameters
  const achieved = granularity === 'word' && !counts.hasWordTimes ? 'segment' : granularity
  const warnings = [...order.transcription.warnings]
  if (achieved !== granularity) warnings.push(NO_WORD_TIMESTAMPS)
  if (leftOut > 0) warnings.push(leftOutWarning(leftOut))
  return {
    stage: 'merge',
    language: order.transcription.language,
    language_source: order.transcription.language_source,
    granularity_requested: granularity,
    granularity_achieved: achieved,
    no_speech: counts.segments === 0,
    segment_count: counts.segments,
    word_count: counts.words,
    character_count: counts.characters,
    speaker_count: speakerCount,
    alignment_source: order.alignmentSource,
    diarization_source: order.diarizationSource,
    warnings: warnings.slice(0, 100),
  }
}

const NO_WORD_TIMESTAMPS: PipelineWarning = {
  stage: 'merge',
  code: 'no_word_timestamps',
  message: 'Word timestamps were asked for; the transcriber gave times for segments only.',
}

function leftOutWarning(count: number): PipelineWarning {
  const message = `A segment has room for 100 events and 20 topics; ${count} more were left out.`
  return { stage: 'merge', code: 'enrichment_left_out', message }
}
