import { expect, test } from 'vitest'
import type { Segment, Word } from '#protocol/transcript.ts'
import { seeded } from '../kit/seeded.ts'
import { aRule, channelRule, type Documents, merge, said, turn } from './kit/merging.ts'

/** Merge as a stream: it gives what looking at everything for each word would give, and holds what overlaps. */
interface Span {
  readonly start: number
  readonly end: number
}
const shared = (one: Span, other: Span) => Math.min(one.end, other.end) - Math.max(one.start, other.start)
const isInstant = ({ start, end }: Span) => start === end
const meets = (one: Span, other: Span) =>
  shared(one, other) > 0 || (shared(one, other) === 0 && (isInstant(one) || isInstant(other)))
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)

/** Every segment against every span of the recording, all at once. */
function naive(documents: Documents, isDiarized: boolean): unknown[] {
  const parts = documents.transcripts.flatMap((segments, channel) =>
    segments.flatMap((segment) => (isDiarized ? divided(segment, documents) : [{ ...segment, channel }])),
  )
  const channelOf = (part: Segment) => part.channel ?? 0
  const ordered = parts.sort((one, other) => one.start - other.start || channelOf(one) - channelOf(other))
  return ordered.map((part, id) => {
    const { emotions = [], events = [], topics = [] } = documents
    const emotion = emotions
      .filter((span) => meets(span, part))
      .reduce<(typeof emotions)[number] | null>(
        (best, span) => (best === null || shared(span, part) > shared(best, part) ? span : best),
        null,
      )
    const named = [...new Set(topics.filter((span) => meets(span, part)).map((span) => span.topic))]
    return {
      ...part,
      id,
      speaker: isDiarized ? part.speaker : `SPEAKER_0${part.channel}`,
      emotion: emotion?.emotion,
      emotion_confidence: emotion?.confidence,
      events: events.filter((span) => meets(span, part)),
      topics: named.length > 0 ? named : undefined,
    }
  })
}

function divided(segment: Segment, documents: Documents): Segment[] {
  const speakers = segment.words.map((word) => speakerOf(word, documents))
  const known = speakers.map(
    (speaker, index) =>
      speaker ??
      speakers.slice(0, index).findLast((one) => one !== null) ??
      speakers.find((one) => one !== null),
  )
  const groups: Word[][] = []
  for (const [index, word] of segment.words.entries()) {
    if (index > 0 && known[index] === known[index - 1]) groups.at(-1)?.push(word)
    else groups.push([word])
  }
  return groups.map((words, index) => ({
    ...segment,
    start: index === 0 ? segment.start : (words[0]?.start ?? 0),
    end: index === groups.length - 1 ? segment.end : (words.at(-1)?.end ?? 0),
    text: words.map(({ text }) => text).join(' '),
    speaker: known[segment.words.indexOf(words[0] ?? wordless)] ?? null,
    words,
  }))
}
const wordless: Word = { text: '', start: 0, end: 0, confidence: null }

function speakerOf(word: Word, { turns = [] }: Documents): string | null {
  const names = [...new Set(turns.filter((one) => meets(one, word)).map(({ speaker }) => speaker))]
  const seconds = (name: string) =>
    sum(turns.filter((one) => one.speaker === name && meets(one, word)).map((one) => shared(one, word)))
  const most = names.sort((one, other) => seconds(other) - seconds(one))[0]
  if (most !== undefined) return most
  const near = turns.filter((one) => -shared(one, word) <= 1)
  return near.sort((one, other) => shared(other, word) - shared(one, word))[0]?.speaker ?? null
}

/** Spans on a grid of an eighth of a second, so that sums are exact and starts are often equal. */
function randomDocuments(random: () => number, channels: number): Documents {
  const grid = (most: number) => Math.round(random() * most * 8) / 8
  const spans = <T>(
    count: number,
    pause: number,
    length: number,
    of: (start: number, end: number) => T,
  ): T[] => {
    let start = 0
    return Array.from({ length: Math.floor(random() * count) }, () => {
      start += grid(pause)
      return of(start, start + grid(length))
    })
  }
  const pick = (names: string) => names.charAt(Math.floor(random() * names.length))
  const segment = (start: number): Segment => {
    const texts = Array.from({ length: 1 + Math.floor(random() * 9) }, () => pick('abcdef'))
    let at = start
    const words = texts.map((text) => {
      const from = at + grid(0.5)
      at = from + grid(1)
      return { text, start: from, end: at, confidence: null }
    })
    return { ...said(texts.join(' '), start), words, end: at }
  }
  const turnOf = (start: number, end: number) => turn(Math.floor(random() * 3), start, end)
  return {
    transcripts: Array.from({ length: channels }, () => spans(100, 5, 0, segment)),
    turns: spans(250, 3, 6, turnOf),
    emotions: spans(150, 4, 6, (start, end) => ({ start, end, emotion: pick('xyz'), confidence: null })),
    events: spans(150, 4, 9, (start, end) => ({ start, end, label: pick('pqr'), confidence: null })),
    topics: spans(20, 6, 20, (start, end) => ({ start, end, topic: pick('uvw'), confidence: null })),
  }
}

test('[M15] merging line by line gives what comparing everything with everything gives', () => {
  for (let seed = 0; seed < 200; seed++) {
    const channels = 1 + (seed % 3)
    const isDiarized = channels === 1
    const documents = randomDocuments(seeded(seed), channels)
    const source = isDiarized ? aRule({ diarizationSource: 'diarize' }) : channelRule(channels)
    const { segments } = merge(documents, { ...source, events: { key: 'events' } })
    const expected = naive(documents, isDiarized)
    expect(segments, `seed ${seed}`).toEqual(JSON.parse(JSON.stringify(expected)))
    expect(segments.every(({ start }, index) => start >= (segments[index - 1]?.start ?? 0))).toBe(true)
  }
})

test('[M16] the lines held at once do not grow with the recording', () => {
  const hours = (count: number): Documents => {
    const seconds = count * 3600
    const every = <T>(step: number, of: (start: number) => T) =>
      Array.from({ length: seconds / step }, (_, index) => of(index * step))
    return {
      transcripts: [every(3, (start) => said('a b c', start))],
      turns: every(6, (start) => turn((start / 6) % 2, start, start + 7)),
      events: [{ label: 'music', start: 0, end: seconds, confidence: null }],
    }
  }
  const rules = aRule({ diarizationSource: 'diarize', events: { key: 'events' } })
  expect(merge(hours(10), rules).mostHeld).toBe(merge(hours(1), rules).mostHeld)
})

test('[M16] turns of a recording in which nobody is transcribed do not gather', () => {
  const turns = Array.from({ length: 10_000 }, (_, index) => turn(0, index, index + 2))
  expect(merge({ transcripts: [[]], turns }, aRule({ diarizationSource: 'diarize' })).mostHeld).toBeLessThan(
    100,
  )
})
