import type { EmotionSpan, SpeakerTurn, TopicSpan } from '#protocol/documents.ts'
import type { MergeSummary } from '#protocol/summary.ts'
import type { AudioEvent, Segment } from '#protocol/transcript.ts'
import type { MergeOrder } from './job/effects.ts'
import { counted, mergeSummary, NOTHING_MERGED } from './merge/counts.ts'
import { enrichmentOf } from './merge/enrichment.ts'
import { bySpeaker, channelSpeaker, REACH_SECONDS } from './merge/speakers.ts'
import { Window } from './merge/window.ts'

/** A line of one of the documents that are merged, and which of them. */
export type MergeLine =
  | { readonly type: 'segment'; readonly channel: number | null; readonly line: Segment }
  | { readonly type: 'turn'; readonly line: SpeakerTurn }
  | { readonly type: 'emotion'; readonly line: EmotionSpan }
  | { readonly type: 'event'; readonly line: AudioEvent }
  | { readonly type: 'topic'; readonly line: TopicSpan }

export type MergeRules = Pick<
  MergeOrder,
  'parameters' | 'transcripts' | 'events' | 'alignmentSource' | 'diarizationSource' | 'transcription'
>

/** More lines than this at once: a document whose lines all overlap. Its engine is broken, and memory is not endless. */
export const MAX_HELD_LINES = 20_000

interface Waiting {
  readonly segment: Segment
  readonly channel: number | null
}

/**
 * The final transcript from the stages' documents. All their lines come as one stream in the order of their starts
 * (transcripts of equal starts in the order of channels); segments leave in the same order. A segment is decided when the
 * stream has passed its end by the reach of a turn: then nothing that is still to come concerns it. Memory holds what
 * overlaps, whatever the recording's length. Pure.
 */
export class Merger {
  readonly #rules: MergeRules
  readonly #waiting: Waiting[] = []
  /** Parts of decided segments, in order: one that comes later may begin before them. */
  readonly #decided: Segment[] = []
  readonly #turns = new Window<SpeakerTurn>()
  readonly #emotions = new Window<EmotionSpan>()
  readonly #events = new Window<AudioEvent>()
  readonly #topics = new Window<TopicSpan>()
  readonly #speakers = new Set<string>()
  #counts = NOTHING_MERGED
  #leftOut = 0
  #channelCount: number

  constructor(rules: MergeRules) {
    this.#rules = rules
    this.#channelCount = rules.transcripts.length
  }

  /** How many lines are in memory. */
  get heldLines(): number {
    const windows = [this.#turns, this.#emotions, this.#events, this.#topics]
    return windows.reduce((sum, { size }) => sum + size, this.#waiting.length + this.#decided.length)
  }

  /** The segments that this line lets go. */
  add(item: MergeLine): Segment[] {
    const nowSeconds = item.line.start
    this.#decide(headLength(this.#waiting, ({ segment }) => segment.end + REACH_SECONDS < nowSeconds))
    this.#keep(item)
    const fromSeconds = this.#waiting[0]?.segment.start ?? nowSeconds
    return this.#written(headLength(this.#decided, ({ start }) => start < fromSeconds))
  }

  /** The segments that are left when every document has ended. */
  end(): Segment[] {
    this.#decide(this.#waiting.length)
    return this.#written(this.#decided.length)
  }

  summary(): MergeSummary {
    return mergeSummary(this.#counts, this.#rules, this.#leftOut, this.#speakerCount())
  }

  #keep(item: MergeLine): void {
    const fromSeconds = (this.#waiting[0]?.segment.start ?? item.line.start) - REACH_SECONDS
    switch (item.type) {
      case 'segment':
        this.#waiting.push({ segment: item.line, channel: this.#channelOf(item.channel, item.line) })
        break
      case 'turn':
        this.#turns.add(item.line, fromSeconds)
        break
      case 'emotion':
        this.#emotions.add(item.line, fromSeconds)
        break
      case 'event':
        this.#events.add(item.line, fromSeconds)
        break
      case 'topic':
        this.#topics.add(item.line, fromSeconds)
        break
    }
  }

  /** A transcript of all channels (refined, redacted) says by itself which one each segment is of. */
  #channelOf(channel: number | null, segment: Segment): number | null {
    const known = channel ?? segment.channel ?? null
    if (known !== null) this.#channelCount = Math.max(this.#channelCount, known + 1)
    return known
  }

  #decide(count: number): void {
    for (const { segment, channel } of this.#waiting.splice(0, count))
      for (const part of this.#spoken(segment, channel)) this.#place(this.#enriched(part, channel))
  }

  #spoken(segment: Segment, channel: number | null): Segment[] {
    switch (this.#rules.diarizationSource) {
      case null:
        return [{ ...segment, speaker: null }]
      case 'default':
        return [{ ...segment, speaker: channelSpeaker(0) }]
      case 'channel':
        return [{ ...segment, speaker: channel === null ? null : channelSpeaker(channel) }]
      case 'transcription':
        return [segment]
      case 'diarize':
        return bySpeaker(segment, this.#turns.around(segment, REACH_SECONDS))
    }
  }

  /** Among those that wait to be written: by start, of equal starts as they came. */
  #place(part: Segment): void {
    const before = this.#decided.findLastIndex(({ start }) => start <= part.start)
    this.#decided.splice(before + 1, 0, part)
  }

  /** The order alone says what stands beside the words; what an engine wrote there unasked is left out. */
  #enriched({ id, start, end, text, confidence, speaker, words }: Segment, channel: number | null): Segment {
    const enrichment = enrichmentOf(
      { start, end },
      {
        emotions: this.#emotions.around({ start, end }, 0),
        events: this.#rules.events === null ? null : this.#events.around({ start, end }, 0),
        topics: this.#topics.around({ start, end }, 0),
      },
    )
    this.#leftOut += enrichment.leftOut
    const spoken = { id, start, end, text, confidence, speaker, words }
    return { ...spoken, ...(channel !== null && { channel }), ...enrichment.fields }
  }

  #written(count: number): Segment[] {
    const { granularity } = this.#rules.parameters
    return this.#decided.splice(0, count).map((segment) => {
      const id = this.#counts.segments
      this.#counts = counted(this.#counts, segment)
      if (segment.speaker !== null) this.#speakers.add(segment.speaker)
      return { ...segment, id, words: granularity === 'word' ? segment.words : [] }
    })
  }

  /** Of channels every one counts, also one in which nobody spoke. */
  #speakerCount(): number | null {
    switch (this.#rules.diarizationSource) {
      case null:
        return null
      case 'default':
        return 1
      case 'channel':
        return this.#channelCount
      case 'transcription':
        return this.#rules.transcription.speaker_count ?? this.#speakers.size
      case 'diarize':
        return this.#speakers.size
    }
  }
}

/** How many at the head of a list pass the test. */
function headLength<T>(list: readonly T[], passes: (item: T) => boolean): number {
  const length = list.findIndex((item) => !passes(item))
  return length === -1 ? list.length : length
}
