import { describe, expect, test } from 'vitest'
import type { SpeakerTurn } from '#protocol/documents.ts'
import type { Segment } from '#protocol/transcript.ts'
import { aSegment } from './kit/builders.ts'
import { aRule, channelRule, merge, said, script, turn } from './kit/merging.ts'

/** Who said it. Words of `said` take a second each, from the start that is given. */
const diarized = (segments: readonly Segment[], turns: readonly SpeakerTurn[]) =>
  merge({ transcripts: [segments], turns }, aRule({ diarizationSource: 'diarize' }))

describe('words take their speaker from the turns', () => {
  test('[M7] a segment of two speakers is divided at the change: words, text, times and ids follow', () => {
    const { segments, summary } = diarized(
      [said('how are you? fine, thanks.', 0, { end: 5.5 }), said('good', 8)],
      [turn(0, 0, 3), turn(1, 3, 6), turn(0, 8, 9)],
    )
    expect(script(segments)).toEqual([
      'SPEAKER_00: how are you?',
      'SPEAKER_01: fine, thanks.',
      'SPEAKER_00: good',
    ])
    expect(segments.map(({ id, start, end, words }) => [id, start, end, words.length])).toEqual([
      [0, 0, 3, 3],
      [1, 3, 5.5, 2],
      [2, 8, 9, 1],
    ])
    expect(summary).toMatchObject({ segment_count: 3, speaker_count: 2, diarization_source: 'diarize' })
  })

  test.each([
    ['most of it in the second turn', [turn(0, 0, 0.4), turn(1, 0.4, 2)], 'SPEAKER_01'],
    ['turns that overlap', [turn(0, 0, 0.7), turn(1, 0.2, 2)], 'SPEAKER_01'],
    ['equal shares: who began first', [turn(1, 0, 5), turn(0, 0.5, 1), turn(0, 0, 0.5)], 'SPEAKER_01'],
    [
      'two short turns against a longer one',
      [turn(0, 0, 0.3), turn(1, 0.3, 0.7), turn(0, 0.7, 1)],
      'SPEAKER_00',
    ],
    ['beside it, up to a second: the nearer', [turn(0, 1.5, 2), turn(1, 1.75, 3)], 'SPEAKER_00'],
    ['a second away', [turn(1, 2, 3)], 'SPEAKER_01'],
    ['further away', [turn(1, 2.25, 3)], null],
    ['nobody', [], null],
  ] as const)('[M8] a word and %s', (_name, turns, speaker) => {
    const inOrder = [...turns].sort((one, other) => one.start - other.start)
    expect(diarized([said('word', 0)], inOrder).segments[0]?.speaker).toBe(speaker)
  })

  test('[M8] a turn that ended long before, or begins long after, is not looked for', () => {
    const turns = [turn(0, 0, 1), turn(1, 20, 21)]
    expect(diarized([said('a word', 10)], turns).segments[0]?.speaker).toBe(null)
  })

  test('[M8] a word that no turn is near to stays with the word before it, the first with the next', () => {
    const { segments } = diarized([said('a b c d e f g h', 0)], [turn(0, 2.5, 3), turn(1, 6.5, 7)])
    expect(script(segments)).toEqual(['SPEAKER_00: a b c d e', 'SPEAKER_01: f g h'])
  })
})

describe('the text of a divided segment', () => {
  test('[M7] is cut from the text as it stands, also without spaces', () => {
    const { segments } = diarized(
      [said('你 好 再 见', 0, { text: '你好 再见' }), said('x y', 4, { text: ' x  y\n' })],
      [turn(0, 0, 1), turn(1, 1, 5), turn(0, 5, 6)],
    )
    expect(script(segments)).toEqual([
      'SPEAKER_00: 你',
      'SPEAKER_01: 好 再见',
      'SPEAKER_01: x',
      'SPEAKER_00: y',
    ])
  })

  test.each([
    [
      'words that do not spell the text, which refine changed',
      said('um so hello you', 0, { text: 'Hello, you!' }),
    ],
    ['no words', aSegment({ text: 'hello', end: 4 })],
  ])('[M9] a segment with %s stays whole and takes who says most of it', (_name, segment) => {
    const { segments } = diarized([segment], [turn(0, 0, 1.5), turn(1, 1.5, 4)])
    expect(segments).toMatchObject([{ speaker: 'SPEAKER_01', text: segment.text, start: 0, end: 4 }])
  })

  test('[M9] an empty word divides nothing', () => {
    const segment = said('a _ b', 0, { text: 'a b' })
    const words = segment.words.map((word) => ({ ...word, text: word.text.replace('_', '') }))
    const { segments } = diarized([{ ...segment, words }], [turn(0, 0, 1), turn(1, 1, 2), turn(0, 2, 3)])
    expect(script(segments)).toEqual(['SPEAKER_00: a b'])
  })
})

test('[M7] parts and other segments stay in order of time', () => {
  const { segments } = diarized(
    [said('a b c d', 0), said('x', 1), said('y', 2)],
    [turn(0, 0, 2), turn(1, 2, 4)],
  )
  expect(script(segments)).toEqual(['SPEAKER_00: a b', 'SPEAKER_00: x', 'SPEAKER_01: c d', 'SPEAKER_01: y'])
  expect(segments.map(({ id }) => id)).toEqual([0, 1, 2, 3])
})

test('[M7] words are asked of the transcriber for the division, and written where words were asked of the job', () => {
  const rules = aRule({ diarizationSource: 'diarize', granularity: 'segment' })
  const { segments } = merge(
    { transcripts: [[said('a b', 0)]], turns: [turn(0, 0, 1), turn(1, 1, 2)] },
    rules,
  )
  expect(segments).toMatchObject([
    { text: 'a', words: [] },
    { text: 'b', words: [] },
  ])
})

describe('where speakers come from', () => {
  const own = said('a b', 0, { speaker: 'Alice' })

  test('[M10] skipped diarize: everything is SPEAKER_00, one speaker, source default', () => {
    const { segments, summary } = merge({ transcripts: [[own]] }, aRule({ diarizationSource: 'default' }))
    expect(segments).toMatchObject([{ speaker: 'SPEAKER_00' }])
    expect(summary).toMatchObject({ speaker_count: 1, diarization_source: 'default' })
  })

  test('[M10] the transcriber’s own speakers stay, and so does its count', () => {
    const { transcription } = aRule()
    const rules = { diarizationSource: 'transcription' as const }
    const counted = aRule({ ...rules, transcription: { ...transcription, speaker_count: 3 } })
    const { segments, summary } = merge({ transcripts: [[own]] }, counted)
    expect(segments).toMatchObject([{ speaker: 'Alice', text: 'a b' }])
    expect(summary.speaker_count).toBe(3)
    expect(merge({ transcripts: [[own]] }, aRule(rules)).summary.speaker_count).toBe(1)
  })

  test('[M10] where nobody asked there are none', () => {
    const { segments, summary } = merge({ transcripts: [[own]] })
    expect(segments).toMatchObject([{ speaker: null }])
    expect(summary).toMatchObject({ speaker_count: null, diarization_source: null })
  })

  test('[M10] a silent recording has no speakers, unless channels were split', () => {
    expect(diarized([], [turn(0, 0, 1)]).summary).toMatchObject({ no_speech: true, speaker_count: 0 })
    expect(merge({ transcripts: [[], []] }, channelRule(2)).summary).toMatchObject({
      no_speech: true,
      speaker_count: 2,
    })
  })
})
