import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { OnnxModel } from '#engines/onnx/graph.ts'
import { type GraphBuilder, graphBuilder, type Value } from '#engines/onnx/graph-builder.ts'
import { float32 } from '#engines/onnx/tensors.ts'
import { encodeModel } from '#engines/onnx/write-model.ts'
import type { DecoderKind } from '#engines/parakeet/model-config.ts'
import { configOf, encodedLengths } from './parakeet-models.ts'
import { decoderJoint, type TransducerShape, type TransducerWeights } from './parakeet-networks.ts'
import { seeded } from './seeded.ts'

/**
 * A language of pure tones over a hiss, and FastConformer exports with hand-made weights that transcribe it: through the real
 * features, normalisation and search. A character is a tone of 240 ms in a slot of 320 ms, four frames of the encoder; a
 * space is a tone as well. It proves the plumbing, not accuracy.
 */
export const FRAME_SECONDS = 0.08
export const SLOT_SECONDS = 0.32
const RATE = 16_000
const TONE_SECONDS = 0.24
const RAMP_SECONDS = 0.01
const AMPLITUDE = 0.4
/** Louder than what a tone leaks into its neighbours' bands, so that a band that is never used hears only hiss. */
const HISS = 0.03
const BANDS = 128
const CHARACTERS = [' ', ...'abcdefghijklmnopqrstuvwxyz', '.', ',']
/** Tones lie in the middle of mel bands, and far enough from each other that a window's side lobes vanish in the hiss. */
const LEAST_DISTANCE_HERTZ = 200
const LOWEST_HERTZ = 500

/** Without and with the sign of a word's start. A space is its own token; a letter at a start carries the sign. */
const LETTERS = CHARACTERS.slice(1)
export const TONE_TOKENS = ['▁', ...LETTERS, ...LETTERS.map((letter) => `▁${letter}`), '<blk>']
const BLANK = TONE_TOKENS.length - 1

/** What is said, as sound: text, or seconds of silence. */
export type ToneScript = readonly (string | { readonly silence: number })[]

export function toneSpeech(script: ToneScript): Float32Array {
  const parts = script.map((part) =>
    typeof part === 'string' ? spoken(part) : new Float32Array(Math.round(part.silence * RATE)),
  )
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  const random = seeded(1)
  return all.map((sample) => sample + (random() * 2 - 1) * HISS)
}

/** All files of a model of the tone language. */
export function writeToneModel(folder: string, kind: DecoderKind, config: object = {}): string {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'config.json'), configOf(kind, BANDS, { languages: ['en'], ...config }))
  writeFileSync(join(folder, 'vocab.txt'), TONE_TOKENS.map((token, id) => `${token} ${id}\n`).join(''))
  const write = (name: string, model: OnnxModel) => writeFileSync(join(folder, name), encodeModel(model))
  if (kind === 'ctc') {
    write('model.onnx', toneCtc())
    return folder
  }
  write('encoder-model.onnx', toneEncoder())
  const shape = toneShape(kind)
  write('decoder_joint-model.onnx', decoderJoint(shape, toneWeights(shape)))
  return folder
}

/** Evidence for each character from the encoder; what the joint network adds is which token that is. */
const THRESHOLD = 0.83
const SHARPNESS = 10
/** Beyond what any evidence can bring: switches a unit of the joint network off. */
const OFF = 20

function toneShape(kind: DecoderKind): TransducerShape {
  return {
    tokens: TONE_TOKENS.length,
    durations: kind === 'tdt' ? 5 : 0,
    encoderSize: CHARACTERS.length,
    hidden: TONE_TOKENS.length,
    layers: 1,
    joint: TONE_TOKENS.length - 1,
  }
}

/**
 * The prediction network knows the last token: its cell is set by it (no memory, gates open), one unit a token. A unit of
 * the joint network stands for a token: on where its character sounds, and for letters, where the last token is a start or is
 * none. Without durations (RNN-T) a token switches its character off, or it would be written again and again.
 */
function toneWeights(shape: TransducerShape): TransducerWeights {
  const { tokens, hidden, joint, durations } = shape
  const embedding = new Float32Array(tokens * hidden)
  for (let token = 0; token < tokens; token++) embedding[token * hidden + token] = 1
  const input = new Float32Array(4 * hidden * hidden)
  for (let unit = 0; unit < hidden; unit++) input[(3 * hidden + unit) * hidden + unit] = 10
  const bias = new Float32Array(8 * hidden)
  // Input and output gates open, forget gate shut.
  bias.fill(20, 0, 2 * hidden)
  bias.fill(-20, 2 * hidden, 3 * hidden)
  const fromEncoder = new Float32Array(CHARACTERS.length * joint)
  const fromPrediction = new Float32Array(hidden * joint)
  const jointBias = new Float32Array(joint)
  const output = new Float32Array(joint * (tokens + durations))
  const isStart = (token: number) => token === BLANK || token === 0
  /** tanh(tanh(10)): what the unit of the last token says. */
  const said = Math.tanh(Math.tanh(10))
  for (let unit = 0; unit < joint; unit++) {
    fromEncoder[characterOf(unit) * joint + unit] = SHARPNESS
    jointBias[unit] = -SHARPNESS * THRESHOLD
    for (let last = 0; last < hidden; last++) {
      const isLetter = unit > 0
      const atStart = unit > LETTERS.length
      const isPunctuation = isLetter && /[.,]/.test(TONE_TOKENS[unit] ?? '')
      const wrongPlace = isPunctuation ? atStart : isLetter && atStart !== isStart(last)
      const again = durations === 0 && last !== BLANK && characterOf(last) === characterOf(unit)
      if (wrongPlace || again) fromPrediction[last * joint + unit] = -OFF / said
    }
    output[unit * (tokens + durations) + unit] = 50
    if (durations > 0) output[unit * (tokens + durations) + tokens + 4] = 50
  }
  const outputBias = new Float32Array(tokens + durations)
  outputBias[BLANK] = 5
  if (durations > 0) outputBias[tokens + 1] = 5
  return {
    embedding,
    layers: [{ input, recurrent: new Float32Array(4 * hidden * hidden), bias }],
    fromEncoder,
    fromPrediction,
    jointBias,
    output,
    outputBias,
  }
}

