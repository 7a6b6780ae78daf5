import { setImmediate } from 'node:timers/promises'
import { notNumbers } from '../onnx/not-numbers.ts'
import { AttentionLog } from './attention-log.ts'
import type { Decoder } from './decoder.ts'
import type { DecoderRun } from './decoder-run.ts'
import type { Hidden } from './encoder.ts'
import { applyRules, type LogitRules } from './logit-rules.ts'
import { loopRules, type RowState, rowState } from './loop-inputs.ts'
import type { Prefix } from './prompt.ts'
import { type Choice, likeliest, probability, sampled } from './sampling.ts'
import type { Head, StepAttention } from './step-attention.ts'
import type { Step, Stretch } from './steps.ts'
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
  /** After each run; the lists grow. */
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

/** A cancel is heard between two stretches, and a text shown. */
const STRETCH_MS = 300
const [FIRST_STEPS, MOST_STEPS] = [2, 64]

/**
 * Decodes a batch, greedily or by chance. All rows share the prefix; each ends at its end token and leaves the batch. A
 * decoder that writes by itself is left to it for a moment at a time, where chance has no part; else it is asked token by
 * token. The signal is looked at between two runs.
 */
export async function generate(
  decoder: Decoder,
  request: GenerateRequest,
  way: 'as it can' | 'step by step' = 'as it can',
): Promise<Generated[]> {
  const { prefix, signal, onStep } = request
  using run = await decoder.begin(request.hidden, request.heads)
  const texts = request.rows.map((row) => new RowText(row, request, decoder.file))
  const active = [...texts]
  const settle = (write: Write) => {
    for (let row = active.length - 1; row >= 0; row--) {
      const text = active[row]
      if (text !== undefined && !write(text, row)) dropRow(run, active, row)
    }
    onStep?.(texts.map(({ tokens }) => tokens))
  }
  await heard(signal)
  const first = await run.first(prefix.tokens)
  settle((text, row) => {
    text.listen(first, row, prefix)
    return text.write(first, row)
  })
  const writesAlone = decoder.writesAlone && request.temperature === 0 && way === 'as it can'
  const advance = writesAlone ? stretches(run, active, request) : steps(run, active)
  while (active.length > 0) {
    await heard(signal)
    settle(await advance())
  }
  return texts.map((text) => text.result())
}

/** Adds to a row what a run gave it; false where the row is over. */
type Write = (text: RowText, row: number) => boolean

/** A token at a time. */
function steps(run: DecoderRun, active: readonly RowText[]): () => Promise<Write> {
  return async () => {
    const step = await run.next(active.map(({ last }) => last))
    return (text, row) => {
      text.attend(step.attention, row, 0)
      return text.write(step, row)
    }
  }
}

/** What the decoder writes by itself in a moment; how many steps that are, the one before tells. */
function stretches(
  run: DecoderRun,
  active: readonly RowText[],
  request: GenerateRequest,
): () => Promise<Write> {
  const rules = loopRules(request.rules)
  let most = FIRST_STEPS
  return async () => {
    const start = performance.now()
    const room = request.tokenLimit - (active[0]?.tokens.length ?? 0)
    const rows = active.map((text) => text.state())
    const stretch = await run.write({ steps: Math.min(most, room), rules, rows })
    most = pace(stretch.steps, performance.now() - start)
    return (text, row) => text.take(stretch, row)
  }
}

/** Throws where there was a cancel. A network holds the thread while it runs: what came meanwhile is read first. */
export async function heard(signal: AbortSignal): Promise<void> {
  await setImmediate()
  signal.throwIfAborted()
}

/** How many steps take as long as a stretch should, after so many took so long. */
function pace(steps: number, ms: number): number {
  return Math.max(1, Math.min(MOST_STEPS, Math.round((steps * STRETCH_MS) / ms)))
}

function dropRow(run: DecoderRun, active: RowText[], row: number): void {
  run.drop(row)
  const last = active.pop()
  if (last !== undefined && row < active.length) active[row] = last
}

/** What one row has written. */
class RowText {
  readonly tokens: number[] = []
  readonly #file: string
  readonly #request: GenerateRequest
  readonly #row: RowRequest
  readonly #logProbs: number[] = []
  readonly #attention: AttentionLog | null
  readonly #choice: Choice = { token: 0, logProb: 0 }
  #endLogProb = 0
  #isCut = false
  #noSpeechProb: number | null = null

  constructor(row: RowRequest, request: GenerateRequest, file: string) {
    this.#file = file
    this.#row = row
    this.#request = request
    this.#attention = request.heads.length === 0 ? null : new AttentionLog(request.heads.length, row.frames)
  }

  get last(): number {
    return this.tokens.at(-1) ?? 0
  }

  state(): RowState {
    return rowState(this.tokens, this.#request.rules.tokens.firstTimestamp, this.#row.lastTimestamp)
  }

  /** The first run: whether anybody speaks is told where the transcript starts. */
  listen(step: Step, row: number, prefix: Prefix): void {
    const { noSpeech } = this.#request
    if (noSpeech !== null) this.#noSpeechProb = probability(step.logits(row, prefix.startIndex), noSpeech)
    for (let position = 0; position < step.positions; position++) this.attend(step.attention, row, position)
  }

  attend(attention: StepAttention, row: number, position: number): void {
    this.#attention?.add(attention, row, position)
  }

  /** Adds the next token; false where the row is over. */
  write(step: Step, row: number): boolean {
    const { rules, temperature } = this.#request
    const logits = step.logits(row, step.positions - 1)
    applyRules(logits, this.tokens, rules, this.#row.lastTimestamp)
    if (temperature === 0) likeliest(logits, this.#choice)
    else sampled(logits, temperature, this.#row.random(), this.#choice)
    return this.#add(this.#choice.token, this.#choice.logProb)
  }

  /** Adds what the decoder wrote; false where the row is over. */
  take(stretch: Stretch, row: number): boolean {
    for (let step = 0; step < stretch.steps; step++) {
      this.attend(stretch.attention, row, step)
      if (!this.#add(stretch.token(row, step), stretch.logProb(row, step))) return false
    }
    return true
  }

  #add(token: number, logProb: number): boolean {
    const { rules, tokenLimit } = this.#request
    if (Number.isNaN(logProb)) throw notNumbers(this.#file, 'logits')
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
