import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { graphBuilder } from '#engines/onnx/graph-builder.ts'
import { nemoLogMel, nemoLogMelModel, whisperLogMel, whisperLogMelModel } from '#engines/onnx/log-mel.ts'
import { melFilters } from '#engines/onnx/mel-filters.ts'
import { onnxRuntime } from '#engines/onnx/runtime.ts'
import { nemoReference, whisperReference } from '#tests/kit/feature-reference.ts'
import { run } from '#tests/kit/onnx-models.ts'
import { seeded } from '#tests/kit/seeded.ts'

const CALL = readFileSync(fileURLToPath(new URL('../../models/embedded/samples/call.wav', import.meta.url)))
const random = seeded(5)
const noise = Float32Array.from({ length: 24_000 }, () => (random() - 0.5) * 0.2)
/** A second and a half that ends in the middle of a frame. */
const speech = Float32Array.from(
  { length: 24_000 },
  (_, at) => CALL.readInt16LE(44 + 2 * (16_000 + at)) / 32_768,
)
const TOLERANCE = 1e-4

describe('log-mel', () => {
  it('[ON8] the filters are those that librosa makes', () => {
    // Published with Whisper: assets/mel_filters.npz, mel_80.
    const filters = melFilters(80, 400, 16_000)
    const known = [
      [0, 1, 0.024862594902515],
      [1, 2, 0.02287177182734],
      [9, 10, 0.006945197004825],
      [40, 43, 0.014735566],
      [79, 192, 0.0031647119],
    ] as const
    for (const [mel, bin, weight] of known) expect(filters[mel]?.[bin]).toBeCloseTo(weight, 8)
    expect(filters.flatMap((filter) => Array.from(filter)).reduce((sum, one) => sum + one, 0)).toBeCloseTo(
      1.999024,
      5,
    )
  })

  it.each([80, 128])(
    "[ON8] Whisper's features of a batch are those of each item alone, %i mels",
    async (mels) => {
      const { features } = await run(whisperLogMelModel(mels), { audio: await batch([speech, noise]) })
      expect(features?.dims).toEqual([2, mels, 3000])
      expect(
        worst(features?.data, [whisperReference(speech, mels), whisperReference(noise, mels)]),
      ).toBeLessThan(TOLERANCE)
    },
  )

  it('[ON8] sound beyond 30 seconds does not count, silence is all floor', async () => {
    const long = Float32Array.from({ length: 480_160 }, (_, at) =>
      at < 479_000 ? 0 : (noise[at % noise.length] ?? 0),
    )
    const cut = await run(whisperLogMelModel(80), { audio: await batch([long.fill(1, 480_000)]) })
    expect(worst(cut.features?.data, [whisperReference(long, 80)])).toBeLessThan(TOLERANCE)
    const { features } = await run(whisperLogMelModel(80), { audio: await batch([new Float32Array(1600)]) })
    expect(
      worst(features?.data, [Array.from({ length: 80 }, () => new Float64Array(3000).fill(-1.5))]),
    ).toBeLessThan(1e-6)
  })

  it.each([80, 128])(
    "[ON9] NeMo's features of items of different lengths are those of each alone, %i mels",
    async (mels) => {
      const lengths = [speech.length, 17_777]
      const outputs = await run(nemoLogMelModel(mels), {
        audio: await batch([speech, noise]),
        audio_lengths: await whole(lengths),
      })
      expect(outputs.features?.dims).toEqual([2, mels, 151])
      expect(Array.from(outputs.feature_lengths?.data ?? [], Number)).toEqual([150, 111])
      const expected = [nemoReference(speech, 24_000, mels), nemoReference(noise, 17_777, mels)]
      expect(worst(outputs.features?.data, expected)).toBeLessThan(TOLERANCE)
    },
  )

  it('[ON9] items without a frame, and with one, are zeros', async () => {
    const outputs = await run(nemoLogMelModel(80), {
      audio: await batch([noise.subarray(0, 400), noise.subarray(0, 400)]),
      audio_lengths: await whole([100, 200]),
    })
    expect(Array.from(outputs.feature_lengths?.data ?? [], Number)).toEqual([0, 1])
    expect(Array.from(outputs.features?.data ?? [], Number).every((value) => value === 0)).toBe(true)
  })

  it.each([13, 21])('[ON8, ON9] both can stand in a graph of opset %i', async (opset) => {
    const graph = graphBuilder('both', { '': opset })
    const audio = graph.input('audio', 'float32', ['batch', 'samples'])
    const lengths = graph.input('audio_lengths', 'int64', ['batch'])
    graph.output('whisper', whisperLogMel(graph, audio, 80), 'float32', ['batch', 80, 3000])
    graph.output('nemo', nemoLogMel(graph, audio, lengths, 80).features, 'float32', ['batch', 80, 'frames'])
    const feeds = { audio: await batch([noise]), audio_lengths: await whole([noise.length]) }
    const [both, alone, other] = await Promise.all([
      run(graph.model(), feeds),
      run(whisperLogMelModel(80), { audio: feeds.audio }),
      run(nemoLogMelModel(80), feeds),
    ])
    expect([both.whisper?.data, both.nemo?.data]).toEqual([alone.features?.data, other.features?.data])
  })
})

async function batch(items: readonly Float32Array[]) {
  const { Tensor } = await onnxRuntime()
  const samples = items[0]?.length ?? 0
  const joined = new Float32Array(items.length * samples)
  for (const [index, item] of items.entries()) joined.set(item, index * samples)
  return new Tensor('float32', joined, [items.length, samples])
}

async function whole(values: readonly number[]) {
  const { Tensor } = await onnxRuntime()
  return new Tensor('int64', BigInt64Array.from(values, BigInt), [values.length])
}

/** The largest difference; NaN where one is no number. */
function worst(
  data: { readonly [at: number]: unknown } | undefined,
  items: readonly Float64Array[][],
): number {
  const expected = items.flat()
  const frames = expected[0]?.length ?? 0
  const gaps = expected.map((row, index) =>
    row.map((value, frame) => Math.abs(Number(data?.[index * frames + frame]) - value)),
  )
  return gaps.reduce((most, row) => row.reduce((a, b) => Math.max(a, b), most), 0)
}
