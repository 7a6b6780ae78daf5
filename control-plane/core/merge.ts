import type { MergeSummary, TranscribeSummary } from '#protocol/task.ts'
import type { Granularity, Segment } from '#protocol/transcript.ts'

/**
 * The final transcript from the stages' outputs, segment by segment: memory holds one segment and some counters,
 * whatever the recording's length. Pure.
 */
export interface MergeCounts {
  readonly segments: number
  readonly words: number
  /** Of the whole text: the segments with one space between each two. */
  readonly characters: number
  readonly hasWordTimes: boolean
}

export const NOTHING_MERGED: MergeCounts = { segments: 0, words: 0, characters: 0, hasWordTimes: true }

/** The segment as it is written, renumbered, with the granularity that was asked for; and the counts after it. */
export function mergeSegment(
  counts: MergeCounts,
  segment: Segment,
  granularity: Granularity,
): { readonly segment: Segment; readonly counts: MergeCounts } {
  const words = granularity === 'word' ? segment.words : []
  const spaced = segment.text.split(/\s+/).filter((word) => word !== '').length
  // Scripts without spaces have more words than spaces tell.
  const wordCount = Math.max(spaced, segment.words.length)
  return {
    segment: { ...segment, id: counts.segments, words },
    counts: {
      segments: counts.segments + 1,
      words: counts.words + wordCount,
      characters: counts.characters + (counts.segments > 0 ? 1 : 0) + segment.text.length,
      hasWordTimes: counts.hasWordTimes && segment.words.length === wordCount,
    },
  }
}

export function mergeSummary(
  counts: MergeCounts,
  granularity: Granularity,
  transcription: Pick<TranscribeSummary, 'language' | 'language_source' | 'warnings'>,
): MergeSummary {
  const achieved = granularity === 'word' && !counts.hasWordTimes ? 'segment' : granularity
  const missing = {
    stage: 'merge',
    code: 'no_word_timestamps',
    message: 'Word timestamps were asked for; the transcriber gave times for segments only.',
  }
  return {
    stage: 'merge',
    language: transcription.language,
    language_source: transcription.language_source,
    granularity_requested: granularity,
    granularity_achieved: achieved,
    no_speech: counts.segments === 0,
    segment_count: counts.segments,
    word_count: counts.words,
    character_count: counts.characters,
    warnings:
      achieved === granularity ? transcription.warnings : [...transcription.warnings, missing].slice(0, 100),
  }
}
