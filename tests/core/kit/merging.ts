import { type MergeLine, type MergeRules, Merger } from '#core/merge.ts'
import type { EmotionSpan, SpeakerTurn, TopicSpan } from '#protocol/documents.ts'
import type { MergeSummary } from '#protocol/summary.ts'
import type { AudioEvent, Segment } from '#protocol/transcript.ts'
import { aSegment } from './builders.ts'

/** Documents to merge, in few words. */
export interface Documents {
  /** Of one channel each; or of all. */
  readonly transcripts: readonly (readonly Segment[])[]
  readonly turns?: readonly SpeakerTurn[]
  readonly emotions?: readonly EmotionSpan[]
  readonly events?: readonly AudioEvent[]
  readonly topics?: readonly TopicSpan[]
}

type RuleParts = Partial<MergeRules> & { readonly granularity?: MergeRules['parameters']['granularity'] }

/** One transcript of all channels, words asked, nobody asked for more. */
export function aRule({ granularity = 'word', ...parts }: RuleParts = {}): MergeRules {
  return {
    parameters: {
      file_name: null,
      language: null,
      granularity,
      task: 'transcribe',
      prompt: null,
      vocabulary: [],
      temperature: null,
      audio_seconds: null,
      channel: null,
      split_channels: false,
      speakers: null,
      redaction: null,
    },
    transcripts: [{ channel: null, key: 'transcript' }],
    events: null,
    alignmentSource: 'transcription',
    diarizationSource: null,
    transcription: { language: 'en', language_source: 'requested', speaker_count: null, warnings: [] },
    ...parts,
  }
}

/** Rules for so many channels, told apart by themselves. */
export function channelRule(count: number): MergeRules {
  const transcripts = Array.from({ length: count }, (_, channel) => ({
    channel,
    key: `transcript.ch${channel}`,
  }))
  return aRule({ transcripts, diarizationSource: 'channel' })
}

/** What merge writes, and the most lines that it held at once. */
export function merge(
  documents: Documents,
  rules: MergeRules = aRule(),
): { readonly segments: Segment[]; readonly summary: MergeSummary; readonly mostHeld: number } {
  const merger = new Merger(rules)
  let mostHeld = 0
  const segments = linesOf(documents, rules).flatMap((line) => {
    const written = merger.add(line)
    mostHeld = Math.max(mostHeld, merger.heldLines)
    return written
  })
  segments.push(...merger.end())
  return { segments, summary: merger.summary(), mostHeld }
}

/** A segment of words that take a second each. */
export function said(text: string, start: number, parts: Partial<Segment> = {}): Segment {
  const words = text
    .split(' ')
    .map((word, index) => ({ text: word, start: start + index, end: start + index + 1, confidence: null }))
  return aSegment({ text, start, end: start + words.length, words, ...parts })
}

export function turn(speaker: number, start: number, end: number): SpeakerTurn {
  return { speaker: `SPEAKER_0${speaker}`, start, end }
}

/** Segments as `SPEAKER: text`. */
export function script(segments: readonly Segment[]): string[] {
  return segments.map(({ speaker, text }) => `${speaker}: ${text}`)
}

function linesOf(documents: Documents, { transcripts }: MergeRules): MergeLine[] {
  const { turns = [], emotions = [], events = [], topics = [] } = documents
  const lines: MergeLine[] = [
    ...documents.transcripts.flatMap((segments, index) => {
      const channel = transcripts[index]?.channel ?? null
      return segments.map((line) => ({ type: 'segment' as const, channel, line }))
    }),
    ...turns.map((line) => ({ type: 'turn' as const, line })),
    ...emotions.map((line) => ({ type: 'emotion' as const, line })),
    ...events.map((line) => ({ type: 'event' as const, line })),
    ...topics.map((line) => ({ type: 'topic' as const, line })),
  ]
  return lines.sort((one, other) => one.line.start - other.line.start)
}
