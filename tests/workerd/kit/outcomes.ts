import type { Artifact, TaskOutcome } from '#protocol/task.ts'
import type { Segment } from '#protocol/transcript.ts'

/** What engines send back, for tests to which only the stage matters. */
const metrics = { transfer_ms: 1, load_ms: 0, run_ms: 2 }

export function completed(stage: 'prepare' | 'transcribe', artifacts: readonly Artifact[]): TaskOutcome {
  const summary = stage === 'prepare' ? PREPARED : TRANSCRIBED
  return { status: 'completed', artifacts: [...artifacts], summary, metrics }
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
  warnings: [],
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
