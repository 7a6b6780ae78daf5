import { describe, expect, test } from 'vitest'
import type { Granularity, Segment } from '#protocol/transcript.ts'
import { aSegment } from './kit/builders.ts'
import { aRule, channelRule, merge, said } from './kit/merging.ts'

/** The final transcript as a whole: order, channels, counts, what was asked and what was achieved. */
const timed = said('hello world', 0, { id: 7 })
const untimed = aSegment({ text: 'and more words', start: 3, end: 4 })

const merged = (segments: readonly Segment[], granularity: Granularity) =>
  merge({ transcripts: [segments] }, aRule({ granularity }))

test('[M1] segments are numbered anew from 0, and counted as the text that a reader gets', () => {
  const { segments, summary } = merged([timed, untimed], 'segment')
  expect(segments.map(({ id }) => id)).toEqual([0, 1])
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
] as const)('[M2] asked %s of %#: asked and achieved both stand', (asked, source, words, achieved, codes) => {
  const { segments, summary } = merged(source, asked)
  expect(segments[0]?.words).toHaveLength(words)
  expect(summary).toMatchObject({ granularity_requested: asked, granularity_achieved: achieved })
  expect(summary.warnings.map(({ code }) => code)).toEqual(codes)
})

test('[M2] where times come from stands as the order says it', () => {
  const rules = aRule({ alignmentSource: 'align', diarizationSource: 'default' })
  const { summary } = merge({ transcripts: [[timed]] }, rules)
  expect(summary).toMatchObject({ alignment_source: 'align', diarization_source: 'default' })
})

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
  const { summary } = merged([said('你 好', 0, { text: '你好' })], 'word')
  expect(summary).toMatchObject({ word_count: 2, granularity_achieved: 'word', warnings: [] })
})

test('[M5] the transcriber’s warnings are kept, a hundred at most', () => {
  const warning = { stage: 'transcribe', code: 'dropped', message: 'dropped' }
  const { transcription } = aRule()
  const rules = aRule({ transcription: { ...transcription, warnings: Array(100).fill(warning) } })
  expect(merge({ transcripts: [[untimed]] }, rules).summary.warnings).toHaveLength(100)
})

describe('channels', () => {
  test('[M6] channels are one transcript by time; of equal starts the lower channel is first', () => {
    const left = [said('a', 0), said('c', 4), said('e', 6)]
    const right = [said('b', 2), said('d', 4), said('f', 6), said('g', 7)]
    const { segments, summary } = merge({ transcripts: [left, right] }, channelRule(2))
    expect(segments.map(({ text, channel }) => `${text}${channel}`)).toEqual([
      'a0',
      'b1',
      'c0',
      'd1',
      'e0',
      'f1',
      'g1',
    ])
    expect(segments.map(({ id }) => id)).toEqual([0, 1, 2, 3, 4, 5, 6])
    expect(summary.speaker_count).toBe(2)
  })

  test('[M6] a channel’s speaker is its number, and a silent channel counts as a speaker', () => {
    const { segments, summary } = merge({ transcripts: [[], [], [said('a', 0)]] }, channelRule(3))
    expect(segments).toMatchObject([{ speaker: 'SPEAKER_02', channel: 2 }])
    expect(summary).toMatchObject({ speaker_count: 3, diarization_source: 'channel' })
  })

  test('[M6] a transcript of all channels (refined, redacted) tells each segment’s channel by itself', () => {
    const whole = [said('a', 0, { channel: 1 }), said('b', 1, { channel: 0 }), said('c', 2)]
    const { segments, summary } = merge({ transcripts: [whole] }, aRule({ diarizationSource: 'channel' }))
    expect(segments.map(({ speaker }) => speaker)).toEqual(['SPEAKER_01', 'SPEAKER_00', null])
    expect(summary.speaker_count).toBe(2)
  })

  test('[M6] where nothing was split no segment has a channel', () => {
    expect(merge({ transcripts: [[timed]] }).segments[0]).not.toHaveProperty('channel')
  })

  test('[M6] a long segment of one channel keeps the others in order behind it', () => {
    const left = [said('a long story that goes on', 0), said('z', 9)]
    const right = [said('m', 1), said('hm', 2), said('yes', 3)]
    const { segments } = merge({ transcripts: [left, right] }, channelRule(2))
    expect(segments.map(({ start }) => start)).toEqual([0, 1, 2, 3, 9])
  })
})
