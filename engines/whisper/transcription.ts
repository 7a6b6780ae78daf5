import type { SpeechRegion } from '#protocol/audio.ts'
import type { Partial } from '#protocol/task.ts'
import type { Segment } from '#protocol/transcript.ts'
import type { AudioReference } from '../engine.ts'
import { ChunkAudio } from './chunk-audio.ts'
import { ChunkDecoder, type Decoded, type DecodeOptions, STEPS_A_SECOND } from './chunk-decoder.ts'
import { type ChunkSegments, chunkSegments, type Draft } from './chunk-segments.ts'
import { type Chunk, chunkSeconds, chunksOf, recordingSeconds } from './chunks.ts'
import { DropLog } from './drop-log.ts'
import { LiveText } from './live-text.ts'
import type { WhisperModel } from './model-folder.ts'

/** What came out since the last one. `seconds` is how far the recording is done. */
export interface Advance {
  readonly segments: readonly Segment[]
  readonly seconds: number
  readonly partial: Partial | undefined
}

export interface TranscriptionOptions extends DecodeOptions {
  readonly batchSize: number
  /** The model's code; null where the model is to hear it. */
  readonly language: string | null
  /** While a batch is being decoded. */
  readonly onAdvance: (advance: Advance) => void
}

/** So many tokens lie between two partial texts. */
const TOKENS_A_REPORT = 16

/**
 * Transcribes the speech regions of a recording, batch by batch, in memory that does not grow with its length. What lies
 * between the regions is never read.
 */
export class Transcription {
  readonly drops = new DropLog()
  readonly #model: WhisperModel
  readonly #options: TranscriptionOptions
  readonly #live = new LiveText()
  #language: string | null
  #nextId = 0

  constructor(model: WhisperModel, options: TranscriptionOptions) {
    this.#model = model
    this.#options = options
    this.#language = options.language
  }

  /** The model's code, once it is known. */
  get language(): string | null {
    return this.#language
  }

  async *run(source: AudioReference, regions: AsyncIterable<SpeechRegion>): AsyncGenerator<Advance> {
    await using audio = await ChunkAudio.open(source.path)
    const limits = { start: source.start, end: source.end }
    const chunks = chunksOf(regions, limits, (from, to) => audio.quietest(from, to))
    const decoder = new ChunkDecoder(this.#model, audio, this.#options, this.#language)
    for await (const batch of batches(chunks, this.#options.batchSize)) {
      const drafts = await this.#decode(decoder, batch)
      this.#language = decoder.language
      this.#live.push(drafts)
      const segments = drafts.map((draft) => ({ id: this.#nextId++, ...draft }))
      yield { segments, seconds: endOf(batch.at(-1)), partial: this.#live.partial() }
    }
    yield { segments: [], seconds: source.end, partial: this.#live.partial() }
  }

  /** A batch, and what its chunks left over, until nothing is. In time order. */
  async #decode(decoder: ChunkDecoder, batch: readonly Chunk[]): Promise<Draft[]> {
    const found: Draft[] = []
    const left = [...batch]
    // It comes to an end: what is left over is shorter each time.
    for (let report = this.#reporter(batch); left.length > 0; report = () => undefined) {
      for (const decoded of await decoder.decode(left.splice(0, batch.length), report)) {
        const { segments, rest, isTooMuch } = this.#segments(decoded, decoder.language)
        found.push(...segments)
        if (rest !== null) left.push(rest)
        if (isTooMuch) left.push(...(await decoder.halves(decoded.chunk)))
      }
    }
    return found.sort((a, b) => a.start - b.start)
  }

  #segments(decoded: Decoded, language: string | null): ChunkSegments {
    if (decoded.verdict === 'silence' || decoded.verdict === 'repetition') {
      this.drops.add(decoded.verdict, recordingSeconds(decoded.chunk, 0), chunkSeconds(decoded.chunk))
      return { segments: [], rest: null, isTooMuch: false }
    }
    return chunkSegments(decoded, {
      textOf: this.#model.textOf,
      firstTimestamp: this.#model.tokens.firstTimestamp,
      language: this.#options.task === 'translate' ? 'en' : language,
      filterWidth: this.#model.config.median_filter_width,
    })
  }

  /** Progress inside a batch: each row is as far as its last timestamp says. */
  #reporter(chunks: readonly Chunk[]): (written: readonly (readonly number[])[]) => void {
    const { textOf, tokens } = this.#model
    let reported = 0
    return (written) => {
      const longest = Math.max(...written.map(({ length }) => length))
      if (longest < reported + TOKENS_A_REPORT) return
      reported = longest
      const reached = chunks.map((chunk, row) =>
        Math.min(chunkSeconds(chunk), lastSeconds(written[row] ?? [], tokens.firstTimestamp)),
      )
      const share = sum(reached) / Math.max(1e-9, sum(chunks.map(chunkSeconds)))
      const [start, end] = [startOf(chunks[0]), endOf(chunks.at(-1))]
      const first = chunks[0]
      const draft = first && {
        start,
        end: recordingSeconds(first, reached[0] ?? 0),
        text: textOf(written[0] ?? []).trim(),
      }
      this.#options.onAdvance({
        segments: [],
        // The rest is for the tries that may follow.
        seconds: start + (end - start) * share * 0.99,
        partial: this.#live.partial(draft),
      })
    }
  }
}

async function* batches(chunks: AsyncIterable<Chunk>, size: number): AsyncGenerator<Chunk[]> {
  let batch: Chunk[] = []
  for await (const chunk of chunks) {
    batch.push(chunk)
    if (batch.length < size) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

function lastSeconds(tokens: readonly number[], firstTimestamp: number): number {
  const last = tokens.findLast((token) => token >= firstTimestamp)
  return last === undefined ? 0 : (last - firstTimestamp) / STEPS_A_SECOND
}

function startOf(chunk: Chunk | undefined): number {
  return chunk === undefined ? 0 : recordingSeconds(chunk, 0)
}

function endOf(chunk: Chunk | undefined): number {
  return chunk === undefined ? 0 : recordingSeconds(chunk, chunkSeconds(chunk))
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
