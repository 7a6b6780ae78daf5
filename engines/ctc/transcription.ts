import { setImmediate } from 'node:timers/promises'
import type { SpeechRegion } from '#protocol/audio.ts'
import type { Partial } from '#protocol/task.ts'
import type { Segment } from '#protocol/transcript.ts'
import { SampleReader } from '../audio/sample-reader.ts'
import type { AudioReference } from '../engine.ts'
import { LiveText } from '../text/live-text.ts'
import { Segmenter } from '../text/segmenter.ts'
import { type FrameRange, stretches, windowsOf } from './frames.ts'
import type { CtcModel } from './model-folder.ts'
import { type Utterance, UtteranceCutter } from './utterance.ts'
import { timedWords } from './words.ts'

/** The network's windows: long enough that both contexts weigh little, short enough for prompt progress and cancel. */
export const WINDOW_SECONDS = 20

/** What came out since the last one. `seconds` is how far the recording is done. */
export interface Advance {
  readonly segments: readonly Segment[]
  readonly seconds: number
  readonly partial: Partial | undefined
}

export interface TranscriptionOptions {
  readonly windowSeconds: number
  readonly signal: AbortSignal
}

/**
 * Transcribes the speech regions of a recording, window by window, in memory that does not grow with its length. What lies
 * between the regions is never read.
 */
export async function* transcription(
  model: CtcModel,
  audio: AudioReference,
  regions: AsyncIterable<SpeechRegion>,
  options: TranscriptionOptions,
): AsyncGenerator<Advance> {
  const { grid } = model.acoustic
  const mostFrames = Math.max(1, Math.round(options.windowSeconds / grid.frameSeconds))
  const writer = new Writer(model)
  await using reader = await SampleReader.open(audio.path)
  for await (const stretch of stretches(regions, grid, { start: audio.start, end: audio.end })) {
    writer.begin(stretch)
    for (const window of windowsOf(stretch, mostFrames)) {
      // A turn of the event loop: this is where a cancel arrives.
      await setImmediate()
      options.signal.throwIfAborted()
      const segments = writer.push(await model.acoustic.logProbs(reader, window))
      yield { segments, seconds: window.to * grid.frameSeconds, partial: writer.partial() }
    }
    yield { segments: writer.end(), seconds: stretch.to * grid.frameSeconds, partial: writer.partial() }
  }
  yield { segments: writer.flush(), seconds: audio.end, partial: writer.partial() }
}

/** From the network's frames to segments. */
class Writer {
  readonly #model: CtcModel
  readonly #cutter: UtteranceCutter
  readonly #segmenter = new Segmenter()
  readonly #live = new LiveText()
  #state: number

  constructor(model: CtcModel) {
    this.#model = model
    const { config } = model
    this.#cutter = new UtteranceCutter({
      tokenCount: config.tokens.length,
      blank: config.blank_index,
      delimiter: config.tokens.indexOf(config.word_delimiter),
      frameSeconds: config.frame_seconds,
    })
    this.#state = model.decoder.start
  }

  begin(stretch: FrameRange): void {
    this.#cutter.begin(stretch.from)
  }

  push(logProbs: Float32Array): Segment[] {
    return this.#write(this.#cutter.push(logProbs))
  }

  end(): Segment[] {
    return this.#write(this.#cutter.end())
  }

  flush(): Segment[] {
    return this.#segmenter.flush()
  }

  partial(): Partial | undefined {
    return this.#live.partial()
  }

  #write(utterances: Iterable<Utterance>): Segment[] {
    const { decoder, config, acoustic } = this.#model
    const segments: Segment[] = []
    for (const utterance of utterances) {
      const decoded = decoder.decode(utterance.logProbs, utterance.frames, this.#state)
      this.#state = utterance.endsSentence ? decoder.start : decoded.state
      const words = timedWords(decoded.words, utterance, config, acoustic.grid)
      for (const word of words) segments.push(...this.#segmenter.push(word))
      this.#live.push(words)
    }
    return segments
  }
}