function characterOf(token: number): number {
  return token > LETTERS.length ? token - LETTERS.length : token
}

function toneEncoder(): OnnxModel {
  const graph = graphBuilder('tone-encoder')
  const { evidence, lengths } = characterEvidence(graph)
  graph.output('outputs', evidence, 'float32', ['batch', CHARACTERS.length, 'frames'])
  graph.output('encoded_lengths', lengths, 'int64', ['batch'])
  return graph.model()
}

/** Spaces are the token ▁, letters are without the sign: it needs no prediction network. */
function toneCtc(): OnnxModel {
  const graph = graphBuilder('tone-ctc')
  const { evidence } = characterEvidence(graph)
  const mix = new Float32Array(CHARACTERS.length * TONE_TOKENS.length)
  for (let token = 0; token <= LETTERS.length; token++) mix[token * TONE_TOKENS.length + token] = 500
  const bias = new Float32Array(TONE_TOKENS.length).fill(-500 * THRESHOLD)
  bias[BLANK] = 5
  const rows = graph.node('Transpose', [evidence], { attributes: { perm: [0, 2, 1] } })
  const mixed = graph.node('MatMul', [
    rows,
    graph.weight(float32('mix', [CHARACTERS.length, TONE_TOKENS.length], mix)),
  ])
  const logits = graph.node('Add', [mixed, graph.weight(float32('bias', [TONE_TOKENS.length], bias))])
  const logProbs = graph.node('LogSoftmax', [logits], { attributes: { axis: -1 } })
  graph.output('logprobs', logProbs, 'float32', ['batch', 'frames', TONE_TOKENS.length])
  return graph.model()
}

/**
 * [batch][character][frame], 0 to 1: the share of the 240 ms from a frame on in which the character's band is loud. The
 * normalised features say how loud a band is against itself: hiss lies around 0, a tone's moments far above.
 */
function characterEvidence(graph: GraphBuilder): { evidence: Value; lengths: Value } {
  const audio = graph.input('audio_signal', 'float32', ['batch', BANDS, 'time'])
  const length = graph.input('length', 'int64', ['batch'])
  const bands = graph.node('Gather', [audio, graph.ints(...tones().map(({ band }) => band))], {
    attributes: { axis: 1 },
  })
  const above = graph.node('Mul', [graph.node('Sub', [bands, graph.float(0.6)]), graph.float(2.5)])
  const loud = graph.node('Clip', [above, graph.float(0), graph.float(1)])
  const count = CHARACTERS.length
  const taps = TONE_SECONDS * 100
  const kernel = new Float32Array(count * taps).fill(1 / taps)
  const evidence = graph.node('Conv', [loud, graph.weight(float32('mean', [count, 1, taps], kernel))], {
    attributes: { group: count, strides: [8], pads: [0, taps - 1] },
  })
  return { evidence, lengths: encodedLengths(graph, length) }
}

interface Tone {
  readonly band: number
  readonly hertz: number
}

let found: readonly Tone[] | null = null

/** One for each character, from low to high. */
function tones(): readonly Tone[] {
  found ??= bandsApart()
  return found
}

function bandsApart(): Tone[] {
  const apart: Tone[] = []
  for (let band = 0; band < BANDS && apart.length < CHARACTERS.length; band++) {
    const hertz = middleOf(band)
    const last = apart.at(-1)
    const isApart =
      last === undefined || (hertz - last.hertz >= LEAST_DISTANCE_HERTZ && band - last.band >= 2)
    if (hertz >= LOWEST_HERTZ && isApart) apart.push({ band, hertz })
  }
  if (apart.length < CHARACTERS.length) throw new Error(`There is room for ${apart.length} tones only`)
  return apart
}

/** Slaney's mel scale: linear below 1 kHz, 27 steps for each factor of 6.4 above. */
function middleOf(band: number): number {
  const linear = 200 / 3
  const step = Math.log(6.4) / 27
  const highest = 15 + Math.log(8) / step
  const mel = ((band + 1) * highest) / (BANDS + 1)
  return mel < 15 ? mel * linear : 1000 * Math.exp((mel - 15) * step)
}

function spoken(text: string): Float32Array {
  const slot = Math.round(SLOT_SECONDS * RATE)
  const sound = new Float32Array(text.length * slot)
  const length = Math.round(TONE_SECONDS * RATE)
  const ramp = RAMP_SECONDS * RATE
  for (const [index, character] of Array.from(text).entries()) {
    const hertz = tones()[CHARACTERS.indexOf(character)]?.hertz
    if (hertz === undefined) throw new Error(`The tone language has no ${character}`)
    for (let at = 0; at < length; at++) {
      const edge = Math.min(1, (at + 0.5) / ramp, (length - at - 0.5) / ramp)
      sound[index * slot + at] =
        AMPLITUDE * (0.5 - 0.5 * Math.cos(Math.PI * edge)) * Math.sin((2 * Math.PI * hertz * at) / RATE)
    }
  }
  return sound
}
