import { CHUNK_SAMPLES } from '#engines/whisper/chunks.ts'
import { type Generated, type GenerateRequest, generate } from '#engines/whisper/generate.ts'
import { applyRules, type LogitRules } from '#engines/whisper/logit-rules.ts'
import type { WhisperModel } from '#engines/whisper/model-folder.ts'
import { prefixOf } from '#engines/whisper/prompt.ts'
import { splitSegments, trailingSegment } from '#engines/whisper/segments.ts'
import { tokenFrames } from '#engines/whisper/time-warping.ts'
import { asFloats, asType } from '#engines/whisper/values.ts'
import { timedWords } from '#engines/whisper/word-times.ts'
import type { WhisperVocabulary } from '#tests/kit/whisper-vocabulary.ts'
import type { Peer } from './peer.ts'

/** One random model and one random sound, through both libraries. */
export interface Case {
  readonly name: string
  readonly folder: string
  readonly audio: string
  readonly samples: Float32Array
  readonly seconds: number
  readonly vocabulary: WhisperVocabulary
  readonly tokenLimit: number
  /** The peer takes our features: what is rounded to few bits makes steps of any difference. */
  readonly hearsOurs: boolean
  /**
   * Inside it counts in half floats. Where the decoder writes by itself the runtime leaves out the rounding of what it gives,
   * and the peer's is rounded.
   */
  readonly isHalf: boolean
}

export interface Difference {
  readonly where: string
  readonly what: string
  /** Between the best two logits where they went apart. */
  readonly gap: number
  readonly isExplained: boolean
}

export interface Comparison {
  readonly tokens: number
  readonly times: number
  readonly words: number
  readonly differences: readonly Difference[]
}

interface PeerResult {
  readonly tokens: readonly number[]
  readonly times: readonly number[]
  readonly words:
    | readonly { readonly text: string; readonly start: number; readonly end: number | null }[]
    | null
}

const CLOSE = 1e-3

/** The largest difference between both libraries' features. */
export async function melDifference(model: WhisperModel, peer: Peer, one: Case): Promise<number> {
  const theirs = await peer.call<{ data: Float32Array }>('features', { audio: one.audio })
  const ours = await model.encoder.features(padded(one.samples))
  if (ours.length !== theirs.data.length) return Number.POSITIVE_INFINITY
  return ours.reduce((most, value, index) => Math.max(most, Math.abs(value - (theirs.data[index] ?? 0))), 0)
}

/** `peer`: rules that the peer has; `reference`: all, which the peer is given. */
export async function compareCase(
  model: WhisperModel,
  peer: Peer,
  one: Case,
  kind: 'peer' | 'reference',
): Promise<Comparison> {
  const rules: LogitRules =
    kind === 'peer' ? { ...model.rules, firstTimestampLimit: null, isMonotonic: false } : model.rules
  const frames = Math.min(1500, Math.ceil(one.seconds * 50))
  const request = await requestFor(model, one, rules, frames)
  const [ours] = await generate(model.decoder, request)
  const { firstTimestamp } = model.tokens
  const theirs = await peer.call<PeerResult>('generate', {
    audio: one.audio,
    features: one.hearsOurs ? await model.encoder.features(padded(one.samples)) : null,
    tokenLimit: one.tokenLimit,
    frames,
    rules:
      kind === 'peer'
        ? null
        : {
            firstTimestamp,
            firstLimit: rules.firstTimestampLimit,
            prefixLength: request.prefix.tokens.length,
          },
    // Words of timestamps that go back are put together in the peer's own way.
    words: kind === 'reference',
  })
  if (ours === undefined) throw new Error('a batch of one gives one')
  const where = `${one.name} ${kind}`
  const written = ours.isCut ? ours.tokens : [...ours.tokens, model.tokens.endOfText]
  const apart = firstDifference(written, theirs.tokens)
  const found = { tokens: written.length, times: 0, words: 0 }
  if (apart !== -1) {
    const [best, second] = await bestAt(model, request, rules, written.slice(0, apart))
    const gap = best - second
    const isExplained = gap <= CLOSE || (one.isHalf && rounded([best])[0] === rounded([second])[0])
    const what = `token ${apart} is ${written[apart]}, theirs ${theirs.tokens[apart]}`
    return { ...found, differences: [{ where, what, gap, isExplained }] }
  }
  const times = peerTimes(ours, request.prefix.tokens.length, one.isHalf)
  const differences: Difference[] = []
  const wrongTime = times.findIndex((time, index) => Math.abs(time - (theirs.times[index] ?? -1)) > 1e-6)
  if (wrongTime !== -1)
    differences.push(
      unexplained(where, `token ${wrongTime} is at ${times[wrongTime]}, theirs ${theirs.times[wrongTime]}`),
    )
  const words = theirs.words === null ? [] : wordsOf(model, ours, times)
  // Where the limit cut the last word off, the peer knows no end for it.
  const isOpen = theirs.words?.at(-1)?.end === null
  const shown = words.map((word, index) =>
    show(isOpen && index === words.length - 1 ? { ...word, end: null } : word),
  )
  // A word of nothing but white space is none.
  const theirWords = (theirs.words ?? []).filter(({ text }) => text.trim() !== '')
  const wrongWord = firstDifference(shown, theirWords.map(show))
  if (wrongWord !== -1) {
    const their = theirWords[wrongWord]
    const what = `word ${wrongWord} is ${JSON.stringify(words[wrongWord])}, theirs ${JSON.stringify(their)}`
    differences.push(unexplained(where, what))
  }
  return { ...found, times: times.length, words: words.length, differences }
}

