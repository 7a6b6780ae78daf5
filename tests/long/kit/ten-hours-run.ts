import { expect, onTestFinished } from 'vitest'
import type { TranscribeSummary } from '#protocol/summary.ts'
import type { Segment } from '#protocol/transcript.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import {
  grownBytes,
  type LongTask,
  type Speech,
  type Spoken,
  segmentsOf,
  transcribeLong,
  unevenness,
  writeRecording,
} from './ten-hours.ts'

const TEN_HOURS_SECONDS = 36_000
/** Recordings are written in samples, and their times in milliseconds. */
const ROUNDING_SECONDS = 1e-3

interface TenHours extends Pick<LongTask, 'engine' | 'granularity'> {
  readonly speech: Speech
  readonly writeModel: (folder: string) => void
}

/** What was said in ten hours, what an engine wrote of it, and what that took. */
export interface TenHoursRun {
  readonly spoken: readonly Spoken[]
  readonly summary: TranscribeSummary
  readonly segments: () => AsyncIterable<Segment>
  /** How much more memory the last nine hours took than the first. */
  readonly grownBytes: number
  /** How far the work at any moment is from its share of the whole, in runs of networks or in numbers that went into them. */
  readonly unevenness: number
}

/** Ten hours of a language of tones through an engine, in a process of its own. The files go with the test. */
export async function tenHours({ engine, granularity, speech, writeModel }: TenHours): Promise<TenHoursRun> {
  const folder = new TempFolder()
  onTestFinished(() => folder[Symbol.dispose]())
  const [audio, regions] = [folder.join('audio.s16'), folder.join('speech.jsonl')]
  const spoken = writeRecording(speech, audio, regions, TEN_HOURS_SECONDS)
  const [modelFolder, outputFolder] = [folder.join('model'), folder.join('out')]
  writeModel(modelFolder)
  const seconds = TEN_HOURS_SECONDS
  const task = { engine, modelFolder, audio, regions, outputFolder, seconds, granularity }
  const { summary, measured } = await transcribeLong(task)
  return {
    spoken,
    summary,
    segments: () => segmentsOf(folder.join('out/transcript.jsonl')),
    grownBytes: grownBytes(measured),
    unevenness: Math.max(unevenness(measured, 'runs'), unevenness(measured, 'values')),
  }
}

interface WordsAs {
  /** Of a character. */
  readonly slotSeconds: number
  readonly toleranceSeconds: number
  readonly spelling?: (text: string) => string
}

/** Every word that was said, in order and at its time, and no other. */
export async function expectWords({ spoken, summary, segments }: TenHoursRun, as: WordsAs): Promise<void> {
  const { slotSeconds, spelling = (text) => text } = as
  const expected = spoken.flatMap(({ text, start }) =>
    [...text.matchAll(/[^ ]+/g)].map((match) => ({
      text: spelling(match[0]),
      start: start + match.index * slotSeconds,
    })),
  )
  let at = 0
  for await (const { words } of segments())
    for (const word of words) {
      expect(word.text).toBe(expected[at]?.text)
      expectNear(word.start, expected[at]?.start, as.toleranceSeconds)
      at += 1
    }
  expect(at).toBe(expected.length)
  expect(summary.word_count).toBe(expected.length)
}

/** Every sentence that was said, in order and from its first to its last sound, and no other. */
export async function expectSentences(
  { spoken, summary, segments }: TenHoursRun,
  toleranceSeconds: number,
): Promise<void> {
  let at = 0
  for await (const { text, start, end } of segments()) {
    expect(text).toBe(spoken[at]?.text)
    expectNear(start, spoken[at]?.start, toleranceSeconds)
    expectNear(end, spoken[at]?.end, toleranceSeconds)
    at += 1
  }
  expect(at).toBe(spoken.length)
  expect(summary.segment_count).toBe(spoken.length)
}

function expectNear(seconds: number, expected: number | undefined, toleranceSeconds: number): void {
  expect(Math.abs(seconds - (expected ?? Number.NaN))).toBeLessThanOrEqual(
    toleranceSeconds + ROUNDING_SECONDS,
  )
}
