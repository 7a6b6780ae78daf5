import { writeFileSync } from 'node:fs'
import { graphBuilder } from '#engines/onnx/graph-builder.ts'
import { onnxRuntime, openModel } from '#engines/onnx/runtime.ts'
import { float32 } from '#engines/onnx/tensors.ts'
import type { Hidden } from '#engines/whisper/encoder.ts'
import { generate } from '#engines/whisper/generate.ts'
import { loadModel, releaseModel, type WhisperModel } from '#engines/whisper/model-folder.ts'
import { prefixOf } from '#engines/whisper/prompt.ts'
import { TempFolder } from '#tests/kit/temp-folder.ts'
import { baseWhisper } from '#tests/kit/whisper-models.ts'
import { Peer } from '#tests/parity/peer.ts'
import { type Bench, median, type Report } from './bench.ts'

/**
 * The whisper engine with a random network of Whisper-base's sizes, on 30 s of sound and one thread: against transformers.js
 * in a process of its own, turn by turn; a batch against single chunks; the encoder against what matrix products reach.
 * Times are of the processor, not of the clock: on a machine that others use as well they say the same.
 */
const ROUNDS = 5
const TOKENS = 180
const BATCH = 8
const BATCH_TOKENS = 48

export const bench: Bench = {
  name: 'whisper',
  async run(report) {
    using folder = new TempFolder()
    const samples = sound()
    const audio = folder.join('audio.f32')
    writeFileSync(audio, samples)
    {
      await using peer = await Peer.start('transformers-whisper.mjs')
      await sideBySide(report, peer, { audio, samples })
    }
    for (const variant of ['float', 'int8-decoder'] as const) await batched(report, variant, samples)
    await encoderShare(report, samples)
  },
}

interface Sound {
  readonly audio: string
  readonly samples: Float32Array
}

async function sideBySide(report: Report, peer: Peer, { audio, samples }: Sound): Promise<void> {
  const floats = await open('float')
  const mixed = await open('int8-decoder')
  const bytes = await open('int8')
  const peerPass = async (variant: 'float' | 'int8-decoder', dtype: string | object) => {
    await peer.call('load', { folder: await baseWhisper(variant), dtype, threads: 1 })
    return async () => (await peer.call<{ ms: number }>('time', { audio, tokens: TOKENS })).ms
  }
  const ours = (model: WhisperModel) => () => timed(() => onePass(model, samples))
  const peerFloat = await peerPass('float', 'fp32')
  const [float, int8, theirFloat] = await turns([ours(floats), ours(bytes), peerFloat])
  const peerMixed = await peerPass('int8-decoder', { encoder_model: 'fp32', decoder_model_merged: 'q8' })
  const [mix, theirMix] = await turns([ours(mixed), peerMixed])
  const total = (name: string, ms: number) =>
    report({
      bench: 'whisper',
      case: name,
      figure: 'one pass',
      value: Math.round(ms),
      unit: 'ms',
      target: null,
      ok: null,
    })
  total('ours, fp32', float)
  total('ours, int8 decoder', mix)
  total('ours, int8', int8)
  total('transformers.js, fp32', theirFloat)
  total('transformers.js, int8 decoder', theirMix)
  ratio(report, `fp32, ${TOKENS} tokens`, 'transformers.js to ours', theirFloat / float, 1.4)
  ratio(report, `int8 decoder, ${TOKENS} tokens`, 'transformers.js to ours', theirMix / mix, 1.4)
  ratio(report, `${TOKENS} tokens`, 'transformers.js fp32 to our int8', theirFloat / int8, 3.5)
  for (const model of [floats, mixed, bytes]) await releaseModel(model)
}

/** Features, encoder, and so many tokens with all rules. */
async function onePass(model: WhisperModel, samples: Float32Array): Promise<void> {
  const hidden = model.encoder.hidden(1)
  await model.encoder.encode(samples, hidden, 0)
  await decode(model, hidden, TOKENS)
}

async function decode(model: WhisperModel, hidden: Hidden, tokens: number): Promise<void> {
  const { endOfText } = model.tokens
  const written = await generate(model.decoder, {
    hidden,
    rows: Array.from({ length: hidden.rows }, () => ({ lastTimestamp: 1500, frames: 1500, random: () => 0 })),
    prefix: prefixOf(model.tokens, { language: 'en', task: 'transcribe', conditioning: [] }),
    // The end is left out, so that every row is as long as the others.
    rules: { ...model.rules, suppressed: Int32Array.from([...model.rules.suppressed, endOfText]) },
    temperature: 0,
    tokenLimit: tokens,
    noSpeech: model.tokens.noSpeech,
    heads: [],
    signal: new AbortController().signal,
  })
  for (const row of written)
    if (row.tokens.length !== tokens) throw new Error(`expected ${tokens} tokens, came ${row.tokens.length}`)
}

