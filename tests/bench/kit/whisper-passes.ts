import { graphBuilder } from '#engines/onnx/graph-builder.ts'
import { onnxRuntime, openModel } from '#engines/onnx/runtime.ts'
import { float32 } from '#engines/onnx/tensors.ts'
import type { Hidden } from '#engines/whisper/encoder.ts'
import { generate } from '#engines/whisper/generate.ts'
import { loadModel, type WhisperModel } from '#engines/whisper/model-folder.ts'
import { prefixOf } from '#engines/whisper/prompt.ts'

/** The engine's part of the whisper bench, in a process as the agent starts one. Each message is `{ id, name, rows, tokens }`. */
export interface Pass {
  readonly name: 'whole' | 'decode' | 'encode' | 'features' | 'multiply'
  /** Of a decode: chunks at once. */
  readonly rows?: number
  /** Of a decode: one batch after another. */
  readonly times?: number
  readonly tokens?: number
}

export const [FRAMES, WIDTH, WIDE] = [1500, 512, 2048]
export const MULTIPLIED_FLOP = 16 * 2 * FRAMES * WIDTH * WIDE
const ROWS = 8

if (import.meta.main) await answer(process.argv[2] ?? '')

async function answer(folder: string): Promise<void> {
  const model = await loadModel({ runtimeModelId: 'base', folder, threads: 1, device: 'cpu' })
  const samples = sound()
  const encoded = model.encoder.hidden(ROWS)
  const size = encoded.data.length / ROWS
  const hidden = (rows: number) => ({ ...encoded, rows, data: encoded.data.subarray(0, rows * size) })
  await model.encoder.encode(samples, encoded, 0)
  for (let row = 1; row < ROWS; row++) encoded.data.copyWithin(row * size, 0, size)
  const multiply = await matrixProduct()
  const passes = {
    whole: async ({ tokens = 0 }: Pass) => {
      await model.encoder.encode(samples, encoded, 0)
      await decode(model, hidden(1), tokens)
    },
    decode: async ({ rows = 1, times = 1, tokens = 0 }: Pass) => {
      for (let time = 0; time < times; time++) await decode(model, hidden(rows), tokens)
    },
    encode: () => model.encoder.encode(samples, encoded, 0),
    features: () => model.encoder.features(samples),
    multiply,
  }
  process.on('message', async (pass: Pass) => {
    const before = process.cpuUsage()
    const start = performance.now()
    await passes[pass.name](pass)
    const wallMs = performance.now() - start
    const { user, system } = process.cpuUsage(before)
    process.send?.({ processorMs: (user + system) / 1000, wallMs })
  })
  process.on('disconnect', () => process.exit(0))
  process.send?.('ready')
}

/** So many tokens a row, with all rules. */
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
  return () => session.run(fed)
}

/** 30 s. */
export function sound(): Float32Array {
  return Float32Array.from(
    { length: 480_000 },
    (_, at) => 0.3 * Math.sin(at * at * 1e-6) * Math.sin(at / 9000),
  )
}
