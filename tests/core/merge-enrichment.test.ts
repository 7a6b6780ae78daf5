import { expect, test } from 'vitest'
import { Segment } from '#protocol/transcript.ts'
import { aRule, merge, said, turn } from './kit/merging.ts'

/** What other stages heard in the recording, laid over the segments. */
const first = said('a b c d', 0)
const second = said('e f g h', 4)
const emotion = (name: string, start: number, end: number) => ({ emotion: name, start, end, confidence: 0.5 })
const event = (label: string, start: number, end: number) => ({ label, start, end, confidence: null })
const topic = (name: string, start: number, end: number) => ({ topic: name, start, end, confidence: null })
const asked = aRule({ events: { key: 'events' } })

test('[M11] a segment has the emotion that overlaps most of it; none where none does', () => {
  const emotions = [emotion('calm', 0, 1.5), emotion('joy', 1.5, 4.25), emotion('anger', 8, 9)]
  const { segments } = merge({ transcripts: [[first, second, said('i', 12)]], emotions })
  expect(segments.map((one) => [one.emotion, one.emotion_confidence])).toEqual([
    ['joy', 0.5],
    ['joy', 0.5],
    [undefined, undefined],
  ])
  expect(segments[2]).not.toHaveProperty('emotion')
  expect(segments[2]).not.toHaveProperty('emotion_confidence')
})

test('[M11] unknown confidence of an emotion stays null', () => {
  const emotions = [{ ...emotion('calm', 0, 1), confidence: null }]
  expect(merge({ transcripts: [[first]], emotions }).segments[0]?.emotion_confidence).toBeNull()
})

test('[M12] a segment has the events that overlap it; a click without length counts where it lies', () => {
  const events = [event('music', 0, 5), event('click', 6, 6), event('door', 8, 9)]
  const { segments } = merge({ transcripts: [[first, second]], events }, asked)
  expect(segments.map((one) => one.events?.map(({ label }) => label))).toEqual([
    ['music'],
    ['music', 'click'],
  ])
})

test('[M12] events that were asked for and skipped are an empty list; where nobody asked there is none', () => {
  expect(merge({ transcripts: [[first]] }, aRule({ events: { key: null } })).segments[0]?.events).toEqual([])
  expect(merge({ transcripts: [[first]] }).segments[0]).not.toHaveProperty('events')
})

test('[M13] a segment has each topic that overlaps it once; none where none does', () => {
  const topics = [topic('weather', 0, 3), topic('weather', 3, 5), topic('sport', 3.5, 4), topic('law', 9, 10)]
  const { segments } = merge({ transcripts: [[first, second, said('i', 20)]], topics })
  expect(segments.map((one) => one.topics)).toEqual([['weather', 'sport'], ['weather'], undefined])
  expect(segments[2]).not.toHaveProperty('topics')
})

test('[M7] [M11] [M12] [M13] each part of a divided segment has what overlaps that part', () => {
  const { segments } = merge(
    {
      transcripts: [[first]],
      turns: [turn(0, 0, 2), turn(1, 2, 4)],
      emotions: [emotion('calm', 0, 2), emotion('joy', 2, 4)],
      events: [event('door', 3, 3.5)],
      topics: [topic('weather', 0, 1)],
    },
    aRule({ diarizationSource: 'diarize', events: { key: 'events' } }),
  )
  expect(segments).toMatchObject([
    { speaker: 'SPEAKER_00', emotion: 'calm', events: [], topics: ['weather'] },
    { speaker: 'SPEAKER_01', emotion: 'joy', events: [{ label: 'door' }] },
  ])
})

test('[M14] more events or topics than a segment has room for are left out, and a warning counts them', () => {
  const events = Array.from({ length: 130 }, (_, index) => event(`e${index}`, 1, 2))
  const topics = Array.from({ length: 25 }, (_, index) => topic(`t${index}`, 1, 2))
  const { segments, summary } = merge({ transcripts: [[first]], events, topics }, asked)
  expect(Segment.parse(segments[0])).toMatchObject({ events: events.slice(0, 100) })
  expect(segments[0]?.topics).toHaveLength(20)
  expect(summary.warnings).toMatchObject([
    { code: 'enrichment_left_out', message: expect.stringContaining('35') },
  ])
})

test('[M14] what an engine wrote beside the words unasked is left out', () => {
  const loud = { ...first, emotion: 'joy', emotion_confidence: 1, events: [], topics: ['x'] }
  expect(merge({ transcripts: [[loud]] }).segments).toEqual([{ ...first, id: 0 }])
})
