import { describe, expect, it } from 'vitest'
import { batchesByLength } from '#engines/parakeet/batches.ts'
import { WordJoiner } from '#engines/parakeet/joining.ts'
import { Vocabulary, VocabularyError } from '#engines/parakeet/vocabulary.ts'
import { type Window, windowsOf } from '#engines/parakeet/windows.ts'
import { timedWords } from '#engines/parakeet/words.ts'
import type { SpeechRegion } from '#protocol/audio.ts'
import type { Word } from '#protocol/transcript.ts'
import { seeded } from '#tests/kit/seeded.ts'

const PIECES: readonly string[] = [
  '<unk>',
  '▁',
  '▁Hel',
  'lo',
  ',',
  '▁wor',
  'ld',
  '.',
  '▁¿',
  '▁?',
  '<|en|>',
  '3',
  '<blk>',
]
const vocabulary = Vocabulary.parse(PIECES.map((piece, id) => `${piece} ${id}`).join('\n'))

/** Pieces as emissions: `piece@frame+frames`, probability 0.9, or another behind a colon. */
function said(text: string) {
  return text.split(' ').map((entry) => {
    const [, piece = '', frame, frames, probability = '0.9'] =
      /^(.+)@(\d+)\+(\d+)(?::(.+))?$/.exec(entry) ?? []
    const token = PIECES.indexOf(piece)
    return { token, frame: Number(frame), frames: Number(frames), probability: Number(probability) }
  })
}

function wordsOf(text: string, start = 0, end = 1000): Word[] {
  return timedWords(said(text), vocabulary, { start, end, frameSeconds: 0.08 })
}

const brief = (words: readonly Word[]) => words.map(({ text, start, end }) => `${text} ${start}-${end}`)

describe('words of tokens', () => {
  it.each([
    ['▁Hel@1+2 lo@3+4 ▁wor@10+1 ld@11+2', ['Hello 0.08-0.56', 'world 0.8-1.04']],
    // Marks stay with the word before them and move neither its end nor the next one's beginning.
    ['▁Hel@1+2 lo@3+1 ,@9+4 ▁wor@20+1 ld@21+0 .@30+1', ['Hello, 0.08-0.32', 'world. 1.6-1.76']],
    // A space of its own says that a word begins, and not where.
    ['▁@2+3 lo@7+1 ▁@9+1 ld@12+1', ['lo 0.56-0.64', 'ld 0.96-1.04']],
    // A mark behind a space belongs to the word before it, one that opens to the word behind it.
    ['▁Hel@0+1 ▁?@4+1 ▁wor@8+1', ['Hel? 0-0.08', 'wor 0.64-0.72']],
    ['▁Hel@0+1 ▁¿@4+1 lo@8+1', ['Hel 0-0.08', '¿lo 0.64-0.72']],
    // Nothing that steers is written.
    ['<|en|>@0+0 ▁Hel@1+1 <unk>@2+1 lo@3+1', ['Hello 0.08-0.32']],
    // Without durations a token lasts a frame; a word gives way to the next.
    ['▁Hel@4+0 ▁wor@5+0', ['Hel 0.32-0.4', 'wor 0.4-0.48']],
    ['▁Hel@4+4 ▁wor@6+0', ['Hel 0.32-0.48', 'wor 0.48-0.56']],
    ['▁Hel@4+0 ▁wor@4+0', ['Hel 0.32-0.4', 'wor 0.32-0.4']],
    // Numbers with a mark inside are one word.
    ['▁@0+1 3@1+1 .@2+1 3@3+1', ['3.3 0.08-0.32']],
  ])('[PK5] %s → %j', (text, expected) => {
    expect(brief(wordsOf(text))).toEqual(expected)
  })

  it('[PK5] times are those of the recording, and nothing lasts beyond the window', () => {
    expect(brief(wordsOf('▁Hel@1+2 lo@3+4', 12.34, 12.6))).toEqual(['Hello 12.42-12.6'])
  })

  it('[PK6] confidence is the mean of the tokens’ probabilities, marks aside', () => {
    const [word] = wordsOf('▁Hel@1+2:0.5 lo@3+4:0.9 ,@5+1:0.1')
    expect(word?.confidence).toBe(0.7)
  })
})

describe('vocabulary', () => {
  it.each([
    ['a 0\nb x\n<blk> 2', /line 2: expected a token, a space and its number, came "b x"/],
    ['a 0\nb 0\n<blk> 1', /line 2: the number 0 stands there twice/],
    ['a 0\n<blk> 2', /expected every number once, 1 is missing/],
    ['<blk> 0\na 1', /expected <blk> as the last .* "a"/],
    ['', /expected <blk> as the last/],
    ['a -1\n<blk> 0', /line 1: expected a token, a space and its number/],
    ['a 1e9\n<blk> 0', /line 1: expected a token/],
    ['a 999999\n<blk> 0', /expected every number once, 1 is missing/],
    ['▁a 0\n<blk> 1\n<blk> 2', /expected <blk> once, it is 1 as well/],
    ['a 0\nb 1\n<blk> 2', /expected tokens that begin with ▁: without it no word ends/],
    ['▁a 0\n<0x0A> 1\n<blk> 2', /line 2: <0x0A>: tokens that are bytes are not supported/],
  ])('[PK12] %j is refused with its line', (text, message) => {
    expect(() => Vocabulary.parse(text)).toThrow(VocabularyError)
    expect(() => Vocabulary.parse(text)).toThrow(message)
  })

  it('[PK5] reads tokens that are spaces, and lines of any ending', () => {
    const read = Vocabulary.parse('▁the 0\r\n  1\n cat 2\n<blk> 3\n')
    expect(read.tokens.map(({ text, startsWord }) => [text, startsWord])).toEqual([
      ['the', true],
      ['', true],
      ['cat', true],
      ['', false],
    ])
    expect(read.blank).toBe(3)
  })
})