async function requestFor(
  model: WhisperModel,
  one: Case,
  rules: LogitRules,
  frames: number,
): Promise<GenerateRequest> {
  const hidden = model.encoder.hidden(1)
  await model.encoder.encode(padded(one.samples), hidden, 0)
  const language = model.tokens.languages.size === 0 ? null : 'en'
  return {
    hidden,
    rows: [{ lastTimestamp: 1500, frames, random: () => 0 }],
    prefix: prefixOf(model.tokens, { language, task: 'transcribe', conditioning: [] }),
    rules,
    temperature: 0,
    tokenLimit: one.tokenLimit,
    noSpeech: model.tokens.noSpeech,
    heads: model.heads,
    signal: new AbortController().signal,
  }
}

/**
 * The peer gives a token the time of the row that read it; the engine, as the reference, that of the row that wrote it. Its
 * last token has no row, and takes the time before.
 */
function peerTimes(ours: Generated, prefixLength: number, isHalf: boolean): number[] {
  if (ours.attention === null) return []
  const { weights } = ours.attention
  const attention = isHalf ? { ...ours.attention, weights: rounded(weights) } : ours.attention
  const frames = Array.from(tokenFrames(attention, prefixLength, 7))
  return [...frames, frames.at(-1) ?? 0].map((frame) => Math.round(frame * 0.02 * 100) / 100)
}

function wordsOf(model: WhisperModel, ours: Generated, times: readonly number[]) {
  const { tokens, logProbs } = ours
  const { firstTimestamp } = model.tokens
  const { segments, restFrom } = splitSegments(tokens, firstTimestamp, 1500)
  const trailing = restFrom === null ? null : trailingSegment(tokens, firstTimestamp, 1500)
  return [...segments, ...(trailing === null ? [] : [trailing])].flatMap(({ firstToken, endToken, to }) =>
    timedWords(
      {
        tokens: tokens.slice(firstToken, endToken),
        logProbs: logProbs.slice(firstToken, endToken),
        frames: times.slice(firstToken, endToken + 1).map((time) => Math.round(time * 50)),
        endSeconds: to / 50,
      },
      model.textOf,
      'en',
    ).map(({ text, start, end }) => ({ text, start, end })),
  )
}

/** The best two logits behind these tokens, as they come step by step. */
async function bestAt(
  model: WhisperModel,
  request: GenerateRequest,
  rules: LogitRules,
  written: readonly number[],
): Promise<readonly [best: number, second: number]> {
  using run = await model.decoder.begin(request.hidden, [])
  let step = await run.first(request.prefix.tokens)
  for (const token of written) step = await run.next([token])
  const last = step.logits(0, step.positions - 1)
  applyRules(last, written, rules, 1500)
  const [best = 0, second = 0] = last.toSorted().reverse()
  return [best, second]
}

/** To half floats and back. */
function rounded(numbers: ArrayLike<number>): Float32Array {
  return asFloats(asType(Float32Array.from(numbers), 'float16'))
}

function padded(samples: Float32Array): Float32Array {
  const all = new Float32Array(CHUNK_SAMPLES)
  all.set(samples.subarray(0, CHUNK_SAMPLES))
  return all
}

function firstDifference(left: readonly unknown[], right: readonly unknown[]): number {
  for (let index = 0; index < Math.max(left.length, right.length); index++)
    if (left[index] !== right[index]) return index
  return -1
}

function show(word: { readonly text: string; readonly start: number; readonly end: number | null }): string {
  return `${word.text} ${word.start} ${word.end}`
}

function unexplained(where: string, what: string): Difference {
  return { where, what, gap: Number.NaN, isExplained: false }
}
