import { closeSync, ftruncateSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import ctc from '#engines/ctc/engine.ts'
import { frameGrid, stretches, windowsOf } from '#engines/ctc/frames.ts'
import { ModelConfig } from '#engines/ctc/model-config.ts'
import { loadModel } from '#engines/ctc/model-folder.ts'
import { UtteranceCutter } from '#engines/ctc/utterance.ts'
import { Analysis } from '#engines/prepare/analysis.ts'
import { MAX_AUDIO_SECONDS } from '#engines/prepare/manifest.ts'
import { LiveText } from '#engines/text/live-text.ts'
import { Segmenter } from '#engines/text/segmenter.ts'
import { modelFilesIn, PARAMETERS, recordingContext } from '#tests/kit/engine-runs.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import { TONE_CONFIG, toneSpeech, writeToneModel } from '#tests/kit/tone-speech.ts'

const folder = new TempFolder()
afterAll(() => folder[Symbol.dispose]())

const grid = frameGrid(ModelConfig.parse(TONE_CONFIG))
const TOKENS = 4
const CUTTER = { tokenCount: TOKENS, blank: 0, delimiter: 1, frameSeconds: 0.03 }

describe('ten hours', () => {
  it('[C13] words at the end of a sparse ten-hour recording, in the memory of one window', async () => {
    const path = folder.join('audio.s16')
    const at = MAX_AUDIO_SECONDS - 60
    const speech = Int16Array.from(toneSpeech([{ silence: 1 }, 'the cat']), (sample) => sample * 32_767)
    const file = openSync(path, 'w')
    ftruncateSync(file, MAX_AUDIO_SECONDS * 32_000)
    for (const seconds of [10, at])
      writeSync(file, new Uint8Array(speech.buffer), 0, speech.byteLength, seconds * 32_000)
    closeSync(file)
    const regions = [10, 18_000, at].map((start) => JSON.stringify({ start, end: start + 3 }))
    writeFileSync(folder.join('speech.jsonl'), `${regions.join('\n')}\n`)
    const model = await loadModel(modelFilesIn(writeToneModel(folder.join('m'))))
    const before = process.memoryUsage().rss
    const { context, reports } = recordingContext()
    const audio = { path, format: 's16le', start: 0, end: MAX_AUDIO_SECONDS } as const
    const summary = await ctc.run(
      {
        stage: 'transcribe',
        inputs: { audio, speechRegions: folder.join('speech.jsonl') },
        outputFolder: folder.path,
        parameters: PARAMETERS,
      },
      model,
      context,
    )
    expect(summary).toMatchObject({ word_count: 4, no_speech: false })
    expect(reports.at(-1)?.partial?.text).toBe('the cat the cat')
    expect(reports.at(-1)?.partial?.end).toBeCloseTo(at + 1 + 6 * 0.15 + 0.09, 1)
    // The file is 1.15 GB.
    expect(process.memoryUsage().rss - before).toBeLessThan(100e6)
  })

  it('[C13] the windows of ten hours of speech cover every frame once, none longer than asked', async () => {
    let next = 0
    let longest = 0
    for await (const stretch of stretches(speechAllDay(), grid, { start: 0, end: MAX_AUDIO_SECONDS })) {
      expect(stretch.from).toBeGreaterThanOrEqual(next)
      next = stretch.from
      for (const window of windowsOf(stretch, 667)) {
        expect(window.from).toBe(next)
        next = window.to
        longest = Math.max(longest, window.to - window.from)
      }
      expect(next).toBe(stretch.to)
    }
    expect(next).toBeGreaterThan((MAX_AUDIO_SECONDS - 20) / 0.03)
    expect(longest).toBeLessThanOrEqual(667)
  })

  it('[C14] speech that never pauses is cut into bounded utterances, all frames in order', () => {
    const cutter = new UtteranceCutter(CUTTER)
    cutter.begin(500)
    const letters = framesOf(
      Array.from({ length: 700 }, (_, index) => (index % 90 === 89 ? 1 : 2 + (index % 2))),
    )
    let next = 500
    const utterances = []
    for (let round = 0; round < 10; round++) utterances.push(...cutter.push(letters))
    utterances.push(...cutter.end())
    for (const utterance of utterances) {
      expect(utterance.firstFrame).toBe(next)
      expect(utterance.frames).toBeLessThanOrEqual(1000)
      next += utterance.frames
    }
    expect(next).toBe(500 + 7000)
    // Each cut but the last follows a delimiter, and says that the sentence goes on.
    for (const utterance of utterances.slice(0, -1)) {
      expect(utterance.logProbs[(utterance.frames - 1) * TOKENS + 1]).toBeGreaterThan(-0.1)
      expect(utterance.endsSentence).toBe(false)
    }
  })

  it('[C14] a pause of half a second ends a sentence, wherever the windows lie', () => {
    const tokens = [2, 3, 2, ...Array.from({ length: 40 }, () => 0), 3, 2, 1, 3]
    const cuts = (chunk: number) => {
      const cutter = new UtteranceCutter(CUTTER)
      cutter.begin(0)
      const found = []
      for (let at = 0; at < tokens.length; at += chunk)
        for (const cut of cutter.push(framesOf(tokens.slice(at, at + chunk))))
          found.push([cut.firstFrame, cut.frames])
      for (const cut of cutter.end()) found.push([cut.firstFrame, cut.frames])
      return found
    }
    expect(cuts(1000)).toHaveLength(2)
    for (const chunk of [1, 5, 20, 44]) expect(cuts(chunk)).toEqual(cuts(1000))
  })

  it('[C14] the live text and the segmenter hold the newest words only', () => {
    const live = new LiveText()
    const segmenter = new Segmenter()
    let segments = 0
    for (let index = 0; index < 20_000; index++) {
      const word = { text: 'everything', start: index, end: index + 0.9, confidence: 0.5 }
      live.push([word])
      segments += segmenter.push(word).length
    }
    expect(live.partial()).toMatchObject({ revision: 20_000, end: 19_999.9 })
    expect(live.partial()?.text.length).toBeLessThanOrEqual(1000)
    expect(segments).toBeGreaterThan(20_000 / 16)
  })

  it('[PR10] the analysis of many samples keeps none of them', () => {
    const analysis = new Analysis()
    const chunk = new Int16Array(160_000)
    for (let round = 0; round < 20; round++) analysis.push(chunk)
    globalThis.gc?.()
    const before = process.memoryUsage().heapUsed
    for (let round = 0; round < 100; round++) analysis.push(chunk)
    globalThis.gc?.()
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(20e6)
    expect(analysis.samples).toBe(120 * 160_000)
  })
})

async function* speechAllDay() {
  for (let start = 0; start + 6 < MAX_AUDIO_SECONDS; start += 7 + (start % 5)) yield { start, end: start + 6 }
}

/** Frames that are nearly sure of one token each. */
function framesOf(tokens: readonly number[]): Float32Array {
  const logProbs = new Float32Array(tokens.length * TOKENS).fill(Math.log(0.01))
  for (const [frame, token] of tokens.entries()) logProbs[frame * TOKENS + token] = Math.log(0.97)
  return logProbs
}
