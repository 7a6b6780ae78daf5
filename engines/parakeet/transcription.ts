import { setImmediate } from 'node:timers/promises'
import { SAMPLE_RATE_HZ, type SpeechRegion } from '#protocol/audio.ts'
import type { Partial } from '#protocol/task.ts'
import type { Segment, Word } from '#protocol/transcript.ts'
import { SampleReader } from '../audio/sample-reader.ts'
import type { AudioReference } from '../engine.ts'
import { LiveText } from '../text/live-text.ts'
import { Segmenter } from '../text/segmenter.ts'
import { batchesByLength } from './batches.ts'
import { WordJoiner } from './joining.ts'
import type { ParakeetModel } from './model-folder.ts'
import { type Window, windowsOf } from './windows.ts'
import { timedWords } from './words.ts'

/** What came out since the last one. `seconds` is how much of the recording is done. */
export interface Advance {
  readonly segments: readonly Segment[]
  readonly seconds: number
  readonly partial: Partial | undefined
}

export interface TranscriptionOptions {
  readonly windowSeconds: number
  /** Sound in one batch. */
  readonly batchSeconds: number
  readonly signal: AbortSignal
  /** How much of the recording is done, also while nothing has come out yet. */
  readonly progress: (seconds: number) => void
}

/** The batched search takes as long for one item as for the longest of these. */
const MOST_ITEMS = 64
/** Windows that are sorted by length before they are batched, in batches: more sorts better, and shows text later. */
const BATCHES_AHEAD = 2

/**
 * Transcribes the speech regions of a recording, batch by batch of windows, in memory that does not grow with its length.
 * The first round holds one window and each further one twice as many, so the first words come soon.
 */
export async function* transcription(
  model: ParakeetModel,
  audio: AudioReference,
  regions: AsyncIterable<SpeechRegion>,
  options: TranscriptionOptions,
): AsyncGenerator<Advance> {
  const writer = new Writer()
  await using reader = await SampleReader.open(audio.path)
  const most = Math.max(1, Math.floor((BATCHES_AHEAD * options.batchSeconds) / options.windowSeconds))
  const { frameSeconds } = model
  const all = windowsOf(regions, { limits: audio, frameSeconds, mostSeconds: options.windowSeconds })
  for await (const { windows, next } of rounds(all, most)) {
    const words = await recognized(model, reader, windows, options)
    const segments = windows.flatMap((window, index) =>
      writer.push(window, words.get(window) ?? [], windows[index + 1] ?? next),
    )
    yield { segments, seconds: windows.at(-1)?.end ?? 0, partial: writer.partial() }
  }
  yield { segments: writer.flush(), seconds: audio.end, partial: writer.partial() }
}

/** The words of each window of a round, batch by batch. */
async function recognized(
  model: ParakeetModel,
  reader: SampleReader,
  windows: readonly Window[],
  { batchSeconds, signal, progress }: TranscriptionOptions,
): Promise<Map<Window, Word[]>> {
  const words = new Map<Window, Word[]>()
  const limits = { mostItems: MOST_ITEMS, mostSeconds: batchSeconds }
  for (const batch of batchesByLength(windows.map(measured), limits)) {
    const samples = []
    for (const { window } of batch) samples.push(await read(reader, window))
    const found = await model.recognizer.recognize(samples, async (heard) => {
      // A turn of the event loop: this is where a cancel arrives.
      await setImmediate()
      signal.throwIfAborted()
      progress(doneSeconds(windows, [...words.keys(), ...batch.slice(0, heard).map(({ window }) => window)]))
    })
    for (const [index, { window }] of batch.entries()) {
      const times = { start: window.start, end: window.end, frameSeconds: model.frameSeconds }
      words.set(window, timedWords(found[index] ?? [], model.vocabulary, times))
    }
  }
  return words
}

/** From words of windows to segments. */
class Writer {
  readonly #joiner = new WordJoiner()
  readonly #segmenter = new Segmenter()
  readonly #live = new LiveText()

  push(window: Window, words: readonly Word[], next: Window | null): Segment[] {
    const final = this.#joiner.push(window, words, next)
    this.#live.push(final)
    return final.flatMap((word) => this.#segmenter.push(word))
  }

  flush(): Segment[] {
    return this.#segmenter.flush()
  }

  partial(): Partial | undefined {
    return this.#live.partial()
  }
}

/** 1, 2, 4 … up to `most` windows, and the one behind them. */
async function* rounds(
  all: AsyncIterable<Window>,
  most: number,
): AsyncGenerator<{ windows: Window[]; next: Window | null }> {
  let windows: Window[] = []
  let size = 1
  for await (const window of all) {
    if (windows.length >= size) {
      yield { windows, next: window }
      windows = []
      size = Math.min(most, size * 2)
    }
    windows.push(window)
  }
  if (windows.length > 0) yield { windows, next: null }
}

function measured(window: Window): { readonly window: Window; readonly seconds: number } {
  return { window, seconds: window.end - window.start }
}

async function read(reader: SampleReader, window: Window): Promise<Float32Array> {
  const from = Math.round(window.start * SAMPLE_RATE_HZ)
  const samples = new Float32Array(Math.round(window.end * SAMPLE_RATE_HZ) - from)
  const count = await reader.read(from, samples)
  return samples.subarray(0, count)
}

/** Windows are done out of order: as far as if they had been done in it. */
function doneSeconds(windows: readonly Window[], done: readonly Window[]): number {
  const first = windows[0]?.start ?? 0
  const last = windows.at(-1)?.end ?? first
  const length = (some: readonly Window[]) => some.reduce((sum, { start, end }) => sum + end - start, 0)
  return first + ((last - first) * length(done)) / length(windows)
}