/** Eight chunks at once against one after another, in the decoder. */
async function batched(
  report: Report,
  variant: 'float' | 'int8-decoder',
  samples: Float32Array,
): Promise<void> {
  const model = await open(variant)
  const all = model.encoder.hidden(BATCH)
  await model.encoder.encode(samples, all, 0)
  const size = all.data.length / BATCH
  for (let row = 1; row < BATCH; row++) all.data.copyWithin(row * size, 0, size)
  const single = { ...all, rows: 1, data: all.data.subarray(0, size) }
  const [together, apart] = await turns([
    () => timed(() => decode(model, all, BATCH_TOKENS)),
    () =>
      timed(async () => {
        for (let row = 0; row < BATCH; row++) await decode(model, single, BATCH_TOKENS)
      }),
  ])
  await releaseModel(model)
  const name = variant === 'float' ? 'fp32' : 'int8'
  ratio(
    report,
    `${name}, ${BATCH} chunks in the decoder`,
    'single to batched',
    apart / together,
    name === 'fp32' ? 1.3 : 2,
  )
}

const [FRAMES, WIDTH, WIDE, LAYERS, MELS] = [1500, 512, 2048, 6, 80]
/** Multiplications and additions of the base encoder: convolutions, projections, feed-forward, attention. */
const ENCODER_FLOP =
  2 * (2 * FRAMES * WIDTH * MELS * 3 + FRAMES * WIDTH * WIDTH * 3) +
  LAYERS * 2 * (4 * FRAMES * WIDTH * WIDTH + 2 * FRAMES * WIDTH * WIDE + 2 * FRAMES * FRAMES * WIDTH)

async function encoderShare(report: Report, samples: Float32Array): Promise<void> {
  const model = await open('float')
  const hidden = model.encoder.hidden(1)
  const product = await matrixProduct()
  const [encoded, features, multiplied] = await turns([
    () => timed(() => model.encoder.encode(samples, hidden, 0)),
    () => timed(() => model.encoder.features(samples)),
    () => timed(product.run),
  ])
  await product.release()
  await releaseModel(model)
  const limit = product.flop / multiplied / 1e6
  const reached = ENCODER_FLOP / (encoded - features) / 1e6
  const figure = { bench: 'whisper', target: null, ok: null }
  report({ ...figure, case: 'matrix products', figure: 'limit', value: Math.round(limit), unit: 'GFLOP/s' })
  report({ ...figure, case: 'features of 30 s', figure: 'time', value: features, unit: 'ms' })
  const share = Math.round((reached / limit) * 100)
  report({
    bench: 'whisper',
    case: 'encoder',
    figure: 'of the limit',
    value: share,
    unit: '%',
    target: '>= 65',
    ok: share >= 65,
  })
}

/** What the encoder mostly does: 1500 rows through a feed-forward layer, eight times. */
async function matrixProduct() {
  const graph = graphBuilder('matrix-product')
  const input = graph.input('rows', 'float32', [FRAMES, WIDTH])
  const up = graph.weight(float32('up', [WIDTH, WIDE], new Float32Array(WIDTH * WIDE).fill(0.01)))
  const down = graph.weight(float32('down', [WIDE, WIDTH], new Float32Array(WIDTH * WIDE).fill(0.01)))
  let rows = input
  for (let layer = 0; layer < 8; layer++)
    rows = graph.node('MatMul', [graph.node('MatMul', [rows, up]), down])
  graph.output('product', rows, 'float32', [FRAMES, WIDTH])
  const session = await openModel(graph.model(), { threads: 1 })
  const { Tensor } = await onnxRuntime()
  const fed = { rows: new Tensor('float32', new Float32Array(FRAMES * WIDTH).fill(0.1), [FRAMES, WIDTH]) }
  return {
    flop: 16 * 2 * FRAMES * WIDTH * WIDE,
    run: () => session.run(fed),
    release: () => session.release(),
  }
}

/** The median of each, taken turn by turn after one that does not count. */
async function turns<const Actions extends readonly (() => Promise<number>)[]>(
  actions: Actions,
): Promise<{ [Index in keyof Actions]: number }> {
  const times = actions.map((): number[] => [])
  for (let round = 0; round <= ROUNDS; round++)
    for (const [index, action] of actions.entries()) {
      const ms = await action()
      if (round > 0) times[index]?.push(ms)
    }
  // The assertion holds: a number for each of the actions.
  return times.map(median) as { [Index in keyof Actions]: number }
}

async function timed(action: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage()
  await action()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

function ratio(report: Report, name: string, figure: string, value: number, least: number): void {
  const rounded = Math.round(value * 100) / 100
  report({
    bench: 'whisper',
    case: name,
    figure,
    value: rounded,
    unit: 'x',
    target: `>= ${least}`,
    ok: rounded >= least,
  })
}

async function open(variant: 'float' | 'int8' | 'int8-decoder'): Promise<WhisperModel> {
  const folder = await baseWhisper(variant)
  return loadModel({ runtimeModelId: `base-${variant}`, folder, threads: 1, device: 'cpu' })
}

function sound(): Float32Array {
  return Float32Array.from(
    { length: 480_000 },
    (_, at) => 0.3 * Math.sin(at * at * 1e-6) * Math.sin(at / 9000),
  )
}
