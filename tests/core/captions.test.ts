import { describe, expect, test } from 'vitest'
import { CAPTION_DEFAULTS, cuesOf, speakerLead, srtCue, textLine, vttCue } from '#core/captions.ts'
import type { Segment } from '#protocol/transcript.ts'
import { seeded } from '../kit/seeded.ts'
import { aSegment } from './kit/builders.ts'

/** Captions: cues that a reader can follow, with all the text and honest times. */
const word = (text: string, start: number, end: number) => ({ text, start, end, confidence: null })
const spoken = (texts: readonly string[]) => texts.map((text, index) => word(text, index, index + 0.9))
const textOf = (segment: Segment) =>
  cuesOf(segment, CAPTION_DEFAULTS)
    .flatMap(({ lines }) => lines)
    .join(' ')

test('[X1] a short segment is one cue with its words’ times', () => {
  const segment = aSegment({ start: 0, end: 5, words: [word('hello', 1, 1.5), word('world', 2, 2.5)] })
  expect(cuesOf(segment, CAPTION_DEFAULTS)).toEqual([{ start: 1, end: 2.5, lines: ['hello world'] }])
})

describe('long segments', () => {
  const texts = Array.from({ length: 60 }, (_, index) => `word${index}`)

  test('[X2] a long segment becomes several cues of two lines of 42 characters; no text is lost', () => {
    for (const words of [spoken(texts), []]) {
      const segment = aSegment({ text: texts.join(' '), end: 60, words })
      const cues = cuesOf(segment, CAPTION_DEFAULTS)
      expect(cues.length).toBeGreaterThan(4)
      for (const { lines } of cues) {
        expect(lines.length).toBeLessThanOrEqual(2)
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(42)
      }
      expect(textOf(segment)).toBe(texts.join(' '))
    }
  })

  test('[X3] times go forward: no cue ends before it begins, none begins before the one before ended', () => {
    const random = seeded(7)
    for (let round = 0; round < 50; round++) {
      const count = 1 + Math.floor(random() * 80)
      const parts = Array.from({ length: count }, () => 'x'.repeat(1 + Math.floor(random() * 12)))
      const words = random() < 0.5 ? spoken(parts) : []
      const cues = cuesOf(aSegment({ text: parts.join(' '), end: count, words }), CAPTION_DEFAULTS)
      let before = 0
      for (const { start, end } of cues) {
        expect(start).toBeGreaterThanOrEqual(before - 1e-9)
        expect(end).toBeGreaterThanOrEqual(start)
        before = end
      }
      expect(before).toBeLessThanOrEqual(count + 1e-9)
    }
  })

  test('[X2] a word longer than a line stands on its own, whole', () => {
    const long = 'x'.repeat(60)
    expect(cuesOf(aSegment({ text: `a ${long} b` }), CAPTION_DEFAULTS).flatMap(({ lines }) => lines)).toEqual(
      ['a', long, 'b'],
    )
  })
})

test.each([
  ['words that an aligner left out', { text: 'the quick brown fox', words: [word('quick', 1, 2)] }],
  [
    'words with breaks in them',
    { text: 'the quick brown fox', words: spoken(['the', 'quick\n\nbrown', 'fox']) },
  ],
  ['empty words', { text: 'the quick brown fox', words: spoken(['the', '', 'quick', ' brown', 'fox ']) }],
  ['a text with breaks', { text: ' the  quick\nbrown\n\nfox ' }],
])('[X2] no text is lost and no cue is broken by %s', (_name, parts) => {
  expect(textOf(aSegment(parts))).toBe('the quick brown fox')
})

test('[X2] a segment without text is no cue', () => {
  expect(cuesOf(aSegment({ text: ' ' }), CAPTION_DEFAULTS)).toEqual([])
})

describe('formats', () => {
  const cue = { start: 3_661.0016, end: 3_662.9996, lines: ['a < b & c', '--> d'] }

  test('[X4] srt: numbered, comma, text as it is', () => {
    expect(srtCue(cue, 7)).toBe('7\n01:01:01,002 --> 01:01:03,000\na < b & c\n--> d\n\n')
  })

  test('[X4] vtt: dot, and no text can be read as a tag or a time line', () => {
    expect(vttCue(cue, null)).toBe('01:01:01.002 --> 01:01:03.000\na &lt; b &amp; c\n--&gt; d\n\n')
  })

  test('[X4] txt: a line a segment', () => {
    expect(textLine(aSegment(), null)).toBe('hello world\n')
  })

  test('[X4] more than 99 hours still have a clock', () => {
    expect(vttCue({ start: 360_000, end: 360_001, lines: ['x'] }, null)).toMatch(
      /^100:00:00\.000 --> 100:00:01\.000/,
    )
  })
})

describe('speakers', () => {
  const cue = { start: 0, end: 1, lines: ['hello', 'world'] }

  test('[X5] vtt: a voice tag, whose name cannot end it', () => {
    expect(vttCue(cue, 'SPEAKER_00')).toContain('\n<v SPEAKER_00>hello\nworld\n')
    expect(vttCue(cue, 'a > b &\n\nc')).toContain('\n<v a &gt; b &amp; c>hello\nworld\n')
  })

  test('[X5] srt: the name leads every cue, within the length of the line', () => {
    const texts = Array.from({ length: 60 }, (_, index) => `word${index}`)
    const segment = aSegment({ text: texts.join(' '), end: 60, speaker: 'SPEAKER_00' })
    const lead = speakerLead(segment)
    expect(lead).toBe('SPEAKER_00: ')
    const cues = cuesOf(segment, CAPTION_DEFAULTS, lead)
    expect(cues.length).toBeGreaterThan(4)
    for (const { lines } of cues) {
      expect(lines[0]).toMatch(/^SPEAKER_00: word/)
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(42)
    }
    const said = cues.flatMap(({ lines }) => lines).join(' ')
    expect(said.replaceAll(lead, '')).toBe(texts.join(' '))
  })

  test('[X5] srt: where nobody is known nothing leads', () => {
    expect(speakerLead(aSegment())).toBe('')
    expect(speakerLead(aSegment({ speaker: ' a\n\nb ' }))).toBe('a b: ')
  })

  test('[X5] txt: where the speaker changes an empty line and the name', () => {
    const speakers = ['SPEAKER_00', 'SPEAKER_00', 'SPEAKER_01', null, null]
    const segments = speakers.map((speaker, index) => aSegment({ text: `line ${index}`, speaker }))
    expect(segments.map((segment, index) => textLine(segment, segments[index - 1] ?? null)).join('')).toBe(
      '[SPEAKER_00]\nline 0\nline 1\n\n[SPEAKER_01]\nline 2\n\nline 3\nline 4\n',
    )
  })
})
