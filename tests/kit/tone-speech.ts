import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { graphBuilder } from '#engines/onnx/graph-builder.ts'
import { float32 } from '#engines/onnx/tensors.ts'
import { encodeModel } from '#engines/onnx/write-model.ts'

/**
 * A language of pure tones, and a CTC model with hand-made weights that transcribes it exactly: each character is a tone of
 * 90 ms in a slot of 150 ms. The model has the interface of the embedded one (`audio` in, `log_probs` out), so the whole
 * engine can be held to exact words and times. It proves the plumbing, not accuracy.
 */
export const RATE = 16_000
export const FRAME_SAMPLES = 480
export const SLOT_SECONDS = 0.15
const TONE_SECONDS = 0.09
/** Three frames: each output sees its own frame and its two neighbours, so windows need context. */
const KERNEL = 3 * FRAME_SAMPLES
const AMPLITUDE = 0.4
/** A tone at a third of its energy is as likely as blank. */
const SHARPNESS = 36
const BLANK_LOGIT = 12

export const TONE_TOKENS = ['<blank>', ' ', "'", ...'abcdefghijklmnopqrstuvwxyz']

export const TONE_CONFIG = {
  sample_rate: 16_000,
  language: 'en',
  frame_seconds: FRAME_SAMPLES / RATE,
  first_frame_center_seconds: FRAME_SAMPLES / 2 / RATE,
  context_seconds: FRAME_SAMPLES / RATE,
  tokens: TONE_TOKENS,
  blank_index: 0,
  word_delimiter: ' ',
  decoder: { beam_width: 20, language_model_weight: 0.5, word_bonus: 0, token_log_prob_floor: -8 },
}

/** What is said, as sound: text, or seconds of silence, or of noise. */
export type ToneScript = readonly (string | { readonly silence: number } | { readonly noise: number })[]

export function toneSpeech(script: ToneScript): Float32Array {
  return concat(
    script.map((part) => {
      if (typeof part === 'string') return spoken(part)
      if ('silence' in part) return new Float32Array(Math.round(part.silence * RATE))
      return noise(Math.round(part.noise * RATE))
    }),
  )
}

/** `model.onnx` and `config.json`, and what else is given, in a folder. */
export function writeToneModel(folder: string, files: Readonly<Record<string, string>> = {}): string {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'model.onnx'), toneModel())
  writeFileSync(join(folder, 'config.json'), JSON.stringify(TONE_CONFIG))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

let made: Uint8Array | null = null

/** Always the same, so it is made once. */
function toneModel(): Uint8Array {
  made ??= makeToneModel()
  return made
}

/** audio → correlation with each tone's cosine and sine → energy → logits → log_probs. */
function makeToneModel(): Uint8Array {
  const tones = TONE_TOKENS.length - 1
  const waves = new Float32Array(2 * tones * KERNEL)
  for (let tone = 0; tone < tones; tone++) {
    for (let at = 0; at < KERNEL; at++) {
      // A Hann window of full response 1 to a tone of the usual amplitude that fills it.
      const window = ((1 - Math.cos((2 * Math.PI * (at + 0.5)) / KERNEL)) * 2) / KERNEL / AMPLITUDE
      const angle = (2 * Math.PI * frequency(tone + 1) * at) / RATE
      waves[tone * KERNEL + at] = window * Math.cos(angle)
      waves[(tones + tone) * KERNEL + at] = window * Math.sin(angle)
    }
  }
  const mix = new Float32Array((tones + 1) * 2 * tones)
  for (let tone = 0; tone < tones; tone++) {
    mix[(tone + 1) * 2 * tones + tone] = SHARPNESS
    mix[(tone + 1) * 2 * tones + tones + tone] = SHARPNESS
  }
  const bias = new Float32Array(tones + 1)
  bias[0] = BLANK_LOGIT
  const graph = graphBuilder('tone-speech', { '': 16 })
  const audio = graph.input('audio', 'float32', ['batch', 'samples'])
  const channel = graph.node('Unsqueeze', [audio, graph.ints(1)])
  const parts = graph.node('Conv', [channel, graph.weight(float32('waves', [2 * tones, 1, KERNEL], waves))], {
    attributes: { strides: [FRAME_SAMPLES], pads: [FRAME_SAMPLES, FRAME_SAMPLES] },
  })
  const energies = graph.node('Mul', [parts, parts])
  const mixing = graph.weight(float32('mix', [tones + 1, 2 * tones, 1], mix))
  const logits = graph.node('Conv', [energies, mixing, graph.weight(float32('bias', [tones + 1], bias))])
  const byToken = graph.node('LogSoftmax', [logits], { attributes: { axis: 1 } })
  const byFrame = graph.node('Transpose', [byToken], { attributes: { perm: [0, 2, 1] }, as: 'log_probs' })
  graph.output('log_probs', byFrame, 'float32', ['batch', 'frames', tones + 1])
  return encodeModel(graph.model())
}

function spoken(text: string): Float32Array {
  return concat(
    Array.from(text, (character) => {
      const slot = new Float32Array(Math.round(SLOT_SECONDS * RATE))
      const hertz = frequency(TONE_TOKENS.indexOf(character))
      const end = Math.round(TONE_SECONDS * RATE)
      for (let at = 0; at < end; at++) slot[at] = AMPLITUDE * Math.sin((2 * Math.PI * hertz * at) / RATE)
      return slot
    }),
  )
}

/** 200 Hz apart, five times the width of the model's filters. */
function frequency(token: number): number {
  return 400 + 200 * token
}

/** White noise, the same at every call. */
function noise(length: number): Float32Array {
  let seed = 1
  return Float32Array.from({ length }, () => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fff_ffff
    return (seed / 0x4000_0000 - 1) * 0.05
  })
}

function concat(parts: readonly Float32Array[]): Float32Array {
  const joined = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}
