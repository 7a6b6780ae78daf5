import { notNumbers } from '../onnx/not-numbers.ts'
import type { ChunkAudio } from './chunk-audio.ts'
import { CHUNK_SAMPLES, type Chunk, chunkSeconds, halved } from './chunks.ts'
import { type Hidden, rowsOf } from './encoder.ts'
import { type Generated, generate, heard } from './generate.ts'
import { likeliestLanguage } from './language.ts'
import type { WhisperModel } from './model-folder.ts'
import { type Prefix, prefixOf } from './prompt.ts'
import { compressionRatio, isSaidAgain, temperatures, type Verdict, verdict } from './quality.ts'
import { seededRandom } from './sampling.ts'

export interface DecodeOptions {
  readonly task: 'transcribe' | 'translate'
  readonly temperature: number | null
  readonly conditioning: readonly number[]
  readonly withAttention: boolean
  readonly signal: AbortSignal
}

/** What the decoder made of a chunk, at the temperature that was kept. */
export interface Decoded extends Generated {
  readonly chunk: Chunk
  /** How many positions of the prefix stand before the tokens in `attention`. */
  readonly prefixLength: number
  readonly temperature: number
  readonly compressionRatio: number
  readonly charactersPerSecond: number
  readonly verdict: Verdict
}

export type OnWritten = (written: readonly (readonly number[])[]) => void

/** Encoder positions a second: a step of a timestamp. */
export const STEPS_A_SECOND = 50

/** Chunks to tokens: sound, encoder, language, and tries at rising temperatures until the text can be believed. */
export class ChunkDecoder {
  readonly #model: WhisperModel
  readonly #audio: ChunkAudio
  readonly #options: DecodeOptions
  readonly #samples = new Float32Array(CHUNK_SAMPLES)
  /** The model's code; null until it is known, and for an English-only model. */
  language: string | null

  constructor(model: WhisperModel, audio: ChunkAudio, options: DecodeOptions, language: string | null) {
    this.#model = model
    this.#audio = audio
    this.#options = options
    this.language = language
  }

  /** In the order of the chunks. */
  async decode(chunks: readonly Chunk[], onWritten: OnWritten): Promise<Decoded[]> {
    const hidden = await this.#encode(chunks)
    if (this.language === null && this.#model.tokens.languages.size > 0)
      this.language = await this.#heard(hidden)
    const { task, conditioning } = this.#options
    const prefix = prefixOf(this.#model.tokens, { language: this.language, task, conditioning })
    const done: Decoded[] = []
    let greedy: readonly Decoded[] = []
    let tries = chunks.map((_, row) => row)
    for (const [round, temperature] of temperatures(this.#options.temperature).entries()) {
      const rows = round === 0 ? hidden : rowsOf(hidden, tries)
      const all = await this.#generate(
        chunks,
        tries,
        rows,
        prefix,
        temperature,
        round === 0 ? onWritten : undefined,
      )
      if (round === 0) greedy = all
      for (const [index, decoded] of all.entries()) done[tries[index] ?? 0] = decoded
      tries = tries.filter((row) => done[row]?.verdict === 'repetition' || done[row]?.verdict === 'unlikely')
      if (tries.length === 0) break
    }
    return done.map((last, row) => settled(last, greedy[row]))
  }

  /** A chunk that is too much for one look, as two. */
  halves(chunk: Chunk): Promise<Chunk[]> {
    return halved(chunk, (from, to) => this.#audio.quietest(from, to))
  }

  async #encode(chunks: readonly Chunk[]): Promise<Hidden> {
    const { encoder } = this.#model
    const hidden = encoder.hidden(chunks.length)
    for (const [row, chunk] of chunks.entries()) {
      await this.#audio.read(chunk, this.#samples)
      await heard(this.#options.signal)
      await encoder.encode(this.#samples, hidden, row)
    }
    return hidden
  }

  /** The language of the first batch: the likeliest token behind the start of its transcripts. */
  async #heard(hidden: Hidden): Promise<string> {
    const { decoder, tokens } = this.#model
    using run = await decoder.begin(hidden, [])
    const step = await run.first([tokens.startOfTranscript])
    const logits = Array.from({ length: hidden.rows }, (_, row) => step.logits(row, 0))
    const language = likeliestLanguage(logits, tokens.languages, tokens.noSpeech)
    if (language === null) throw notNumbers(decoder.file, 'logits')
    return language
  }

  async #generate(
    chunks: readonly Chunk[],
    rows: readonly number[],
    hidden: Hidden,
    prefix: Prefix,
    temperature: number,
    onStep: OnWritten | undefined,
  ): Promise<Decoded[]> {
    const { decoder, config, tokens, rules, heads, textOf } = this.#model
    const { signal, withAttention } = this.#options
    const positions = config.max_source_positions
    const chosen = rows.map((row) => chunks[row] ?? NO_CHUNK)
    const generated = await generate(decoder, {
      hidden,
      rows: chosen.map((chunk) => ({
        frames: Math.max(1, Math.min(positions, Math.ceil(chunkSeconds(chunk) * STEPS_A_SECOND))),
        lastTimestamp: Math.ceil(chunkSeconds(chunk) * STEPS_A_SECOND) + END_SLACK_STEPS,
        random: seededRandom(seedOf(chunk, temperature)),
      })),
      prefix,
      rules,
      temperature,
      tokenLimit: Math.min(
        config.max_target_positions >> 1,
        config.max_target_positions - prefix.tokens.length,
      ),
      noSpeech: tokens.noSpeech,
      heads: withAttention ? heads : [],
      signal,
      ...(onStep === undefined ? {} : { onStep }),
    })
    return generated.map((one, index) => {
      const text = textOf(one.tokens).trim()
      const ratio = compressionRatio(text)
      const decoding = { avgLogProb: one.avgLogProb, compressionRatio: ratio, noSpeechProb: one.noSpeechProb }
      return {
        ...one,
        chunk: chosen[index] ?? NO_CHUNK,
        prefixLength: prefix.tokens.length,
        temperature,
        compressionRatio: ratio,
        charactersPerSecond: text.length / spokenSeconds(one.tokens, tokens.firstTimestamp),
        verdict: verdict(decoding),
      }
    })
  }
}

/** From the first timestamp to the last, one step at least. */
function spokenSeconds(written: readonly number[], firstTimestamp: number): number {
  const marks = written.filter((token) => token >= firstTimestamp)
  return Math.max(1, (marks.at(-1) ?? 0) - (marks[0] ?? 0)) / STEPS_A_SECOND
}

/** What is kept when no temperature is left: of a text that is truly said again and again, the likeliest. */
function settled(last: Decoded, first: Decoded | undefined): Decoded {
  const isKept = last.verdict === 'repetition' && first?.verdict === 'repetition' && isSaidAgain(first)
  return isKept ? { ...first, verdict: 'good' } : last
}

/** A model marks an end a little late now and then; what is later than this is no sound of the chunk. */
const END_SLACK_STEPS = 10
const NO_CHUNK: Chunk = { parts: [], samples: 0 }

/** The same chunk at the same temperature is drawn the same, whatever else is in the batch. */
function seedOf(chunk: Chunk, temperature: number): number {
  return Math.imul((chunk.parts[0]?.from ?? 0) + 1, 0x9e3779b1) ^ Math.round(temperature * 1000)
}
