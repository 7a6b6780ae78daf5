import type { Stage } from '#protocol/stage.ts'
import type { StageSummary } from '#protocol/summary.ts'

/** What each stage says of a run of a recording of 90 s. */
const TRANSCRIPT = {
  language: 'en',
  language_source: 'requested',
  granularity_requested: 'word',
  granularity_achieved: 'word',
  no_speech: false,
  segment_count: 1,
  word_count: 2,
  character_count: 11,
  speaker_count: null,
  warnings: [],
} as const

export function aSummary(stage: Stage): StageSummary {
  switch (stage) {
    case 'prepare':
      return aPrepareSummary()
    case 'transcribe':
      return { ...TRANSCRIPT, stage, warnings: [] }
    case 'merge':
      return { ...TRANSCRIPT, stage, warnings: [], alignment_source: null, diarization_source: null }
    case 'align':
      return { stage, word_count: 2, unaligned_word_count: 0, warnings: [] }
    case 'diarize':
      return { stage, speaker_count: 1, warnings: [] }
    case 'refine':
      return { stage, segment_count: 1, warnings: [] }
    case 'pii_detect':
      return { stage, entity_count: 0, warnings: [] }
    case 'audio_redact':
      return { stage, redacted_seconds: 0, warnings: [] }
    default:
      return { stage, count: 0, warnings: [] }
  }
}

export function aPrepareSummary(channels = 1): StageSummary {
  return {
    stage: 'prepare',
    duration_seconds: 90,
    source: { container: 'wav', codec: 'pcm_s16le', channels: 1, sample_rate_hz: 16_000 },
    loudness_dbfs: -20,
    peak_dbfs: -3,
    speech_seconds: 80,
    channel_count: channels,
    decoder: 'built_in',
    warnings: [],
  }
}
