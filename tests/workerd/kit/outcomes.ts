import type { EngineStage, StageOutputs } from '#engines/engine.ts'
import type { Artifact, TaskOutcome } from '#protocol/task.ts'
import type { Segment } from '#protocol/transcript.ts'

/** What engines send back, for tests to which only the stage matters. */
const metrics = { transfer_ms: 1, swap_ms: 0, load_ms: 0, run_ms: 2 }

export function completed(stage: EngineStage, artifacts: readonly Artifact[]): TaskOutcome {
  return { status: 'completed', artifacts: [...artifacts], summary: SUMMARIES[stage], metrics }
}

export function failed(code: string, retryable = false): TaskOutcome {
  return { status: 'failed', error: { code, message: `it failed: ${code}`, retryable } }
}

const PREPARED = {
  stage: 'prepare' as const,
  duration_seconds: 2,
  source: { container: 'wav', codec: 'pcm_s16le', channels: 1, sample_rate_hz: 16_000 },
  loudness_dbfs: -20,
  peak_dbfs: -3,
  speech_seconds: 2,
  channel_count: 1,
  decoder: 'built_in' as const,
  warnings: [],
}

const TRANSCRIBED = {
  stage: 'transcribe' as const,
  language: 'en',
  language_source: 'model' as const,
  granularity_requested: 'word' as const,
  granularity_achieved: 'word' as const,
  no_speech: false,
  segment_count: 1,
  word_count: 2,
  character_count: 11,
  speaker_count: null,
  warnings: [],
}

const warnings: [] = []
const SUMMARIES: StageOutputs = {
  prepare: PREPARED,
  transcribe: TRANSCRIBED,
  align: { stage: 'align', word_count: 2, unaligned_word_count: 0, warnings },
  diarize: { stage: 'diarize', speaker_count: 2, warnings },
  detect_emotions: { stage: 'detect_emotions', count: 0, warnings },
  detect_events: { stage: 'detect_events', count: 0, warnings },
  detect_topics: { stage: 'detect_topics', count: 0, warnings },
  refine: { stage: 'refine', segment_count: 1, warnings },
  pii_detect: { stage: 'pii_detect', entity_count: 0, warnings },
  audio_redact: { stage: 'audio_redact', redacted_seconds: 0, warnings },
}

/** One line of a transcript: a segment whose words take a second each. */
export function line(id: number, start: number, text: string): string {
  const words = text.split(' ').map((word, index) => ({
    text: word,
    start: start + index,
    end: start + index + 1,
    confidence: 0.9,
  }))
  const end = start + words.length
  const segment: Segment = { id, start, end, text, confidence: 0.9, speaker: null, words }
  return `${JSON.stringify(segment)}\n`
}
