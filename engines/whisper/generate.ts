import { AttentionLog, type Head } from './attention-log.ts'
import type { Decoder } from './decoder.ts'
import type { DecoderRun, Step } from './decoder-run.ts'
import type { Hidden } from './encoder.ts'
import { applyRules, type LogitRules } from './logit-rules.ts'
import type { Prefix } from './prompt.ts'
import { type Choice, likeliest, probability, sampled } from './sampling.ts'
import type { AttentionRows } from './time-warping.ts'

export interface GenerateRequest {
  readonly hidden: Hidden
  readonly rows: readonly RowRequest[]
  readonly prefix: Prefix
  readonly rules: LogitRules
  readonly temperature: number
  /** At most so many tokens a row. */
  readonly tokenLimit: number
  readonly noSpeech: number | null
  /** Whose cross-attention is kept; empty where nobody asks for times. */
  readonly heads: readonly Head[]
  readonly signal: AbortSignal
  /** After each step; the lists grow. */
  readonly onStep?: (written: readonly (readonly number[])[]) => void
}

export interface RowRequest {
  /** Steps of 0.02 s behind which the chunk has no sound. */
  readonly lastTimestamp: number
  /** Encoder positions that hold its sound. */
  readonly frames: number
  /** A number from 0 to 1 for each token that is drawn. */
  readonly random: () => number
}

export interface Generated {
  /** Without the end token. */
  readonly tokens: readonly number[]
  /** Natural logs, one a token. */
  readonly logProbs: readonly number[]
  /** Over the tokens and the end token, as the reference counts it. */
  readonly avgLogProb: number
  readonly noSpeechProb: number | null
  /** It came to the limit before its end. */
  readonly isCut: boolean
  readonly attention: AttentionRows | null
}

/**
 * Decodes a batch token by token, greedily or by chance. All rows share the prefix; each ends at its end token and leaves the
 * batch. The signal is looked at between two steps.
 */
export async function generate(decoder: Decoder, request: GenerateRequest): Promise<Generated[]> {
  const { prefix, signal } = request
  const layers = [...new Set(request.heads.map(([layer]) => layer))]
  using run = await decoder.begin(request.hidden, layers)
  const texts = request.rows.map((row) => new RowText(row, request))
  const active = [...texts]
  signal.throwIfAborted()
  let step = await run.first(prefix.tokens)
  for (const [row, text] of active.entries()) text.listen(step, row, prefix)
  for (;;) {
    for (let row = active.length - 1; row >= 0; row--)
      if (active[row]?.write(step, row) === false) dropRow(run, active, row)
    request.onStep?.(texts.map((text) => text.tokens))
    if (active.length === 0) return texts.map((text) => text.result())
    signal.throwIfAborted()
    step = await run.next(active.map((text) => text.last))
    for (const [row, text] of active.entries()) text.attend(step, row)
  }
}

function dropRow(run: DecoderRun, active: RowText[], row: number): void {
  run.drop(row)
  const last = active.pop()
  if (last !== undefined && row < active.length) active[row] = last
}

/** What one row has written. */
class RowText {
  readonly tokens: number[] = []
  readonly #request: GenerateRequest
  readonly #row: RowRequest
  readonly #logProbs: number[] = []
  readonly #attention: AttentionLog | null
  readonly #choice: Choice = { token: 0, logProb: 0 }
  #endLogProb = 0
  #isCut = false
  #noSpeechProb: number | null = null

  constructor(row: RowRequest, request: GenerateRequest) {
    this.#row = row
    this.#request = request
    this.#attention = request.heads.length === 0 ? null : new AttentionLog(request.heads, row.frames)
  }

  get last(): number {
    return this.tokens.at(-1) ?? 0
  }

  /** The first run: whether anybody speaks is told where the transcript starts. */
  listen(step: Step, row: number, prefix: Prefix): void {
    const { noSpeech } = this.#request
    if (noSpeech !== null) this.#noSpeechProb = probability(logitsOf(step, row, prefix.startIndex), noSpeech)
    this.attend(step, row)
  }

  attend(step: Step, row: number): void {
    this.#attention?.add(step, row)
  }

  /** Adds the next token; false where the row is over. */
  write(step: Step, row: number): boolean {
    const { rules, temperature, tokenLimit } = this.#request
    const logits = logitsOf(step, row, step.positions - 1)
    applyRules(logits, this.tokens, rules, this.#row.lastTimestamp)
    if (temperature === 0) likeliest(logits, this.#choice)
    else sampled(logits, temperature, this.#row.random(), this.#choice)
    const { token, logProb } = this.#choice
    if (token === rules.tokens.endOfText) {
      this.#endLogProb = logProb
      return false
    }
    this.tokens.push(token)
    this.#logProbs.push(logProb)
    this.#isCut = this.tokens.length >= tokenLimit
    return !this.#isCut
  }

  result(): Generated {
    const sum = this.#logProbs.reduce((total, logProb) => total + logProb, this.#endLogProb)
    return {
      tokens: this.tokens,
      logProbs: this.#logProbs,
      avgLogProb: sum / (this.tokens.length + 1),
      noSpeechProb: this.#noSpeechProb,
      isCut: this.#isCut,
      attention: this.#attention?.rows() ?? null,
    }
  }
}

function logitsOf(step: Step, row: number, position: number): Float32Array {
  const from = (row * step.positions + position) * step.vocabularySize
  return step.logits.subarray(from, from + step.vocabularySize)
}
