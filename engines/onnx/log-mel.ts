import type { OnnxModel } from './graph.ts'
import { type GraphBuilder, graphBuilder, type Value } from './graph-builder.ts'
import { melFilters } from './mel-filters.ts'
import { melEnergies } from './power-spectrum.ts'

const SAMPLE_RATE = 16_000
const HOP = 160
const FRAME = 400
const WHISPER_SAMPLES = 30 * SAMPLE_RATE
const WHISPER_FRAMES = WHISPER_SAMPLES / HOP
const NEMO_FFT = 512

/**
 * Whisper's features: sound [batch, samples] of 16 kHz to [batch, mels, 3000]. Filled with silence to 30 seconds; what is
 * longer is cut. The formula is that of openai/whisper, whisper/audio.py, `log_mel_spectrogram`: a periodic Hann window, an
 * STFT centred by reflection whose last frame is left out, power, mel, log10 of at least 1e-10, at most 8 below the
 * item's maximum, then (x + 4) / 4.
 */
export function whisperLogMel(graph: GraphBuilder, sound: Value, mels: number): Value {
  const missing = graph.node('Sub', [graph.int(WHISPER_SAMPLES), sizeOf(graph, sound, 1)])
  const silence = graph.node(
    'Concat',
    [graph.ints(0, 0, 0), graph.node('Unsqueeze', [missing, graph.ints(0)])],
    {
      attributes: { axis: 0 },
    },
  )
  const filled = graph.node('Pad', [sound, silence])
  // Half a frame on both sides, less what no frame that counts looks at: the window begins with 0.
  const behind = (WHISPER_FRAMES - 1) * HOP + FRAME / 2 - WHISPER_SAMPLES
  const centred = graph.node('Pad', [filled, graph.ints(0, FRAME / 2 - 1, 0, behind)], {
    attributes: { mode: 'reflect' },
  })
  const energies = melEnergies(graph, centred, {
    name: 'whisper_log_mel',
    window: hann(FRAME, FRAME).subarray(1),
    fftSize: FRAME,
    hop: HOP,
    pads: [0, 0],
    filters: melFilters(mels, FRAME, SAMPLE_RATE),
  })
  const natural = graph.node('Log', [graph.node('Clip', [energies, graph.float(1e-10)])])
  const log = graph.node('Mul', [natural, graph.float(1 / Math.LN10)])
  const floor = graph.node('Sub', [graph.reduce('ReduceMax', log, [1, 2], true), graph.float(8)])
  const audible = graph.node('Max', [log, floor])
  return graph.node('Mul', [graph.node('Add', [audible, graph.float(4)]), graph.float(0.25)])
}

/**
 * The features of NeMo's models (FastConformer, Parakeet, Canary): sound [batch, samples] of 16 kHz, of which each item's
 * `lengths` [batch] count, to [batch, mels, samples / 160 + 1] and the frames that count, each item's length / 160; behind
 * them is 0. The formula is that of NVIDIA/NeMo, nemo/collections/asr/parts/preprocessing/features.py, `FilterbankFeatures`
 * and `normalize_batch` as it is outside training (no dither): preemphasis 0.97, a symmetric Hann window of 400 in an FFT of
 * 512, an STFT centred by zeros, power, mel, ln(x + 2^-24), and per feature (x - mean) / (deviation + 1e-5).
 */
export function nemoLogMel(
  graph: GraphBuilder,
  sound: Value,
  lengths: Value,
  mels: number,
): { readonly features: Value; readonly lengths: Value } {
  const before = graph.node('Pad', [sound, graph.ints(0, 1, 0, -1)])
  const sharper = graph.node('Sub', [sound, graph.node('Mul', [before, graph.float(0.97)])])
  const emphasized = graph.node('Where', [within(graph, sharper, 1, lengths, [1]), sharper, graph.float(0)])
  const energies = melEnergies(graph, emphasized, {
    name: 'nemo_log_mel',
    // Both ends of a symmetric window are 0.
    window: hann(FRAME, FRAME - 1).subarray(1, -1),
    fftSize: NEMO_FFT,
    hop: HOP,
    pads: [FRAME / 2 - 1, FRAME / 2 - 1],
    filters: melFilters(mels, NEMO_FFT, SAMPLE_RATE),
  })
  const log = graph.node('Log', [graph.node('Add', [energies, graph.float(2 ** -24)])])
  const frames = graph.node('Div', [lengths, graph.int(HOP)])
  return { features: normalized(graph, log, frames), lengths: frames }
}

/** A model of its own: `audio` to `features`. */
export function whisperLogMelModel(mels: number): OnnxModel {
  const graph = graphBuilder('whisper-log-mel')
  const audio = graph.input('audio', 'float32', ['batch', 'samples'])
  graph.output('features', whisperLogMel(graph, audio, mels), 'float32', ['batch', mels, WHISPER_FRAMES])
  return graph.model()
}

/** A model of its own: `audio` and `audio_lengths` to `features` and `feature_lengths`. */
export function nemoLogMelModel(mels: number): OnnxModel {
  const graph = graphBuilder('nemo-log-mel')
  const audio = graph.input('audio', 'float32', ['batch', 'samples'])
  const audioLengths = graph.input('audio_lengths', 'int64', ['batch'])
  const { features, lengths } = nemoLogMel(graph, audio, audioLengths, mels)
  graph.output('features', features, 'float32', ['batch', mels, 'frames'])
  graph.output('feature_lengths', lengths, 'int64', ['batch'])
  return graph.model()
}

/** The deviation is that of a sample (n - 1); a single frame, for which NeMo has none, is all 0. */
function normalized(graph: GraphBuilder, log: Value, frames: Value): Value {
  const zero = graph.float(0)
  const counts = within(graph, log, 2, frames, [1, 2])
  const frameCount = graph.node('Cast', [graph.node('Unsqueeze', [frames, graph.ints(1, 2)])], {
    attributes: { to: 1 },
  })
  const atLeastOne = (count: Value) => graph.node('Max', [count, graph.float(1)])
  const sum = graph.reduce('ReduceSum', graph.node('Where', [counts, log, zero]), [2], true)
  const mean = graph.node('Div', [sum, atLeastOne(frameCount)])
  const centred = graph.node('Where', [counts, graph.node('Sub', [log, mean]), zero])
  const squares = graph.reduce('ReduceSum', graph.node('Mul', [centred, centred]), [2], true)
  const fewer = graph.node('Sub', [frameCount, graph.float(1)])
  const deviation = graph.node('Sqrt', [graph.node('Div', [squares, atLeastOne(fewer)])])
  return graph.node('Div', [centred, graph.node('Add', [deviation, graph.float(1e-5)])])
}

/** Where the index along the axis is below each item's length; `axes` lie between the batch and the end. */
function within(
  graph: GraphBuilder,
  value: Value,
  axis: number,
  lengths: Value,
  axes: readonly number[],
): Value {
  const indices = graph.node('Range', [graph.int(0), sizeOf(graph, value, axis), graph.int(1)])
  return graph.node('Less', [indices, graph.node('Unsqueeze', [lengths, graph.ints(...axes)])])
}

function sizeOf(graph: GraphBuilder, value: Value, axis: number): Value {
  return graph.node('Gather', [graph.node('Shape', [value]), graph.int(axis)])
}

/** 0 at the start and again after `period`. */
function hann(length: number, period: number): Float64Array {
  return Float64Array.from({ length }, (_, at) => 0.5 - 0.5 * Math.cos((2 * Math.PI * at) / period))
}