const OPTIONS = { limits: { start: 0, end: 1000 }, frameSeconds: 0.08, mostSeconds: 30 }

async function windowsFor(regions: readonly SpeechRegion[], options = OPTIONS): Promise<Window[]> {
  const all: Window[] = []
  for await (const window of windowsOf(regions, options)) all.push(window)
  return all
}

describe('windows', () => {
  it('[PK7] what fits goes in one pass', async () => {
    const windows = await windowsFor([
      { start: 1, end: 9 },
      { start: 10, end: 20 },
      { start: 21, end: 30 },
    ])
    expect(windows).toEqual([{ start: 0.72, end: 30.24, sharedUntil: null }])
  })

  it('[PK7] speech of any shape: all heard, none longer than asked, cut in silences or shared', async () => {
    const random = seeded(1)
    for (let round = 0; round < 200; round++) {
      const regions: SpeechRegion[] = []
      for (let at = random() * 3; at < 900; at += 0.3 + random() * random() * 8) {
        const end = Math.min(999, at + 0.2 + random() ** 6 * 90)
        regions.push({ start: at, end })
        at = end
      }
      const windows = await windowsFor(regions)
      for (const region of regions) {
        const over = windows.filter((window) => window.end > region.start && window.start < region.end)
        expect(over[0]?.start).toBeLessThanOrEqual(region.start)
        expect(over.at(-1)?.end).toBeGreaterThanOrEqual(Math.min(1000, region.end))
      }
      for (const [index, window] of windows.entries()) {
        expect(window.end - window.start).toBeLessThanOrEqual(30 + 0.08 + 1e-6)
        const before = windows[index - 1]
        if (before === undefined) continue
        if (window.sharedUntil === null) expect(window.start).toBeGreaterThanOrEqual(before.end - 0.08 - 1e-6)
        else expect(before.end).toBeCloseTo(window.sharedUntil, 2)
        const frames = window.start / 0.08
        expect(Math.abs(frames - Math.round(frames))).toBeLessThan(0.02)
      }
    }
  })

  it('[PK7] regions outside the limits, and a recording without any, give none', async () => {
    expect(await windowsFor([])).toEqual([])
    expect(await windowsFor([{ start: 1001, end: 1002 }])).toEqual([])
  })
})

describe('joining windows', () => {
  const word = (text: string, start: number, end: number): Word => ({ text, start, end, confidence: 1 })
  const first = { start: 0, end: 30, sharedUntil: null }
  const second = { start: 26, end: 56, sharedUntil: 30 }

  it('[PK7] each word of the shared stretch is taken once, halves at the edges are left out', () => {
    const joiner = new WordJoiner()
    const left = [
      word('so', 20, 21),
      word('we', 26.4, 26.9),
      word('go', 27.4, 27.8),
      word('no', 28.3, 29),
      word('wh', 29.7, 30),
    ]
    const right = [
      word('e', 26.4, 26.8),
      word('go', 27.42, 27.8),
      word('no', 28.28, 29),
      word('where', 29.7, 30.5),
    ]
    expect(joiner.push(first, left, second).map(({ text }) => text)).toEqual(['so'])
    expect(joiner.push(second, right, null).map(({ text }) => text)).toEqual(['we', 'go', 'no', 'where'])
  })

  it('[PK7] a window that says nothing, and one that is not shared, lose nothing', () => {
    const joiner = new WordJoiner()
    expect(joiner.push(first, [word('so', 29.2, 29.9)], second)).toEqual([])
    expect(joiner.push(second, [word('so', 29.2, 29.9)], null)).toHaveLength(1)
    expect(joiner.push({ start: 60, end: 70, sharedUntil: null }, [word('a', 61, 62)], null)).toHaveLength(1)
  })
})

describe('batches', () => {
  it('[PK8] items of like length go together, within the limits, each once', () => {
    const random = seeded(5)
    const items = Array.from({ length: 100 }, (_, index) => ({ index, seconds: 1 + random() * 29 }))
    const limits = { mostItems: 16, mostSeconds: 120 }
    const batches = batchesByLength(items, limits)
    expect(
      batches
        .flat()
        .map(({ index }) => index)
        .toSorted((a, b) => a - b),
    ).toEqual(items.map(({ index }) => index))
    for (const batch of batches) {
      expect(batch.length).toBeLessThanOrEqual(16)
      expect(batch.length * (batch[0]?.seconds ?? 0)).toBeLessThanOrEqual(120)
    }
    const padded = batches.reduce((sum, batch) => sum + batch.length * (batch[0]?.seconds ?? 0), 0)
    expect(padded).toBeLessThan(1.1 * items.reduce((sum, { seconds }) => sum + seconds, 0))
    expect(batchesByLength(items, { mostItems: 16, mostSeconds: 1 })).toHaveLength(100)
  })
})
