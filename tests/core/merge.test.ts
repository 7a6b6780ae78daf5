import { expect, test } from 'vitest'
import { type MergeCounts, mergeSegment, mergeSummary, NOTHING_MERGED } from '#core/merge.ts'
import type { Granularity, Segment } from '#protocol/transcript.ts'
import { aSegment } from './kit/builders.ts'

/** The final transcript, segment by segment. */
const timed = aSegment({
  id: 7,
  words: [
    { text: 'hello', start: 0, end: 1, confidence: 0.9 },
    { text: 'world', start: 1, end: 2, confidence: 0.8 },
  ],
})
const untimed = aSegment({ text: 'and more words' })
const said = { language: 'en', language_source: 'requested' as const, warnings: [] }

function merged(segments: readonly Segment[], granularity: Granularity) {
  let counts: MergeCounts = NOTHING_MERGED
  const written: Segment[] = []
  for (const segment of segments) {
    const next = mergeSegment(counts, segment, granularity)
    counts = next.counts
    written.push(next.segment)
  }
  return { written, summary: mergeSummary(counts, granularity, said) }
}

test('[M1] segments are numbered anew from 0, and counted as the text that a reader gets', () => {
  const { written, summary } = merged([timed, untimed], 'segment')
  expect(written.map(({ id }) => id)).toEqual([0, 1])
  expect(summary).toMatchObject({
    segment_count: 2,
    word_count: 5,
    character_count: 'hello world and more words'.length,
  })
})

test.each([
  ['word', [timed], 2, 'word', []],
  ['segment', [timed], 0, 'segment', []],
  ['none', [timed], 0, 'none', []],
  ['word', [timed, untimed], 2, 'segment', ['no_word_timestamps']],
] as const)(
  '[M2] asked %s of %#: asked and achieved both stand',
  (asked, segments, words, achieved, codes) => {
    const { written, summary } = merged(segments, asked)
    expect(written[0]?.words).toHaveLength(words)
    expect(summary).toMatchObject({ granularity_requested: asked, granularity_achieved: achieved })
    expect(summary.warnings.map(({ code }) => code)).toEqual(codes)
  },
)

test('[M3] silence is a transcript: no speech, nothing missing', () => {
  expect(merged([], 'word').summary).toMatchObject({
    no_speech: true,
    segment_count: 0,
    character_count: 0,
    granularity_achieved: 'word',
    warnings: [],
  })
})

test('[M4] a script without spaces has as many words as the engine timed', () => {
  const words = ['你', '好'].map((text, index) => ({ text, start: index, end: index + 1, confidence: null }))
  const { summary } = merged([aSegment({ text: '你好', words })], 'word')
  expect(summary).toMatchObject({ word_count: 2, granularity_achieved: 'word', warnings: [] })
})

test('[M5] the transcriber’s warnings are kept, a hundred at most', () => {
  const warning = { stage: 'transcribe', code: 'dropped', message: 'dropped' }
  const counts = { ...NOTHING_MERGED, segments: 1, hasWordTimes: false }
  const summary = mergeSummary(counts, 'word', { ...said, warnings: Array(100).fill(warning) })
  expect(summary.warnings).toHaveLength(100)
})
