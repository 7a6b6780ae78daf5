import { melFilters } from '#engines/onnx/mel-filters.ts'
import { encodeModel } from '#engines/onnx/write-model.ts'
import { writeWhisperFolder } from './whisper-models.ts'
import { toneDecoder, toneEncoder } from './whisper-tone-network.ts'
import { type WhisperVocabulary, whisperVocabulary } from './whisper-vocabulary.ts'

/**
 * The language of tones for Whisper: each token is a tone on the middle of a mel bin, 80 ms in a slot of 100 ms. A token is a
 * letter, or a letter with a space before it; capitals are what a translation is written in. The model's weights are made by
 * hand: it transcribes this language exactly, through the true interface of an encoder and a merged decoder. It proves the
 * plumbing, not accuracy.
 */
export const TONE_SLOT_SECONDS = 0.1
const TONE_SECONDS = 0.08
const AMPLITUDE = 0.4
const RATE = 16_000
const MEL_BINS = 80

export const TONE_LETTERS = 'acdehilmnorstuwy'
/** Letters, then letters behind a space. */
const TONES = [...TONE_LETTERS, ...Array.from(TONE_LETTERS, (letter) => `Ġ${letter}`)]
/** A sound that the model falls into a loop over, and one that it makes little of. */
const STUTTER = TONES.length
const MUMBLE = TONES.length + 1
/** Every second bin from the 15th on: far enough apart, and none above 6 kHz. */
const FIRST_BIN = 13

/** What is said: text, or seconds of something else. */
export type WhisperScript = readonly (
  | string
  | { readonly silence: number }
  | { readonly noise: number }
  | { readonly stutter: number }
  | { readonly mumble: number }
)[]

export function whisperTones(script: WhisperScript): Float32Array {
  const parts = script.map((part) => {
    if (typeof part === 'string') return spoken(part)
    if ('silence' in part) return new Float32Array(Math.round(part.silence * RATE))
    if ('noise' in part) return noise(Math.round(part.noise * RATE))
    const [tone, seconds] = 'stutter' in part ? [STUTTER, part.stutter] : [MUMBLE, part.mumble]
    return joined(Array.from({ length: Math.round(seconds / TONE_SLOT_SECONDS) }, () => slot(tone)))
  })
  return joined(parts)
}

export interface ToneModelOptions {
  readonly crossAttentions?: boolean
  /** Half floats on the outside of both files. */
  readonly isHalf?: boolean
  readonly languages?: readonly string[]
}

export function writeWhisperToneModel(folder: string, options: ToneModelOptions = {}): WhisperVocabulary {
  const { crossAttentions = true, isHalf = false, languages = ['en', 'de', 'fr'] } = options
  const capitals = Array.from(TONE_LETTERS.toUpperCase())
  const vocabulary = whisperVocabulary({
    merges: [...TONE_LETTERS, ...capitals].map((letter) => ['Ġ', letter] as const),
    languages,
  })
  const plan = {
    vocabulary,
    bins: [...TONES, 'stutter', 'mumble'].map((_, tone) => FIRST_BIN + 2 * tone),
    tones: TONES,
    translated: TONES.map((token) => token.toUpperCase().replace('Ġ'.toUpperCase(), 'Ġ')),
    stutter: STUTTER,
    mumble: MUMBLE,
    crossAttentions,
    isHalf,
  }
  const ending = isHalf ? '_fp16' : ''
  writeWhisperFolder(folder, {
    vocabulary,
    config: TONE_CONFIG,
    melBins: MEL_BINS,
    alignmentHeads: [[0, 0]],
    encoder: encodeModel(toneEncoder(plan)),
    decoder: encodeModel(toneDecoder(plan)),
    ending,
  })
  return vocabulary
}

const TONE_CONFIG = {
  model_type: 'whisper',
  d_model: 48,
  encoder_layers: 1,
  decoder_layers: 1,
  decoder_attention_heads: 1,
  encoder_attention_heads: 1,
  num_mel_bins: MEL_BINS,
  max_source_positions: 1500,
  max_target_positions: 448,
  median_filter_width: 7,
}

function spoken(text: string): Float32Array {
  const tokens = Array.from(` ${text}`.matchAll(/ ?\S/g), ([token]) => TONES.indexOf(token.replace(' ', 'Ġ')))
  return joined(tokens.map(slot))
}

function slot(tone: number): Float32Array {
  if (tone < 0) throw new Error(`the language of tones has only ${TONE_LETTERS}`)
  const samples = new Float32Array(Math.round(TONE_SLOT_SECONDS * RATE))
  const hertz = HERTZ[FIRST_BIN + 2 * tone] ?? 0
  for (let at = 0; at < TONE_SECONDS * RATE; at++)
    samples[at] = AMPLITUDE * Math.sin((2 * Math.PI * hertz * at) / RATE)
  return samples
}

/** Where each mel filter is highest. */
const HERTZ = melFilters(MEL_BINS, 16_000, RATE).map((filter) => filter.indexOf(Math.max(...filter)))

/** White noise, the same at every call. */
function noise(length: number): Float32Array {
  let seed = 1
  return Float32Array.from({ length }, () => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fff_ffff
    return (seed / 0x4000_0000 - 1) * 0.02
  })
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
